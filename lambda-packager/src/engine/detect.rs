//! Which engines this machine has.

use std::path::Path;
use std::time::Duration;

use crate::config::EngineChoice;
use crate::engine::{Engine, Kind};
use crate::error::{Error, Result};
use crate::sys::env;

/// In the order in which `auto` tries them.
const ALL: [Kind; 4] = [Kind::Docker, Kind::Podman, Kind::Finch, Kind::Nerdctl];

/// The engines on `PATH` that `choice` allows, the preferred first; none for `host`. Whether one
/// answers shows when it is first asked something; `timeout` bounds every answer. Their command lines
/// run in `folder`, which must exist.
///
/// # Errors
/// Where an engine was asked for by name and is not installed.
pub fn candidates(choice: EngineChoice, place: &str, timeout: Duration, folder: &Path) -> Result<Vec<Engine>> {
    let found = |kind: Kind| {
        env::find_program(kind.program()).map(|program| Engine { kind, program, timeout, folder: folder.to_path_buf() })
    };
    let named = match choice {
        EngineChoice::Host => return Ok(Vec::new()),
        EngineChoice::Auto => return Ok(ALL.into_iter().filter_map(found).collect()),
        EngineChoice::Docker => Kind::Docker,
        EngineChoice::Podman => Kind::Podman,
        EngineChoice::Finch => Kind::Finch,
        EngineChoice::Nerdctl => Kind::Nerdctl,
    };
    let engine = found(named).ok_or_else(|| {
        Error::engine(format!("{place} is set to {0}, but {0} is not on PATH", named.program()))
            .hint_with(format!("install {}, or set `engine` to `auto` or `host`", named.program()))
    })?;
    Ok(vec![engine])
}
