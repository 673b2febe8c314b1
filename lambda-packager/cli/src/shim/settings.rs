//! The settings that the flags of `cargo lambda build` stand for.

use std::path::{Path, PathBuf};

use lambda_packager::internal::{
    Adds, Arch, Error, Layer, Mode, Names, Origin, OutputFormat, Result, Task, fs, glob, lexically_clean, relative,
};
use serde_json::{Map, Value, json};

use crate::shim::flags::Flags;
use crate::shim::output;

/// The settings of the flags, but for [`mode`]; `here` is the folder of the call. A list replaces the one that holds without
/// the flags; with `--admerge` it is added to it, as cargo-lambda does.
///
/// # Errors
/// A target that Lambda does not run, or that is not the packager's.
pub fn layer(flags: &Flags, here: &Path) -> Result<Layer> {
    let mut values = Map::new();
    let arch = match (flags.arm64, flags.x86_64, &flags.target) {
        (true, ..) => Some(Arch::Arm64),
        (_, true, _) => Some(Arch::X86_64),
        (.., Some(target)) => Some(arch_of(target)?),
        _ => None,
    };
    values.extend(arch.map(|arch| ("target_arch".to_string(), json!(arch.to_string()))));
    let is_for_al2 = flags.target.as_deref().is_some_and(has_old_glibc);
    values.extend(is_for_al2.then(|| ("runtime".to_string(), json!("provided.al2"))));
    let kind = if flags.internal { "internal-extension" } else { "extension" };
    values.extend(flags.extension.then(|| ("kind".to_string(), json!(kind))));
    let (_, profile) = Mode::of_cargo_lambda(flags.release, flags.profile.as_deref());
    values.extend(profile.map(|profile| ("profile".to_string(), json!(profile))));
    values.extend((flags.locked || flags.frozen).then(|| ("locked".to_string(), Value::Bool(true))));
    let features = flags.features.iter().flat_map(|names| names.split([',', ' ']));
    let features: Vec<_> = features.filter(|name| !name.is_empty()).collect();
    for (name, list) in [
        ("features", json!(features)),
        ("function", json!(Names::of_targets(&flags.bin, flags.bins, &flags.example, flags.examples))),
        ("package", json!(packages(flags))),
        ("cargo_flags", json!(cargo_flags(flags, here))),
    ] {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            values.insert(name.into(), list);
        }
    }
    let adds = if flags.admerge { Adds::Lists } else { Adds::OtherFlags };
    Ok(Layer { adds, ..Layer::parse(values, &Origin::Flag)? })
}

/// The mode, if flags choose one. It is weaker than variables: cargo-lambda knows no `prod`, and `LAMBDA_PACKAGER_MODE=prod`
/// is how to get it.
pub fn mode(flags: &Flags) -> Option<Layer> {
    let (mode, _) = Mode::of_cargo_lambda(flags.release, flags.profile.as_deref());
    let is_chosen = flags.release || flags.profile.is_some();
    is_chosen.then(|| Layer { mode: Some(mode), ..Layer::default() })
}

/// The files that `--include` adds to the zips of `tasks`; none where no zip is asked for.
///
/// # Errors
/// Files that are not the same for all functions, or that have no place in the zip.
pub fn include(flags: &Flags, tasks: &[Task], here: &Path) -> Result<Option<Layer>> {
    if flags.include.is_empty() || tasks.iter().all(|task| output::format(task, flags) != OutputFormat::Zip) {
        return Ok(None);
    }
    let values = Map::from_iter([("include".to_string(), json!(included_by_all(flags, tasks, here)?))]);
    let adds = if flags.admerge { Adds::Lists } else { Adds::Nothing };
    Ok(Some(Layer { adds, ..Layer::parse(values, &Origin::Flag)? }))
}

/// The variables that the compile sees beside those that the functions' own settings pass.
pub fn variables(names: &[String]) -> Result<Layer> {
    let values = Map::from_iter([("pass_env".to_string(), json!(names))]);
    Ok(Layer { adds: Adds::Lists, ..Layer::parse(values, &Origin::Flag)? })
}

/// The entries of `--include` as the setting has them, which are relative to the package.
fn included_by_all(flags: &Flags, tasks: &[Task], here: &Path) -> Result<Vec<String>> {
    let mut all: Option<Vec<String>> = None;
    for task in tasks {
        let entries = included(&flags.include, here, task.function.package.folder())?;
        if all.as_ref().is_some_and(|others| *others != entries) {
            return Err(Error::config("flag --include: the functions are of packages at different places")
                .hint_with("select one package with --package, or set `include` in the manifest of each"));
        }
        all = Some(entries);
    }
    Ok(all.unwrap_or_default())
}

