//! The engines that are installed on this machine.

use std::path::Path;

use crate::config::{Config, EngineChoice};
use crate::engine::{Engine, Kind};
use crate::error::{Error, Result};
use crate::sys::env;

/// The engines on `PATH` that `config` allows, the preferred one first; none for `host`. Whether an engine answers is
/// known only after its first call. The calls run in `folder`, which must exist.
///
/// # Errors
/// If `config` names an engine that is not installed.
pub fn candidates(config: &Config, folder: &Path) -> Result<Vec<Engine>> {
    let allowed = allowed(config.engine);
    let engine = |kind: &Kind| {
        let program = env::find_program(kind.program())?;
        Some(Engine::new(*kind, program, config.engine_timeout, folder))
    };
    let engines: Vec<Engine> = allowed.iter().filter_map(engine).collect();
    match allowed {
        [named] if engines.is_empty() => {
            let (place, program) = (config.place_of("engine"), named.program());
            Err(Error::engine(format!("{place} is set to {program}, but {program} is not on PATH"))
                .hint_with(format!("install {program}, or set `engine` to `auto` or `host`")))
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
