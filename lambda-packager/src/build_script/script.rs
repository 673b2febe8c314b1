//! Packaging from a `build.rs`: cargo's environment in, cargo's directives out.

use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::build_script::packager::one;
use crate::build_script::settings::setters;
use crate::build_script::{Directives, Settings, constants, start};
use crate::config::{Layer, Mode, Origin, SETTINGS, with_settings};
use crate::error::{Error, Result};
use crate::packaged::Packaged;
use crate::sys::env;

/// Packages a function as part of a cargo build. Call it from `build.rs`:
///
/// ```no_run
/// use lambda_packager::{BuildScript, Mode};
///
/// fn main() -> std::process::ExitCode {
///     BuildScript::new()
///         .mode(Mode::Prod)
///         .features(["a", "b"])
///         .pass_env(["API_HOST"])
///         .set("network", "bridge")
///         .run()
/// }
/// ```
///
/// It packages if cargo's profile is `release` or inherits from it. The crate's documentation lists
/// [the builds in which it does nothing](crate#when-it-packages).
#[derive(Debug, Clone, Default)]
#[must_use = "nothing happens before `run` or `try_run`"]
pub struct BuildScript {
    pub(crate) settings: Settings,
}

impl BuildScript {
    /// Packages with the settings of the environment and the manifests.
    pub fn new() -> Self {
        Self::default()
    }

    /// Packages. If that fails, prints the error on stderr, where cargo shows it.
    pub fn run(&self) -> ExitCode {
        match self.try_run_all() {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(stderr(), "{}", error.report());
                ExitCode::FAILURE
            }
        }
    }

    /// Packages, and returns what was packaged; `None` if this build does not package.
    ///
    /// # Errors
    /// If the zip cannot be made. The last good zip then stays. If the settings select several functions: for those there
    /// is [`try_run_all`](Self::try_run_all).
    pub fn try_run(&self) -> Result<Option<Packaged>> {
        match self.try_run_all()? {
            packaged if packaged.is_empty() => Ok(None),
            packaged => one(packaged).map(Some),
        }
    }

    /// Packages each function that the settings select, and returns what was packaged: nothing if this build does not
    /// package.
    ///
    /// # Errors
    /// If a zip cannot be made. The last good zip then stays. A function that fails does not keep the others from their
    /// zips.
    pub fn try_run_all(&self) -> Result<Vec<Packaged>> {
        self.try_run_to(&Called::by_cargo()?, &mut stdout())
    }

    fn try_run_to(&self, called: &Called, out: &mut dyn Write) -> Result<Vec<Packaged>> {
        let mut directives = Directives::new(out, called.links);
        directives.rerun_if_env_changed(env::WHEN);
        // A run under such a tool prints no sources to watch, so cargo must run the script again without the tool.
        for variable in OF_TOOLS {
            directives.rerun_if_env_changed(variable);
        }
        for setting in SETTINGS.iter().map(|(setting, ..)| *setting).chain(["functions"]) {
            directives.rerun_if_env_changed(&env::variable_of(setting));
        }
        let packages = called.packages()?;
        if packages && !start::SUPPORTED {
            directives.lasting_warning(
                "lambda-packager runs on Linux and macOS; nothing was packaged (`LAMBDA_PACKAGER=never` hides this)",
            );
        }
        if !packages || !start::SUPPORTED {
            constants::define(&[], &called.out_dir, &mut directives)?;
            return Ok(Vec::new());
        }
        let layers = self.layers(called)?;
        let run = start::for_cargo(&called.folder, layers.into())?;
        for name in &run.watch.variables {
            directives.rerun_if_env_changed(name);
        }
        let all_named = run.watch.paths.iter().all(|path| directives.rerun_if_changed(path));
        if run.watch.always || !all_named {
            // Cargo counts a missing path as a change.
            directives.rerun_if_changed(&called.out_dir.join("always"));
        }
        run.warnings.iter().for_each(|text| directives.lasting_warning(&format!("lambda-packager: {text}")));
        constants::define(&run.packaged, &called.out_dir, &mut directives)?;
        Ok(run.packaged)
    }

    /// The layers of settings, with the custom profile that cargo was called with. The mode `dev` has its own profile.
    fn layers(&self, called: &Called) -> Result<[(Origin, Layer); 2]> {
        let mut layers = self.settings.layers()?;
        let [(_, environment), (_, own)] = &mut layers;
        let is_dev = environment.mode.or(own.mode) == Some(Mode::Dev);
        if !["release", "debug"].contains(&called.profile.as_str()) && !is_dev {
            own.profile.get_or_insert(called.profile.clone());
        }
        Ok(layers)
    }
}

