//! The host's toolchains for the targets of a run: each is looked at once, however many functions it is for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cargo::{Toolchain, Workspace, linkers};
use crate::config::{Arch, Config};
use crate::error::Result;

/// One, with what settings decide of it: the target, and the linkers that they name.
type Known = (Arch, Vec<PathBuf>, Arc<Toolchain>);

/// Those that were looked at so far.
#[derive(Default)]
pub struct Toolchains(Mutex<Vec<Known>>);

impl Toolchains {
    /// The toolchain for these settings, as it was when it was asked for the first time.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(&self, workspace: &Workspace, config: &Config) -> Result<Arc<Toolchain>> {
        let (arch, linkers) = (config.target_arch, linkers::of_host(workspace, config)?);
        // Who comes meanwhile waits: two looks take longer than one.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., toolchain)) = known.iter().find(|(of, with, _)| (*of, with) == (arch, &linkers)) {
            return Ok(toolchain.clone());
        }
        let toolchain = Arc::new(Toolchain::with_linkers(workspace, arch, &linkers)?);
        known.push((arch, linkers, toolchain.clone()));
        Ok(toolchain)
    }
}
