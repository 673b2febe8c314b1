//! `lambda-packager doctor`: what a build would find on this machine, and what to do about it.

use std::time::SystemTime;

use lambda_packager::internal::backend::base_image::BORROWED;
use lambda_packager::internal::backend::builder_image;
use lambda_packager::internal::backend::builder_image::Use;
use lambda_packager::internal::backend::deps_cache::KEPT;
use lambda_packager::internal::backend::identity::{PATH, USER};
use lambda_packager::internal::cargo::toolchain::Toolchain;
use lambda_packager::internal::config::{Base, EngineChoice};
use lambda_packager::internal::engine::Engine;
use lambda_packager::internal::pipeline::project::Project;
use lambda_packager::internal::report::print_lines;
use lambda_packager::internal::sys::lock::Lock;
use lambda_packager::internal::sys::{env, fs};
use lambda_packager::{Error, Result};
use serde_json::json;

use crate::project::Here;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warning,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

struct Finding {
    level: Level,
    what: String,
    fix: Option<String>,
}

/// Below this a build may not finish.
const FREE_BYTES_NEEDED: u64 = 500 << 20;
/// Below this a few builds fill the disk.
const FREE_BYTES_WANTED: u64 = 5 << 30;

/// Looks at everything; exit status 1 if something is an error.
pub fn doctor(here: &Here, as_json: bool) -> Result<u8> {
    let mut findings = Vec::new();
    let mut note = |level, what: String, fix: Option<String>| findings.push(Finding { level, what, fix });
    toolchain(here, &mut note);
    let reachable = engines(here, &mut note)?;
    base(here, &reachable, &mut note);
    for engine in &reachable {
        leftovers(here, engine, &mut note);
    }
    disk(here, &reachable, &mut note);
    clock(here, &mut note)?;
    let failed = findings.iter().any(|finding| finding.level == Level::Error);
    print_lines(&findings.iter().map(|finding| render(finding, as_json)).collect::<Vec<_>>());
    Ok(u8::from(failed))
}

fn render(finding: &Finding, as_json: bool) -> String {
    let Finding { level, what, fix } = finding;
    if as_json {
        return json!({"v": 1, "level": level.name(), "what": what, "fix": fix}).to_string();
    }
    match fix {
        Some(fix) => format!("{:8} {what}\n         fix: {fix}", level.name()),
        None => format!("{:8} {what}", level.name()),
    }
}

fn of_error(error: &Error) -> (String, Option<String>) {
    let cause = std::error::Error::source(error)
        .map_or(String::new(), |cause| format!(" ({})", cause.to_string().lines().next().unwrap_or_default()));
    (format!("{error}{cause}"), error.hint().map(String::from))
}

fn toolchain(here: &Here, note: &mut impl FnMut(Level, String, Option<String>)) {
    let config = &here.project.config;
    let borrows = !matches!(config.base, Base::Image(_));
    match Toolchain::discover(&here.project.workspace, config.target_arch) {
        Ok(toolchain) => note(
            Level::Ok,
            format!(
                "cargo and rustc {} for {}, C compiler {}",
                toolchain.rustc_release,
                config.target_arch.triple(),
                toolchain.cc_program.display()
            ),
            None,
        ),
        Err(error) => {
            let (what, fix) = of_error(&error);
            note(if borrows { Level::Error } else { Level::Warning }, what, fix);
        }
    }
    let home = &here.project.workspace.cargo_home;
    if !fs::is_writable(home) {
        note(
            Level::Error,
            format!("cargo's home {} is not writable", home.display()),
            Some("crates are downloaded there; check its owner, or set CARGO_HOME".into()),
        );
    }
}

fn engines(here: &Here, note: &mut impl FnMut(Level, String, Option<String>)) -> Result<Vec<Engine>> {
    let config = &here.project.config;
    let candidates = match here.engines() {
        Ok(candidates) => candidates,
        Err(error) => {
            let (what, fix) = of_error(&error);
            note(Level::Error, what, fix);
            return Ok(Vec::new());
        }
    };
    let mut reachable = Vec::new();
    for engine in candidates {
        let name = engine.kind.program();
        match engine.version() {
            Ok(version) => {
                note(Level::Ok, format!("{name} {version} answers, and this user may use it"), None);
                reachable.push(engine);
            }
            Err(failure) => {
                let (what, fix) = of_error(&Error::from(failure));
                let asked_for = config.engine != EngineChoice::Auto;
                note(if asked_for { Level::Error } else { Level::Warning }, what, fix);
            }
        }
    }
    if reachable.is_empty() && config.engine != EngineChoice::Host {
        let level = if config.require_container { Level::Error } else { Level::Warning };
        let fix = "install and start docker or podman; until then the host compiles, which is not hermetic";
        note(level, "no container engine answers".into(), Some(fix.into()));
    }
    Ok(reachable)
}

fn base(here: &Here, reachable: &[Engine], note: &mut impl FnMut(Level, String, Option<String>)) {
    let reference = match &here.project.config.base {
        Base::Image(reference) => reference,
        Base::Auto => return builder(here, reachable, note),
        Base::Host => {
            return note(Level::Ok, "the host's toolchain is mounted read-only; no registry is needed".into(), None);
        }
    };
    for engine in reachable {
        match engine.image_id(reference) {
            Ok(Some(id)) => note(Level::Ok, format!("base image {reference} is available locally ({id})"), None),
            Ok(None) => match engine.pull(reference) {
                Ok(()) => note(Level::Ok, format!("base image {reference} was pulled from its registry"), None),
                Err(failure) => {
                    let (what, _) = of_error(&Error::from(failure));
                    let fix = "check the name, the login and the network, or load the image with the engine's `load`";
                    note(
                        Level::Error,
                        format!("base image {reference} is not available locally: {what}"),
                        Some(fix.into()),
                    );
                }
            },
            Err(failure) => {
                let (what, fix) = of_error(&Error::from(failure));
                note(Level::Error, what, fix);
            }
        }
    }
}

