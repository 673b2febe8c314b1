//! The settings that the flags of `cargo lambda build` stand for.

use std::path::{Path, PathBuf};

use lambda_packager::internal::{Arch, Error, Layer, Mode, Origin, Result, lexically_clean};
use serde_json::{Map, Value, json};

use crate::shim::flags::Flags;

/// The settings of the flags, but for [`mode`]; `here` is the folder of the call.
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
    let profile = flags.profile.as_deref().filter(|profile| !["dev", "release"].contains(profile));
    values.extend(profile.map(|profile| ("profile".to_string(), json!(profile))));
    values.extend((flags.locked || flags.frozen).then(|| ("locked".to_string(), Value::Bool(true))));
    let features = flags.features.iter().flat_map(|names| names.split([',', ' ']));
    let features: Vec<_> = features.filter(|name| !name.is_empty()).collect();
    for (name, list) in [
        ("features", json!(features)),
        ("function", json!(flags.bin)),
        ("package", json!(packages(flags))),
        ("cargo_flags", json!(cargo_flags(flags, here))),
    ] {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            values.insert(name.into(), list);
        }
    }
    Layer::parse(values, &Origin::Flag)
}

/// The mode, weaker than variables: cargo-lambda knows no `prod`, and `LAMBDA_PACKAGER_MODE=prod` is how to get it.
pub fn mode(flags: &Flags) -> Result<Layer> {
    let is_dev = flags.profile.as_ref().map_or(!flags.release, |profile| profile == "dev");
    let mode = if is_dev { Mode::Dev } else { Mode::Release };
    Layer::parse(Map::from_iter([("mode".to_string(), json!(mode))]), &Origin::Flag)
}

/// The files of `--include`, which are relative to the folder of the call, as the setting has them: relative to the package.
///
/// # Errors
/// One that is not in the package.
pub fn include(flags: &Flags, here: &Path, package: &Path) -> Result<Layer> {
    let mut entries = Vec::new();
    for entry in &flags.include {
        let path = lexically_clean(&here.join(entry));
        let inside = path.strip_prefix(package).map_err(|_| {
            let error = format!("flag --include: {entry} is not in the package {}", package.display());
            Error::config(error).hint_with("only files of the function's package can be added: copy it there")
        })?;
        entries.push(inside.to_string_lossy().into_owned());
    }
    Layer::parse(Map::from_iter([("include".to_string(), json!(entries))]), &Origin::Flag)
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
            assert_eq!(values(layer(&flags(line), here)), values(Layer::parse(settings, &Origin::Flag)), "{line}");
        }
        for (target, expected) in
            [("x86_64-unknown-linux-musl", "linked with the glibc of their runtime"), ("wasm32-wasip1", "Lambda runs")]
        {
            assert!(values(layer(&flags(&format!("--target {target}")), here)).contains(expected), "{target}");
        }
    }

    #[test]
    fn without_release_the_mode_is_dev() {
        for (line, expected) in
            [("", "dev"), ("--release", "release"), ("--profile dev", "dev"), ("--profile small", "release")]
        {
            let Value::Object(settings) = json!({"mode": expected}) else { panic!("a table") };
            assert_eq!(values(mode(&flags(line))), values(Layer::parse(settings, &Origin::Flag)), "{line}");
        }
    }

    #[test]
    fn what_is_included_and_the_manifest_are_relative_to_the_folder_of_the_call() {
        let flags = flags("-i assets -i ./b/x.txt --manifest-path ../c/Cargo.toml");
        let Value::Object(expected) = json!({"include": ["a/assets", "a/b/x.txt"]}) else { panic!("a table") };
        let here = Path::new("/w/a");
        assert_eq!(values(include(&flags, here, Path::new("/w"))), values(Layer::parse(expected, &Origin::Flag)));
        assert!(values(include(&flags, here, Path::new("/w/other"))).contains("assets is not in the package /w/other"));
        assert_eq!(start(&flags, here).unwrap(), Path::new("/w/c"));
        let refused = super::start(&Flags { manifest_path: Some("../c".into()), ..flags }, here).unwrap_err();
        assert!(refused.to_string().contains("../c is no Cargo.toml"));
    }
}
