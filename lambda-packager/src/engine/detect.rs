//! The engines that are installed on this machine.

use std::path::Path;
use std::time::Duration;

use crate::config::EngineChoice;
use crate::engine::{Engine, Kind};
use crate::error::{Error, Result};
use crate::sys::env;

/// The engines on `PATH` that `choice` allows, the preferred one first; none for `host`. Whether an engine answers is
/// known only after its first call. `timeout` limits each call. The calls run in `folder`, which must exist.
///
/// # Errors
/// If `choice` names an engine that is not installed.
pub fn candidates(choice: EngineChoice, place: &str, timeout: Duration, folder: &Path) -> Result<Vec<Engine>> {
    let installed =
        |kind: &Kind| env::find_program(kind.program()).map(|program| Engine::new(*kind, program, timeout, folder));
    let engines: Vec<Engine> = allowed(choice).iter().filter_map(installed).collect();
    match allowed(choice) {
        [named] if engines.is_empty() => {
            Err(Error::engine(format!("{place} is set to {0}, but {0} is not on PATH", named.program()))
                .hint_with(format!("install {}, or set `engine` to `auto` or `host`", named.program())))
        }
        _ => Ok(engines),
    }
}

/// The engines that `choice` allows, in the order in which they are tried.
fn allowed(choice: EngineChoice) -> &'static [Kind] {
    match choice {
        EngineChoice::Host => &[],
        EngineChoice::Auto => &[Kind::Docker, Kind::Podman, Kind::Finch, Kind::Nerdctl],
        EngineChoice::Docker => &[Kind::Docker],
        EngineChoice::Podman => &[Kind::Podman],
        EngineChoice::Finch => &[Kind::Finch],
        EngineChoice::Nerdctl => &[Kind::Nerdctl],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_allows_its_engine_and_auto_allows_all() {
        let programs = |choice| allowed(choice).iter().map(|kind| kind.program()).collect::<Vec<_>>();
        assert_eq!(programs(EngineChoice::Auto), ["docker", "podman", "finch", "nerdctl"]);
        assert!(programs(EngineChoice::Host).is_empty());
        for choice in [EngineChoice::Docker, EngineChoice::Podman, EngineChoice::Finch, EngineChoice::Nerdctl] {
            assert_eq!(programs(choice), [choice.to_string()]);
        }
    }
}
