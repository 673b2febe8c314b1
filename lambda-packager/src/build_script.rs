//! Packaging from a `build.rs`: cargo's environment in, cargo's directives out.

use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::cargo::Workspace;
use crate::config::layer::SETTINGS;
use crate::config::{Config, Layer, Mode, Origin, from_env};
use crate::error::{Error, Result};
use crate::pipeline::project::Request;
use crate::pipeline::run::run;
use crate::report::directives::Directives;
use crate::report::summary::Packaged;
use crate::report::{Event, Reporter, Sink, Terminal, Text};
use crate::sys::env;

/// Packages a function as part of a cargo build. Call it from `build.rs`:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     lambda_packager::BuildScript::new().package("lambda").run()
/// }
/// ```
///
/// It packages if cargo's profile is `release` or inherits from it. Otherwise, and always inside
/// of the compile that it starts itself, it returns at once. `LAMBDA_PACKAGER=always|release|never`
/// overrides that. It never packages for rust-analyzer, clippy or docs.rs.
///
/// The crate gets `LAMBDA_DEPLOYMENT_ZIP`, `LAMBDA_DEPLOYMENT_SHA256` and
/// `LAMBDA_DEPLOYMENT_MANIFEST` for `env!`, empty in a build that does not package; a crate with a
/// `links` key hands them on to its dependents as `DEP_<LINKS>_ZIP` and so on.
#[derive(Debug, Default)]
#[must_use = "nothing happens before `run` or `try_run`"]
pub struct BuildScript {
    settings: Map<String, Value>,
}

impl BuildScript {
    /// A packaging with the settings of the manifests and the environment.
    pub fn new() -> Self {
        Self::default()
    }

    /// The package that holds the function; without it the one in
    /// `[package.metadata.lambda-packager]`, else the package of the build script itself.
    pub fn package(self, name: &str) -> Self {
        self.set("package", name)
    }

    /// Any setting by its name, as docs/guide.md lists them; weaker than the environment, stronger than the
    /// manifests. A name or value that cannot be is an error of the run.
    pub fn set(mut self, setting: &str, value: &str) -> Self {
        self.settings.insert(setting.to_string(), Value::String(value.to_string()));
        self
    }

    /// Packages; on failure prints the error on stderr, where cargo shows it.
    pub fn run(self) -> ExitCode {
        match self.try_run() {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                Text::stderr(false, false).emit(&Event::Failed { error: &error });
                ExitCode::FAILURE
            }
        }
    }

    /// Packages; `None` if this build does not package.
    ///
    /// # Errors
    /// If the zip cannot be made. The last good zip then stays.
    pub fn try_run(self) -> Result<Option<Packaged>> {
        let called = Called::by_cargo()?;
        self.try_run_to(&called, &mut stdout())
    }

    fn try_run_to(self, called: &Called, out: &mut dyn Write) -> Result<Option<Packaged>> {
        let mut directives = Directives::new(out, called.links);
        directives.rerun_if_env_changed(env::WHEN);
        // A run that a tool made keeps no list of sources: the next build must not trust it.
        for variable in OF_TOOLS {
            directives.rerun_if_env_changed(variable);
        }
        for (setting, ..) in SETTINGS {
            directives.rerun_if_env_changed(&env::variable_of(setting));
        }
        if !called.packages()? {
            for name in ["zip", "sha256", "manifest"] {
                directives.constant(name, "");
            }
            return Ok(None);
        }
        let environment = from_env::layer()?;
        let mut own = Layer::parse(self.settings, &Origin::BuildScript)?;
        let is_dev = environment.mode.or(own.mode) == Some(Mode::Dev);
        if called.profile != "release" && called.profile != "debug" && !is_dev {
            own.profile.get_or_insert(called.profile.clone());
        }
        let layers = vec![(Origin::Environment, environment), (Origin::BuildScript, own)];
        let config = Config::resolve(layers.clone());
        let mut report = reporter();
        let outcome = run(&Request { start: called.folder.clone(), layers }, &mut report)?;
        for name in &config.pass_env {
            directives.rerun_if_env_changed(name);
        }
        for path in outcome.watched() {
            directives.rerun_if_changed(&path);
        }
        if config.mode.is_for_production() {
            directives.rerun_if_env_changed(env::CI);
        }
        if config.force {
            // The same value again is no change to cargo; a path that is never there always is.
            directives.rerun_if_changed(&called.out_dir.join("forced"));
        }
        if !outcome.hermetic {
            directives.lasting_warning("lambda-packager: compiled outside of a container with the host's toolchain, not hermetic; start docker or podman, or set `require_container`");
        }
        let packaged = outcome.summary.packaged;
        directives.constant("zip", &packaged.zip.to_string_lossy());
        directives.constant("sha256", &packaged.zip_sha256.to_string());
        directives.constant("manifest", &packaged.manifest.to_string_lossy());
        Ok(Some(packaged))
    }
}

