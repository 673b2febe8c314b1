//! `lambda-packager doctor`: checks this machine and project for problems, and prints how to fix them.

mod findings;

use std::time::SystemTime;

use lambda_packager::internal::builder_image::Use;
use lambda_packager::internal::deps_cache::KEPT;
use lambda_packager::internal::identity::PATH;
use lambda_packager::internal::{
    Base, Config, Engine, EngineChoice, Lock, PullPolicy, Result, Toolchain, Workspace, base_image, builder_image,
    candidates, cargo_config, deps_cache, env, fs, host_name, interrupt, print_lines,
};

use crate::doctor::findings::{Findings, Level, with_cause};
use crate::project::Context;

/// With less, a build may not finish.
const FREE_BYTES_NEEDED: u64 = 500 << 20;
/// With less, a few builds fill the disk.
const FREE_BYTES_WANTED: u64 = 5 << 30;

/// The first release of Rust whose cargo is without CVE-2026-5222 and CVE-2026-5223.
///
/// Sources: <https://blog.rust-lang.org/2026/05/25/cve-2026-5222/>, <https://blog.rust-lang.org/2026/05/25/cve-2026-5223/>.
const SAFE_WITH_REGISTRIES: (u32, u32) = (1, 96);

/// Checks everything; the exit status is 1 if a finding is an error.
pub fn doctor(context: &Context, as_json: bool) -> Result<u8> {
    let mut findings = Findings::default();
    let mut reachable: Vec<Engine> = Vec::new();
    if let Err(error) = context.project.tasks() {
        findings.add_error(Level::Error, error);
    }
    for config in checked(context.configs()) {
        toolchain(context, &config, &mut findings);
        let answering = engines(context, &config, &mut findings);
        base(context, &config, &answering, &mut findings);
        reachable.extend(answering);
    }
    reachable.sort_by_key(|engine| engine.kind.program());
    reachable.dedup_by_key(|engine| engine.kind);
    for engine in &reachable {
        leftovers(context, engine, &mut findings);
    }
    let local = on_this_machine(&reachable, &mut findings)?;
    disk(context, &local, &mut findings);
    clock(context, &mut findings)?;
    if interrupt::signal().is_some() {
        // Whatever was asked since then has failed by it.
        return Err(interrupt::error());
    }
    print_lines(&findings.lines(as_json));
    Ok(u8::from(findings.has_errors()))
}

/// Those of the functions' settings that differ in what is checked.
fn checked(configs: Vec<Config>) -> Vec<Config> {
    let mut different: Vec<Config> = Vec::new();
    for config in configs {
        let is_checked_like = |known: &Config| {
            let checks = |of: &Config| (of.engine, of.base.clone(), of.pull_policy, of.require_container);
            checks(known) == checks(&config)
                && (known.runtime, known.target_arch) == (config.runtime, config.target_arch)
        };
        if !different.iter().any(is_checked_like) {
            different.push(config);
        }
    }
    different
}

fn toolchain(context: &Context, config: &Config, findings: &mut Findings) {
    match Toolchain::discover(&context.project.workspace, config.target_arch) {
        Ok(Toolchain { rustc_release, cc_program, .. }) => {
            findings.ok(format!(
                "cargo and rustc {rustc_release} for {}, C compiler {}",
                config.target_arch.triple(),
                cc_program.display()
            ));
            registries(context, &rustc_release, findings);
        }
        // An image has its own toolchain.
        Err(error) if matches!(config.base, Base::Image(_)) => findings.add_error(Level::Warning, error),
        Err(error) => findings.add_error(Level::Error, error),
    }
    if let Some(warning) = config.runtime.warning() {
        let fix = format!("change {}", config.place_of("runtime"));
        findings.add(Level::Warning, warning, fix);
    }
    let home = &context.project.workspace.cargo_home;
    if !fs::is_writable(home) {
        let what = format!("cargo's home {} is not writable", home.display());
        findings.add(Level::Error, what, "crates are downloaded there; check its owner, or set CARGO_HOME");
    }
}

/// Warns of a cargo that a crate, or somebody who publishes crates, may attack in a registry other than cargo's default.
fn registries(context: &Context, rust_release: &str, findings: &mut Findings) {
    match cargo_config::registries(&context.project.workspace) {
        Ok(others) if !others.is_empty() && is_before(rust_release, SAFE_WITH_REGISTRIES) => findings.add(
            Level::Warning,
            format!(
                "the cargo of Rust {rust_release} has CVE-2026-5222 and CVE-2026-5223, which concern registries other than cargo's default (`{}` in cargo's configuration)",
                others.join("`, `")
            ),
            "update to Rust 1.96 or newer, such as by `rustup update`; until then trust everybody who can publish to these registries",
        ),
        Ok(_) => {}
        Err(error) => findings.add_error(Level::Warning, error),
    }
}

