//! In place of `start.rs` on systems other than Linux and macOS: nothing is packaged there.

use std::path::Path;

use crate::config::{Layer, Origin};
use crate::error::{Error, ErrorKind, Result};
use crate::packaged::{ForCargo, Packaged};

pub const SUPPORTED: bool = false;

pub fn for_cargo(_: &Path, _: Vec<(Origin, Layer)>) -> Result<ForCargo> {
    Err(refusal())
}

pub fn for_program(_: &Path, _: Vec<(Origin, Layer)>, _: bool) -> Result<Vec<Packaged>> {
    Err(refusal())
}

#[allow(clippy::disallowed_methods)] // The one file that is written there.
pub fn store(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|e| Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).source(e))
}

fn refusal() -> Error {
    Error::config(format!("lambda-packager does not run on {}", std::env::consts::OS))
        .hint_with("use Linux or macOS; on Windows use WSL")
}