/// How cargo called the build script.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/environment-variables.html#environment-variables-cargo-sets-for-build-scripts>.
struct Called {
    folder: PathBuf,
    out_dir: PathBuf,
    /// The folder that cargo names after the profile: `debug` for the profile `dev`.
    profile: String,
    links: bool,
}

impl Called {
    fn by_cargo() -> Result<Self> {
        let path = |name: &str| {
            env::var_os(name).map(PathBuf::from).ok_or_else(|| {
                Error::config(format!("{name} is not set; `BuildScript` only works in a build.rs that cargo runs"))
                    .hint_with("to package by hand, use the command `lambda-packager`")
            })
        };
        let out_dir = path("OUT_DIR")?;
        Ok(Self {
            folder: path("CARGO_MANIFEST_DIR")?,
            profile: profile_of(&out_dir).unwrap_or_else(|| env::var("PROFILE").unwrap_or_default()),
            out_dir,
            links: env::var_os("CARGO_MANIFEST_LINKS").is_some(),
        })
    }

    fn packages(&self) -> Result<bool> {
        if env::var_os(env::INNER).is_some() || only_looking() {
            return Ok(false);
        }
        match env::var(env::WHEN).as_deref() {
            Some("always") => Ok(true),
            Some("never") => Ok(false),
            Some("release" | "") | None => self.is_release(),
            Some(other) => {
                Err(Error::config(format!("variable {}: {other:?} is not `always`, `release` or `never`", env::WHEN)))
            }
        }
    }

    fn is_release(&self) -> Result<bool> {
        match self.profile.as_str() {
            "debug" => Ok(false),
            "release" => Ok(true),
            custom => {
                let arch = Config::resolve(vec![(Origin::Environment, from_env::layer()?)]).target_arch;
                Ok(Workspace::discover(&self.folder, arch, false)?.profiles.is_release(custom))
            }
        }
    }
}

/// `PROFILE` knows only `debug` and `release`; the path knows custom ones:
/// `<target>/<profile>/build/<package>-<hash>/out`.
fn profile_of(out_dir: &Path) -> Option<String> {
    let build = out_dir.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build"))?;
    Some(build.parent()?.file_name()?.to_string_lossy().into_owned())
}

/// The variables by which such a tool is known.
const OF_TOOLS: [&str; 5] = ["DOCS_RS", "CLIPPY_ARGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "RA_RUSTC_WRAPPER"];

/// Whether a tool calls the build script that only wants to know the code.
fn only_looking() -> bool {
    let wraps = |variable: &str, tool: &str| env::var(variable).is_some_and(|wrapper| wrapper.contains(tool));
    env::var_os("DOCS_RS").is_some()
        || env::var_os("CLIPPY_ARGS").is_some()
        || wraps("RUSTC_WORKSPACE_WRAPPER", "clippy-driver")
        || wraps("RUSTC_WRAPPER", "rust-analyzer")
        || env::var_os("RA_RUSTC_WRAPPER").is_some()
}

/// Tells cargo on stderr, which it shows only with an error, and the terminal behind cargo, if any.
fn reporter() -> Reporter {
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(Text::plain(Box::new(stderr())))];
    let terminal = Terminal::of_parent();
    let (progress, colour) = (terminal.is_some(), terminal.is_some() && env::colour_wanted());
    if let Some(terminal) = terminal {
        sinks.push(Box::new(Text::terminal(terminal)));
    }
    Reporter::new(sinks, progress, colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_read_from_the_path() {
        let profile = |path: &str| profile_of(Path::new(path));
        assert_eq!(profile("/p/target/dist/build/a-0123/out").as_deref(), Some("dist"));
        assert_eq!(
            profile("/build/target/x86_64-unknown-linux-gnu/release/build/a-0123/out").as_deref(),
            Some("release")
        );
        assert_eq!(profile("/nowhere"), None);
    }
}