/// Whether a release such as `1.95.0` or `1.97.0-nightly` is before a version.
fn is_before(release: &str, version: (u32, u32)) -> bool {
    let mut parts = release.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < version,
        _ => false,
    }
}

/// The engines that answer.
fn engines(context: &Context, config: &Config, findings: &mut Findings) -> Vec<Engine> {
    let candidates = match candidates(config, &context.project.workspace.state_folder()) {
        Ok(candidates) => candidates,
        Err(error) => {
            findings.add_error(Level::Error, error);
            return Vec::new();
        }
    };
    let mut reachable = Vec::new();
    for engine in candidates {
        match engine.version() {
            Ok(version) => {
                findings.ok(format!("{} {version} answers, and this user may use it", engine.kind.program()));
                reachable.push(engine);
            }
            Err(failure) if config.engine == EngineChoice::Auto => findings.add_error(Level::Warning, failure),
            Err(failure) => findings.add_error(Level::Error, failure),
        }
    }
    if reachable.is_empty() && config.engine != EngineChoice::Host {
        let level = if config.require_container { Level::Error } else { Level::Warning };
        let fix = "install and start docker or podman; until then the host compiles, which is not hermetic";
        findings.add(level, "no container engine answers", fix);
    }
    reachable
}

fn base(context: &Context, config: &Config, reachable: &[Engine], findings: &mut Findings) {
    let reference = match &config.base {
        Base::Image(reference) => reference,
        Base::Auto => return builder(&context.project.workspace, config, reachable, findings),
        Base::Host => return findings.ok("the host's toolchain is mounted read-only; no registry is needed"),
    };
    // A build takes the first one.
    for engine in reachable.iter().take(1) {
        match engine.image_id(reference) {
            Ok(Some(id)) => findings.ok(format!("base image {reference} is available locally ({id})")),
            Ok(None) if config.pull_policy == PullPolicy::Never => findings.add(
                Level::Error,
                format!("base image {reference} is not available locally"),
                format!(
                    "load it with the engine's `load`, or allow pulling it: {} does not allow it",
                    config.place_of("pull_policy")
                ),
            ),
            Ok(None) => match engine.pull(reference) {
                Ok(()) => findings.ok(format!("base image {reference} was pulled from its registry")),
                Err(failure) => findings.add(
                    Level::Error,
                    format!("base image {reference} is not available locally: {}", with_cause(&failure.into())),
                    "check the name, the login and the network, or load the image with the engine's `load`",
                ),
            },
            Err(failure) => findings.add_error(Level::Error, failure),
        }
    }
}

/// Checks for the builder image, from which a build starts if no base is set.
fn builder(workspace: &Workspace, config: &Config, reachable: &[Engine], findings: &mut Findings) {
    // A problem of the toolchain is a finding already.
    let Ok(tag) = builder_image::name_for(workspace, config) else { return };
    // A build takes the first one.
    for engine in reachable.iter().take(1) {
        let name = engine.kind.program();
        match engine.image_id(&tag) {
            Ok(Some(_)) => findings.ok(format!("{name} has the builder image {tag}")),
            Ok(None) if config.require_container => findings.add(
                Level::Error,
                format!("{name} has no builder image {tag}"),
                "package once with access to a registry, load it with the engine's `load`, or set `base`",
            ),
            Ok(None) => findings.ok(format!(
                "{name} has no builder image {tag}: it is built once if a registry answers; otherwise the host's toolchain is mounted read-only"
            )),
            Err(failure) => findings.add_error(Level::Error, failure),
        }
    }
}

