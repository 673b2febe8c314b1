//! The engines that are installed on this machine.

use std::path::Path;
use std::time::Duration;

use crate::config::Config;
use crate::engine::{Engine, Kind};
use crate::error::{Error, Result};
use crate::sys::env;

/// The engines on `PATH` that `config` allows, the preferred one first; none for `host`. Whether an engine answers is
/// known only after its first call. The calls run in `folder`, which must exist.
///
/// # Errors
/// If `config` names an engine that is not installed.
pub fn candidates(config: &Config, folder: &Path) -> Result<Vec<Engine>> {
    let allowed = Kind::allowed(config.engine);
    let engine = |kind: &Kind| {
        let program = env::find_program(kind.program())?;
        Some(Engine::new(*kind, program, Duration::from_secs(config.engine_timeout_secs), folder))
    };
    let engines: Vec<Engine> = allowed.iter().filter_map(engine).collect();
    match allowed[..] {
        [named] if engines.is_empty() => {
            let (place, program) = (config.place_of("engine"), named.program());
            Err(Error::engine(format!("{place} is set to {program}, but {program} is not on PATH"))
                .hint_with(format!("install {program}, or set `engine` to `auto` or `host`")))
        }
        _ => Ok(engines),
    }
}
