//! One function to package, and the locks on the files of several.

use std::collections::BTreeMap;

use crate::cargo::{Function, Workspace};
use crate::config::from_cargo_lambda::CargoLambda;
use crate::config::{ArtifactKind, Config};
use crate::error::Result;
use crate::pipeline::Places;
use crate::pipeline::toolchains::Toolchains;
use crate::report::Reporter;
use crate::sys::{Lock, fs};

/// One function of a project to package, with its settings.
pub struct Task<'a> {
    pub workspace: &'a Workspace,
    pub config: Config,
    /// What cargo-lambda's tables say of it.
    pub cargo_lambda: CargoLambda,
    pub function: Function<'a>,
    pub places: Places,
    /// Whether the settings select no other function.
    pub is_alone: bool,
    pub toolchains: &'a Toolchains,
}

impl Task<'_> {
    pub fn kind(&self) -> ArtifactKind {
        self.function.kind(&self.config)
    }

    /// Waits for the lock on the files of the function, and makes its folder.
    pub fn lock(&self, report: &mut Reporter) -> Result<Lock> {
        let lock = Lock::acquire(&self.places.lock, |holder| report.waiting_for(holder))?;
        fs::create_dirs(&self.places.folder)?;
        Ok(lock)
    }
}

/// Waits for the locks of all functions. Every run takes them in the same order, so that no two wait for each other.
pub fn lock(tasks: &[Task], report: &mut Reporter) -> Result<Vec<Lock>> {
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by(|a, b| tasks[*a].places.lock.cmp(&tasks[*b].places.lock));
    let mut locks = BTreeMap::new();
    for index in order {
        locks.insert(index, tasks[index].lock(report)?);
    }
    Ok(locks.into_values().collect())
}