/// Containers of this user whose project no longer exists, and images.
fn leftovers(context: &Context, engine: &Engine, findings: &mut Findings) {
    let (name, user) = (engine.kind.program(), context.identity.user);
    let containers = engine.containers_with(&context.identity.label_of_user()).unwrap_or_default();
    for container in &containers {
        let path = container.label(PATH).unwrap_or_default();
        if !fs::is_dir(path.as_ref()) {
            let container = container.name();
            findings.add(
                Level::Warning,
                format!("{name} container {container} belongs to {path}, which no longer exists"),
                format!("`{name} rm --force {container}`, or `lambda-packager clean --everything`"),
            );
        }
    }
    for (image, what_for) in builder_image::all(engine).unwrap_or_default() {
        let title = if image.names.is_empty() { image.id.clone() } else { image.names.join(" ") };
        let what = format!("{name} builder image {title} ({} MiB)", image.size_bytes >> 20);
        match what_for {
            Use::Outdated => findings.add(
                Level::Warning,
                format!("{what}, which no build starts from any more"),
                "`lambda-packager clean` removes it",
            ),
            Use::Current => findings.ok(what),
            Use::Layer | Use::OutdatedLayer => {}
        }
    }
    let empty = base_image::all_borrowed(engine).map_or(0, |images| images.len());
    let kept = deps_cache::all(engine, &format!("{KEPT}={user}")).unwrap_or_default();
    let megabytes = kept.iter().map(|image| image.size_bytes).sum::<u64>() / 1_000_000;
    let count = kept.len();
    findings.ok(format!("{name}: {count} images of compiled dependencies, {megabytes} MB (see `deps_cache_limit`)"));
    let count = containers.len();
    findings.ok(format!("{name}: {count} containers of this user, {empty} empty images for the borrowed toolchain"));
}

/// The engines whose disk is one of this machine.
fn on_this_machine<'a>(reachable: &'a [Engine], findings: &mut Findings) -> Result<Vec<&'a Engine>> {
    let here = host_name()?;
    let mut local = Vec::new();
    for engine in reachable {
        match engine.host_name() {
            Ok(there) if there != here => findings.ok(format!(
                "{} runs on another machine, {there}: its disk is not checked here, and the toolchain of this machine is of use there only in a VM that sees its files",
                engine.kind.program()
            )),
            _ => local.push(engine),
        }
    }
    Ok(local)
}

fn disk(context: &Context, local: &[&Engine], findings: &mut Findings) {
    let mut folders = vec![context.project.workspace.root.clone()];
    folders.extend(local.iter().filter_map(|engine| engine.data_folder().ok()).filter(|folder| fs::is_dir(folder)));
    for folder in folders {
        let Ok(free) = fs::free_bytes(&folder) else { continue };
        let what = format!("{} MiB free at {}", free >> 20, folder.display());
        let fix = "free some space; `lambda-packager clean --dry-run` lists what lambda-packager would remove";
        match level_of_free(free) {
            Level::Ok => findings.ok(what),
            level => findings.add(level, what, fix),
        }
    }
}

fn level_of_free(bytes: u64) -> Level {
    match bytes {
        0..FREE_BYTES_NEEDED => Level::Error,
        FREE_BYTES_NEEDED..FREE_BYTES_WANTED => Level::Warning,
        _ => Level::Ok,
    }
}

/// Checks the clock of the file system, to which the dates of files are compared.
fn clock(context: &Context, findings: &mut Findings) -> Result<()> {
    let lock = Lock::acquire(&context.project.workspace.state_folder().join("who.lock"), |_| ())?;
    let there = fs::time_of(lock.signed_at_ns()?);
    let apart = SystemTime::now().duration_since(there).unwrap_or_else(|early| early.duration());
    let what = format!("the clocks of this machine and of the file system differ by {} ms", apart.as_millis());
    match apart.as_secs() {
        0..=2 => findings.ok(what),
        _ => {
            findings.add(Level::Warning, what, "synchronise the clocks of this machine and of its file server with NTP")
        }
    }
    if env::var_os(env::INNER).is_some() {
        let what = format!("{} is set: build scripts do not package", env::INNER);
        findings.add(Level::Warning, what, format!("unset {}", env::INNER));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_release_before_the_fixed_one_is_warned_of() {
        for (release, expected) in [
            ("1.95.0", true),
            ("1.68.2", true),
            ("1.96.0", false),
            ("1.97.0-nightly", false),
            ("2.0.0", false),
            ("dev", false),
        ] {
            assert_eq!(is_before(release, SAFE_WITH_REGISTRIES), expected, "{release}");
        }
    }

    #[test]
    fn little_space_is_a_warning_and_too_little_an_error() {
        let levels = [FREE_BYTES_NEEDED - 1, FREE_BYTES_NEEDED, FREE_BYTES_WANTED - 1, FREE_BYTES_WANTED];
        let expected = [Level::Error, Level::Warning, Level::Warning, Level::Ok];
        assert_eq!(levels.map(level_of_free), expected);
    }
}
