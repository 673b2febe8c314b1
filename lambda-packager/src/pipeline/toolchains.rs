//! The host's toolchains for the targets of a run: each is looked at once, however many functions it is for.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cargo::{Toolchain, Workspace};
use crate::config::Arch;
use crate::error::Result;

/// Those that were looked at so far.
#[derive(Default)]
pub struct Toolchains(Mutex<Vec<(Arch, Arc<Toolchain>)>>);

impl Toolchains {
    /// The toolchain for `arch`, as it was when it was asked for the first time.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(&self, workspace: &Workspace, arch: Arch) -> Result<Arc<Toolchain>> {
        // Who comes meanwhile waits: two looks take longer than one.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, toolchain)) = known.iter().find(|(of, _)| *of == arch) {
            return Ok(toolchain.clone());
        }
        let toolchain = Arc::new(Toolchain::discover(workspace, arch)?);
        known.push((arch, toolchain.clone()));
        Ok(toolchain)
    }
}
