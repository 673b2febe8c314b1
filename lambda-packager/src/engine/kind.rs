//! The engines that the packager can drive.

/// An engine, named after its command line. The command lines differ in small ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Podman,
    Finch,
    Nerdctl,
}

impl Kind {
    pub fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Finch => "finch",
            Self::Nerdctl => "nerdctl",
        }
    }
}
