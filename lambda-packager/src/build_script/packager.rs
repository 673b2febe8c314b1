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

    /// Packages, unless nothing changed.
    ///
    /// # Errors
    /// If the zip cannot be made, or if this is a build script in a compile that lambda-packager started. The last
    /// good zip then stays.
    pub fn run(&self) -> Result<Packaged> {
        if env::var_os(env::INNER).is_some() {
            return Err(Error::config("`Packager` was called in a compile that lambda-packager started")
                .hint_with("in a build.rs use `BuildScript`, which does nothing there"));
        }
        start::for_program(&self.folder, self.settings.layers()?.into(), self.quiet)
    }
}

with_settings!(setters Packager);