/// The image that a build starts from where no base is named.
fn builder(here: &Here, reachable: &[Engine], note: &mut impl FnMut(Level, String, Option<String>)) {
    let Project { workspace, config, .. } = &here.project;
    // What is wrong with the toolchain was said already.
    let Ok(release) = Toolchain::release(workspace, config.target_arch) else { return };
    let tag = builder_image::tag(&release, config.runtime, config.target_arch);
    for engine in reachable {
        let name = engine.kind.program();
        match engine.image_id(&tag) {
            Ok(Some(_)) => note(Level::Ok, format!("{name} has the builder image {tag}"), None),
            Ok(None) if config.require_container => {
                let fix = "package once with access to a registry, load it with the engine's `load`, or set `base`";
                note(Level::Error, format!("{name} has no builder image {tag}"), Some(fix.into()));
            }
            Ok(None) => note(
                Level::Ok,
                format!(
                    "{name} has no builder image {tag}: it is built once if a registry answers; otherwise the host's toolchain is mounted read-only"
                ),
                None,
            ),
            Err(failure) => {
                let (what, fix) = of_error(&Error::from(failure));
                note(Level::Error, what, fix);
            }
        }
    }
}

/// Containers of this user whose project is gone.
fn leftovers(here: &Here, engine: &Engine, note: &mut impl FnMut(Level, String, Option<String>)) {
    let name = engine.kind.program();
    let containers = engine.containers_with(&format!("{USER}={}", here.identity.user())).unwrap_or_default();
    for container in &containers {
        let path = container.label(PATH).unwrap_or_default();
        if !fs::is_dir(path.as_ref()) {
            note(
                Level::Warning,
                format!("{name} container {} belongs to {path}, which no longer exists", container.name()),
                Some(format!("`{name} rm --force {}`, or `lambda-packager clean --everything`", container.name())),
            );
        }
    }
    for (image, what_for) in builder_image::all(engine).unwrap_or_default() {
        let title = if image.names.is_empty() { image.id.clone() } else { image.names.join(" ") };
        let what = format!("{name} builder image {title} ({} MiB)", image.size_bytes >> 20);
        match what_for {
            Use::Outdated => note(
                Level::Warning,
                format!("{what}, which no build starts from any more"),
                Some("`lambda-packager clean` removes it".into()),
            ),
            Use::Current => note(Level::Ok, what, None),
            Use::Layer | Use::OutdatedLayer => {}
        }
    }
    let images = engine.images_with(BORROWED).map_or(0, |images| images.len());
    let kept = engine.images_with(&format!("{KEPT}={}", here.identity.user())).unwrap_or_default();
    let bytes: u64 = kept.iter().map(|image| image.size_bytes).sum();
    note(
        Level::Ok,
        format!(
            "{name}: {} images of compiled dependencies, {} MB (see `deps_cache_limit`)",
            kept.len(),
            bytes / 1_000_000
        ),
        None,
    );
    note(
        Level::Ok,
        format!(
            "{name}: {} containers of this user, {images} empty images for the borrowed toolchain",
            containers.len()
        ),
        None,
    );
}

fn disk(here: &Here, reachable: &[Engine], note: &mut impl FnMut(Level, String, Option<String>)) {
    let mut folders = vec![here.project.workspace.root.clone()];
    folders.extend(reachable.iter().filter_map(|engine| engine.data_folder().ok()).filter(|folder| fs::is_dir(folder)));
    for folder in folders {
        let Ok(free) = fs::free_bytes(&folder) else {
            continue;
        };
        let level = match free {
            0..FREE_BYTES_NEEDED => Level::Error,
            FREE_BYTES_NEEDED..FREE_BYTES_WANTED => Level::Warning,
            _ => Level::Ok,
        };
        let fix = (level != Level::Ok).then(|| {
            "free some space; `lambda-packager clean --dry-run` lists what lambda-packager would remove".to_string()
        });
        note(level, format!("{} MiB free at {}", free >> 20, folder.display()), fix);
    }
}

/// Stamps of files are compared to the clock of the file system.
fn clock(here: &Here, note: &mut impl FnMut(Level, String, Option<String>)) -> Result<()> {
    let lock = Lock::acquire(&here.project.workspace.state_folder().join("who.lock"), |_| ())?;
    let there = fs::time_of(lock.signed_at_ns()?);
    let now = SystemTime::now();
    let apart = now.duration_since(there).unwrap_or_else(|early| early.duration());
    let (level, fix) = match apart.as_secs() {
        0..=2 => (Level::Ok, None),
        _ => {
            (Level::Warning, Some("synchronise the clocks of this machine and of its file server with NTP".to_string()))
        }
    };
    note(level, format!("the clocks of this machine and of the file system differ by {} ms", apart.as_millis()), fix);
    let stale = env::var_os(env::INNER).is_some();
    if stale {
        note(
            Level::Warning,
            format!("{} is set: build scripts do not package", env::INNER),
            Some(format!("unset {}", env::INNER)),
        );
    }
    Ok(())
}