/// `entries`, which are relative to the folder of the call, as the setting of a package has them. The names in the zip are
/// those of cargo-lambda: what is written before the `:`, or the path as it is written.
fn included(entries: &[String], here: &Path, package: &Path) -> Result<Vec<String>> {
    let from_package = |path: &str| relative(&lexically_clean(&here.join(path)), package);
    let setting = |entry: &String| {
        if let Some(taken_out) = entry.strip_prefix('!') {
            // The name of a folder is no pattern.
            let here = package.join(glob::escape(&relative(here, package)));
            return Ok(format!("!{}", relative(&lexically_clean(&here.join(taken_out)), package)));
        }
        if let Some((to, source)) = entry.split_once(':').filter(|(_, source)| !source.is_empty()) {
            return Ok(format!("{to}:{}", from_package(source)));
        }
        let (path, name) = (from_package(entry), relative(&lexically_clean(&here.join(entry)), here));
        let refused =
            |what: &str, hint: &str| Err(Error::config(format!("flag --include: {entry} {what}")).hint_with(hint));
        if path == name {
            return Ok(path);
        }
        if name.starts_with("..") {
            return refused(
                "is not below the folder of the call, so it has no place in the zip",
                "give it one: `DEST:SRC`",
            );
        }
        if glob::is_glob(entry) && fs::lstat(&here.join(entry))?.is_none() {
            return refused("is a glob, and these are for calls in the folder of the package", "name the folder");
        }
        Ok(format!("{name}:{path}"))
    };
    entries.iter().map(setting).collect()
}

/// The folder to start from: that of `--manifest-path`, or of the call.
///
/// # Errors
/// It is no path of a manifest.
pub fn start(flags: &Flags, here: &Path) -> Result<PathBuf> {
    let Some(manifest) = &flags.manifest_path else { return Ok(here.to_path_buf()) };
    let path = lexically_clean(&here.join(manifest));
    match path.parent() {
        Some(folder) if path.ends_with("Cargo.toml") => Ok(folder.to_path_buf()),
        _ => Err(Error::config(format!("flag --manifest-path: {} is no Cargo.toml", manifest.display()))
            .hint_with("name the manifest of the package or of the workspace")),
    }
}

/// Whether the target asks for a glibc that is older than that of provided.al2023, as SAM does for provided.al2.
fn has_old_glibc(target: &str) -> bool {
    let version = target.split_once('.').and_then(|(_, version)| version.strip_prefix("2."));
    version.and_then(|minor| minor.parse::<u32>().ok()).is_some_and(|minor| minor < 34)
}

fn arch_of(target: &str) -> Result<Arch> {
    let triple = target.split('.').next().unwrap_or_default();
    let arch = [Arch::X86_64, Arch::Arm64].into_iter().find(|arch| arch.triple() == triple);
    arch.ok_or_else(|| {
        let hint = match triple.ends_with("-linux-musl") {
            true => "functions are linked with the glibc of their runtime, which is checked: use --x86-64 or --arm64",
            false => "Lambda runs x86_64-unknown-linux-gnu (--x86-64) and aarch64-unknown-linux-gnu (--arm64)",
        };
        Error::config(format!("flag --target: lambda-packager does not compile for {target}")).hint_with(hint)
    })
}

fn packages(flags: &Flags) -> Vec<String> {
    // The version in `name@version` tells apart what a workspace cannot have twice.
    let name = |spec: &String| spec.split('@').next().unwrap_or_default().to_string();
    let mut packages: Vec<_> = flags.package.iter().map(name).collect();
    packages.extend(flags.workspace.then(|| "*".to_string()));
    packages.extend(flags.exclude.iter().map(|spec| format!("!{}", name(spec))));
    packages
}

