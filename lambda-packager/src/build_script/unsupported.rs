//! In place of `start.rs` on systems other than Linux and macOS: nothing is packaged there.

use std::path::Path;

use crate::config::{Layer, Origin};
use crate::error::{Error, Result};
use crate::packaged::{ForCargo, Packaged};

pub const SUPPORTED: bool = false;

pub fn for_cargo(_: &Path, _: Vec<(Origin, Layer)>) -> Result<ForCargo> {
    Err(refusal())
}

pub fn for_program(_: &Path, _: Vec<(Origin, Layer)>, _: bool) -> Result<Packaged> {
    Err(refusal())
}

fn refusal() -> Error {
    Error::config(format!("lambda-packager does not run on {}", std::env::consts::OS))
        .hint_with("use Linux or macOS; on Windows use WSL")
}