with_settings!(setters BuildScript);

/// How cargo called the build script.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/environment-variables.html#environment-variables-cargo-sets-for-build-scripts>.
struct Called {
    folder: PathBuf,
    out_dir: PathBuf,
    /// The folder that cargo names after the profile: `debug` for the profile `dev`.
    profile: String,
    /// Whether that profile is `release` or inherits from it.
    is_release: bool,
    links: bool,
}

impl Called {
    fn by_cargo() -> Result<Self> {
        let path = |name: &str| {
            env::var_os(name).map(PathBuf::from).ok_or_else(|| {
                Error::config(format!("{name} is not set; `BuildScript` only works in a build.rs that cargo runs"))
                    .hint_with("in another program use `Packager`; to package by hand, the command `lambda-packager`")
            })
        };
        let out_dir = path("OUT_DIR")?;
        let root_profile = env::var("PROFILE").unwrap_or_default();
        Ok(Self {
            is_release: root_profile == "release",
            folder: path("CARGO_MANIFEST_DIR")?,
            profile: profile_of(&out_dir).unwrap_or(root_profile),
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
            Some("release" | "") | None => Ok(self.is_release),
            Some(other) => {
                Err(Error::config(format!("variable {}: {other:?} is not `always`, `release` or `never`", env::WHEN)))
            }
        }
    }
}

/// `PROFILE` is the `debug` or `release` that the profile inherits from; the path has its own name:
/// `<target>/<profile>/build/<package>-<hash>/out`.
fn profile_of(out_dir: &Path) -> Option<String> {
    let build = out_dir.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build"))?;
    Some(build.parent()?.file_name()?.to_string_lossy().into_owned())
}

/// The variables by which such a tool is known.
const OF_TOOLS: [&str; 5] = ["DOCS_RS", "CLIPPY_ARGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "RA_RUSTC_WRAPPER"];

/// Whether the build script is called by a tool that only reads the code.
fn only_looking() -> bool {
    let wraps = |variable: &str, tool: &str| env::var(variable).is_some_and(|wrapper| wrapper.contains(tool));
    env::var_os("DOCS_RS").is_some()
        || env::var_os("CLIPPY_ARGS").is_some()
        || wraps("RUSTC_WORKSPACE_WRAPPER", "clippy-driver")
        || wraps("RUSTC_WRAPPER", "rust-analyzer")
        || env::var_os("RA_RUSTC_WRAPPER").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(profile: &str, is_release: bool, out_dir: &Path) -> Called {
        let (folder, out_dir) = ("/nowhere".into(), out_dir.into());
        Called { folder, out_dir, profile: profile.into(), is_release, links: true }
    }

    fn called(is_release: bool, out: &mut Vec<u8>) -> Result<Vec<Packaged>> {
        let folder = tempfile::tempdir().unwrap();
        BuildScript::new().set("force", "perhaps").try_run_to(&by("dist", is_release, folder.path()), out)
    }

    #[test]
    fn it_leaves_other_builds_alone_and_defines_empty_constants_there() {
        let mut out = Vec::new();
        assert!(called(false, &mut out).unwrap().is_empty());
        let out = String::from_utf8(out).unwrap();
        for line in [
            "cargo::rerun-if-env-changed=LAMBDA_PACKAGER",
            "cargo::rerun-if-env-changed=LAMBDA_PACKAGER_FORCE",
            "cargo::rustc-env=LAMBDA_DEPLOYMENT_ZIP=",
            "cargo::metadata=manifest=",
        ] {
            assert!(out.lines().any(|found| found == line), "{line} is not in\n{out}");
        }
        assert!(!out.contains("rerun-if-changed") && !out.contains("warning"), "{out}");
    }

    #[test]
    fn a_setting_that_is_not_valid_is_an_error_where_it_packages() {
        let mut out = Vec::new();
        let error = called(true, &mut out).unwrap_err();
        assert!(error.to_string().contains("`force` at"), "{error}");
    }

    #[test]
    fn a_custom_profile_is_the_one_to_compile_with() {
        let of = |script: &BuildScript, profile: &str| {
            let [_, (_, own)] = script.layers(&by(profile, true, Path::new("/nowhere/out"))).unwrap();
            own.profile
        };
        let mut script = BuildScript::new();
        assert_eq!(of(&script, "release"), None);
        assert_eq!(of(&script, "dist").as_deref(), Some("dist"));
        assert_eq!(of(script.profile("own"), "dist").as_deref(), Some("own"));
        assert_eq!(of(BuildScript::new().mode(Mode::Dev), "dist"), None);
    }

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