fn cargo_flags(flags: &Flags, here: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let switches = [
        ("--all-features", flags.all_features),
        ("--no-default-features", flags.no_default_features),
        ("--ignore-rust-version", flags.ignore_rust_version),
    ];
    found.extend(switches.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.to_string()));
    found.extend(flags.jobs.iter().flat_map(|jobs| ["--jobs".to_string(), jobs.clone()]));
    for config in &flags.config {
        // A file is relative to the folder of the call here, and to the workspace in the setting.
        let value =
            if config.contains('=') { config.clone() } else { here.join(config).to_string_lossy().into_owned() };
        found.extend(["--config".to_string(), value]);
    }
    found.extend(flags.unstable.iter().flat_map(|flag| ["-Z".to_string(), flag.clone()]));
    found
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn flags(line: &str) -> Flags {
        Flags::parse(line.split_whitespace().map(OsString::from).collect()).unwrap().0
    }

    fn values(layer: Result<Layer>) -> String {
        layer.map_or_else(|e| e.report(), |layer| format!("{layer:?}"))
    }

    #[test]
    fn each_flag_is_its_setting() {
        let here = Path::new("/w/a");
        for (line, settings) in [
            ("", json!({})),
            ("--arm64", json!({"target_arch": "arm64"})),
            ("--x86-64 --locked", json!({"target_arch": "x86_64", "locked": true})),
            ("--target x86_64-unknown-linux-gnu.2.34 --frozen", json!({"target_arch": "x86_64", "locked": true})),
            ("--target aarch64-unknown-linux-gnu.2.26", json!({"target_arch": "arm64", "runtime": "provided.al2"})),
            ("--bin a --bin b*", json!({"function": ["a", "b*"]})),
            ("--bins", json!({})),
            ("--example e* --bin b", json!({"function": ["b", "examples/e*"]})),
            ("--examples --bins", json!({"function": ["examples/*", "*"]})),
            ("-p a@1.0.0 -p b", json!({"package": ["a", "b"]})),
            ("--all --exclude c", json!({"package": ["*", "!c"]})),
            ("-F a,b -F c", json!({"features": ["a", "b", "c"]})),
            ("--profile small", json!({"profile": "small"})),
            ("--profile release", json!({})),
            ("--no-default-features -j 2", json!({"cargo_flags": ["--no-default-features", "--jobs", "2"]})),
            (
                "--config a.b=1 --config c.toml",
                json!({"cargo_flags": ["--config", "a.b=1", "--config", "/w/a/c.toml"]}),
            ),
        ] {
            let Value::Object(settings) = settings else { panic!("a table") };
            let expected = Layer::parse(settings, &Origin::Flag).map(|layer| Layer { adds: Adds::OtherFlags, ..layer });
            assert_eq!(values(layer(&flags(line), here)), values(expected), "{line}");
        }
        for (target, expected) in
            [("x86_64-unknown-linux-musl", "linked with the glibc of their runtime"), ("wasm32-wasip1", "Lambda runs")]
        {
            assert!(values(layer(&flags(&format!("--target {target}")), here)).contains(expected), "{target}");
        }
    }

    #[test]
    fn release_and_profile_choose_the_mode() {
        for (line, expected) in [
            ("", None),
            ("--release", Some(Mode::Release)),
            ("--profile dev", Some(Mode::Dev)),
            ("--profile small", Some(Mode::Release)),
        ] {
            assert_eq!(mode(&flags(line)).and_then(|layer| layer.mode), expected, "{line}");
        }
    }

    #[test]
    fn the_manifest_is_relative_to_the_folder_of_the_call() {
        let (flags, here) = (flags("--manifest-path ../c/Cargo.toml"), Path::new("/w/a"));
        assert_eq!(start(&flags, here).unwrap(), Path::new("/w/c"));
        let refused = super::start(&Flags { manifest_path: Some("../c".into()), ..flags }, here).unwrap_err();
        assert!(refused.to_string().contains("../c is no Cargo.toml"));
    }

    #[test]
    fn what_is_included_has_the_name_that_it_is_given_and_is_found_from_the_folder_of_the_call() {
        for (here, entry, expected) in [
            ("/w/a", "assets/", "assets"),
            ("/w/a", "./b/../x.txt", "x.txt"),
            ("/w/a", "www/**", "www/**"),
            ("/w/a", "!www/*.map", "!www/*.map"),
            ("/w/a", "etc:conf", "etc:conf"),
            ("/w/a", "etc/c.json:../shared/c.json", "etc/c.json:../shared/c.json"),
            ("/w", "a/assets", "a/assets:assets"),
            ("/w", "shared", "shared:../shared"),
            ("/w", ".:a/assets", ".:assets"),
            ("/w", "!a/assets/*.map", "!assets/*.map"),
            ("/w", "/w/a/x", "a/x:x"),
            // The setting refuses it.
            ("/w/a", "../shared", "../shared"),
            ("/w/b", "../a/x", "../a/x is not below the folder of the call"),
            ("/w", "a/*.txt", "a/*.txt is a glob, and these are for calls in the folder of the package"),
        ] {
            let found = included(&[entry.to_string()], Path::new(here), Path::new("/w/a"));
            let found = found.map_or_else(|error| error.to_string(), |all| all.concat());
            assert_eq!(
                found.trim_start_matches("flag --include: ").split(", so").next(),
                Some(expected),
                "{here} {entry}"
            );
        }
    }
}
