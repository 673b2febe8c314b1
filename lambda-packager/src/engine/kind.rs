//! The engines that the packager can drive.

use crate::config::EngineChoice;

/// An engine, named after its command line. The command lines differ in small ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Podman,
    Finch,
    Nerdctl,
}

impl Kind {
    /// All engines, in the order in which `auto` tries them.
    const ALL: &[Self] = &[Self::Docker, Self::Podman, Self::Finch, Self::Nerdctl];

    pub fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Finch => "finch",
            Self::Nerdctl => "nerdctl",
        }
    }

    /// How its service is started, and where to look if it does not answer.
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            Self::Docker => ("sudo systemctl start docker", "DOCKER_HOST and `docker context ls`"),
            Self::Podman => ("podman machine start", "CONTAINER_HOST and `podman system connection list`"),
            Self::Finch => ("finch vm start", "`finch vm status`"),
            Self::Nerdctl => ("sudo systemctl start containerd", "CONTAINERD_ADDRESS"),
        }
    }

    /// The engines that `choice` allows, in the order in which they are tried. A choice has the engine's name.
    pub fn allowed(choice: EngineChoice) -> Vec<Self> {
        let is_allowed = |kind: &&Self| choice == EngineChoice::Auto || choice.to_string() == kind.program();
        Self::ALL.iter().filter(is_allowed).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_allows_its_engine_and_auto_allows_all() {
        let programs = |choice| Kind::allowed(choice).iter().map(|kind| kind.program()).collect::<Vec<_>>();
        assert_eq!(programs(EngineChoice::Auto), ["docker", "podman", "finch", "nerdctl"]);
        assert!(programs(EngineChoice::Host).is_empty());
        for choice in [EngineChoice::Docker, EngineChoice::Podman, EngineChoice::Finch, EngineChoice::Nerdctl] {
            assert_eq!(programs(choice), [choice.to_string()]);
        }
    }
}
