//! What a build script tells cargo.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/build-scripts.html#outputs-of-the-build-script>.

use std::io::Write;
use std::path::Path;

/// Writes cargo's directives.
pub struct Directives<'a> {
    out: &'a mut dyn Write,
    /// Whether the package has a `links` key, so that dependents get our metadata.
    pub links: bool,
}

impl<'a> Directives<'a> {
    pub fn new(out: &'a mut dyn Write, links: bool) -> Self {
        Self { out, links }
    }

    /// A path relative to the package's folder, or absolute. False if cargo cannot watch it: a directive is one line of
    /// UTF-8.
    pub fn rerun_if_changed(&mut self, path: &Path) -> bool {
        let text = path.to_str().filter(|path| !path.contains('\n'));
        if let Some(path) = text {
            self.line(&format!("cargo::rerun-if-changed={path}"));
        }
        text.is_some()
    }

    pub fn rerun_if_env_changed(&mut self, variable: &str) {
        self.line(&format!("cargo::rerun-if-env-changed={variable}"));
    }

    /// Cargo shows it on this and on every later build, cached or not.
    pub fn lasting_warning(&mut self, message: &str) {
        self.line(&format!("cargo::warning={}", message.replace('\n', " ")));
    }

    /// Defines the constant `LAMBDA_DEPLOYMENT_<NAME>` for the crate, and for its dependents the
    /// metadata `<name>`.
    pub fn constant(&mut self, name: &str, value: &str) {
        self.line(&format!("cargo::rustc-env=LAMBDA_DEPLOYMENT_{}={value}", name.to_uppercase()));
        self.metadata(name, value);
    }

    /// For dependents `DEP_<LINKS>_<NAME>`, if the package has a `links` key.
    pub fn metadata(&mut self, name: &str, value: &str) {
        if self.links {
            self.line(&format!("cargo::metadata={name}={value}"));
        }
    }

    fn line(&mut self, text: &str) {
        // If cargo has ended, nothing reads them.
        let _ = self.out.write_all(format!("{text}\n").as_bytes());
    }
}
