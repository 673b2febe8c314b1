//! Packaging from any program.

use std::path::PathBuf;

use crate::build_script::settings::setters;
use crate::build_script::{Settings, start};
use crate::config::with_settings;
use crate::error::{Error, Result};
use crate::packaged::Packaged;
use crate::sys::env;

/// Packages a function from any program: a test, an `xtask`, a deployment.
///
/// ```no_run
/// # fn main() -> lambda_packager::Result<()> {
/// let packaged = lambda_packager::Packager::new(".").package("lambda").run()?;
/// println!("{} {}", packaged.verdict, packaged.zip.display());
/// # Ok(())
/// # }
/// ```
///
/// It has the settings of [`BuildScript`](crate::BuildScript), packages whatever the profile of this program is, and
/// prints no directives for cargo. Progress and the compiler's messages go to stderr.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `run`"]
pub struct Packager {
    folder: PathBuf,
    quiet: bool,
    pub(crate) settings: Settings,
}

impl Packager {
    /// Packages from `folder`: a cargo package, a workspace, or a folder in one.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), quiet: false, settings: Settings::default() }
    }

    /// Prints nothing on stderr. `build.log` beside the zip always has the full output.
    pub fn quiet(&mut self, yes: bool) -> &mut Self {
        self.quiet = yes;
        self
    }

    /// Packages a function, unless nothing changed.
    ///
    /// # Errors
    /// If the zip cannot be made, or if this is a build script in a compile that lambda-packager started. The last
    /// good zip then stays. If the settings select several functions: for those there is [`run_all`](Self::run_all).
    pub fn run(&self) -> Result<Packaged> {
        one(self.run_all()?)
    }

    /// Packages each function that the settings select, unless nothing changed.
    ///
    /// # Errors
    /// If a zip cannot be made, or if this is a build script in a compile that lambda-packager started. The last
    /// good zip then stays. A function that fails does not keep the others from their zips.
    pub fn run_all(&self) -> Result<Vec<Packaged>> {
        if env::var_os(env::INNER).is_some() {
            return Err(Error::config("`Packager` was called in a compile that lambda-packager started")
                .hint_with("in a build.rs use `BuildScript`, which does nothing there"));
        }
        start::for_program(&self.folder, self.settings.layers()?.into(), self.quiet)
    }
}

/// What a caller gets who asked for one function.
pub fn one(packaged: Vec<Packaged>) -> Result<Packaged> {
    let count = packaged.len();
    match <[Packaged; 1]>::try_from(packaged) {
        Ok([packaged]) => Ok(packaged),
        Err(_) => Err(Error::config(format!("{count} functions are packaged where the program expects one"))
            .hint_with("select one with `.function(...)`, or call `run_all` or `try_run_all`")),
    }
}

with_settings!(setters Packager);
