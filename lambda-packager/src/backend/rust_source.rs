//! Where Rust of a builder image comes from: this machine's own toolchain, or the installer of rustup where that cannot run
//! in the image.

use std::io;
use std::sync::{Arc, OnceLock};

use crate::backend::Sysroot;
use crate::backend::dockerfile;
use crate::cargo;
use crate::cargo::{Toolchain, Workspace};
use crate::config::Arch;
use crate::error::{Error, Result};
use crate::sys::{Input, Sha, env};

/// Rust as a builder image gets it.
#[derive(Debug)]
pub struct RustSource {
    /// Such as `1.95.0`.
    release: String,
    /// Distinguishes it from others of this release.
    identity: Sha,
    /// This machine's, if it can run in the image.
    sysroot: Option<Sysroot>,
}

/// The variables that name a mirror for rustup: <https://rust-lang.github.io/rustup/environment-variables.html>.
const MIRRORS: [&str; 2] = ["RUSTUP_DIST_SERVER", "RUSTUP_UPDATE_ROOT"];

impl RustSource {
    /// The Rust that cargo would use in `workspace` to compile for `arch`.
    ///
    /// # Errors
    /// If there is none, or an incomplete one.
    pub fn of(workspace: &Workspace, arch: Arch) -> Result<Self> {
        let rustc = Toolchain::rustc(workspace)?;
        let sysroot = Sysroot::of(&rustc, arch)?;
        // A release that is downloaded is the same on every machine.
        let identity = match &sysroot {
            Some(sysroot) => format!("{}{}", rustc.identity, sysroot.identity()),
            None => rustc.release.clone(),
        };
        Ok(Self { release: rustc.release, identity: Sha::of(identity.as_bytes()), sysroot })
    }

    /// Why no image can get it, if so: rustup knows a nightly toolchain by its date, which the compiler does not tell.
    pub fn obstacle(&self) -> Option<String> {
        let is_unknown =
            self.sysroot.is_none() && (self.release.ends_with("-nightly") || self.release.ends_with("-dev"));
        is_unknown.then(|| format!("rustup cannot install rustc {} by its version", self.release))
    }

    /// A part of the name of an image.
    pub fn tag(&self) -> String {
        format!("{}-{}", self.release, self.identity.short(8))
    }

    /// The arguments of the Dockerfile: nothing to install where this machine's is sent.
    ///
    /// # Errors
    /// If a mirror's URL has a login: the image would store it.
    pub fn build_args(&self, arch: Arch) -> Result<Vec<(&'static str, String)>> {
        let target = ("RUST_TARGET", arch.triple().to_string());
        if self.sysroot.is_some() {
            let cross = Some(target).filter(|_| arch != Arch::of_this_machine());
            return Ok(std::iter::once(("RUST_VERSION", String::new())).chain(cross).collect());
        }
        let mut args = vec![("RUST_VERSION", self.release.clone()), target];
        for name in MIRRORS {
            let Some(url) = env::var(name) else { continue };
            if cargo::env::may_have_login(&url) {
                return Err(Error::config(format!("{name} has a login in its URL, which the image would store"))
                    .hint_with("use a mirror that needs no login, or set `base` to an image with cargo"));
            }
            args.push((name, url));
        }
        Ok(args)
    }

    /// The build context of an image that compiles for `arch`. What kept it from being read to its end is stored in `failed`.
    pub fn context(self, arch: Arch, failed: Arc<OnceLock<io::Error>>) -> Input {
        Input::Written(Box::new(move |out| {
            let write = || -> io::Result<()> {
                let mut archive = dockerfile::context(out);
                if let Some(sysroot) = &self.sysroot {
                    sysroot.write(&mut archive, dockerfile::RUST)?;
                }
                // They come last: from a context that was cut off, no image is built.
                dockerfile::add_files(&mut archive, arch)?;
                archive.finish().map(drop)
            };
            write().map_err(|error| {
                let kind = error.kind();
                let _ = failed.set(error);
                kind.into()
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_without_a_toolchain_has_the_files_of_the_recipe() {
        let source = RustSource { release: "1.95.0".into(), identity: Sha::of(b""), sysroot: None };
        assert_eq!(source.build_args(Arch::Arm64).unwrap()[1].1, Arch::Arm64.triple());
        assert_eq!(source.tag(), "1.95.0-e3b0c442");
        assert_eq!(source.obstacle(), None);
        let nightly = RustSource { release: "1.97.0-nightly".into(), identity: Sha::of(b""), sysroot: None };
        assert!(nightly.obstacle().is_some_and(|why| why.contains("1.97.0-nightly")));
        let Input::Written(write) = source.context(Arch::Arm64, Arc::default()) else { panic!("it is in memory") };
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        let mut archive = ::tar::Archive::new(&bytes[..]);
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        assert!(names.collect::<Vec<_>>().contains(&dockerfile::INSTALLER.to_string()));
    }
}
