//! Decides which backend compiles: a table of situations.

/// What is known of the engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engines {
    /// One answers.
    Answers,
    /// None of those that may be used answers and starts a container.
    Silent,
    /// The settings name one, and it does not answer, or starts no container.
    NamedIsSilent,
    /// The settings ask for the host.
    NotWanted,
}

/// Where the toolchain comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// An image has one.
    Available,
    /// There is none: the host's would be mounted.
    Missing,
    /// The settings ask for the host's.
    NotWanted,
}

/// What decides.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    pub engines: Engines,
    pub image: Image,
    /// The settings name an image.
    pub names_image: bool,
    pub wants_clean_room: bool,
    /// The compile gets what may be secret, and a clean room would store it in a layer of an image.
    pub passes_secrets: bool,
    /// A container was tried and does not start.
    pub container_fails: bool,
    /// `require_container`: neither the host's toolchain nor the host itself is allowed as a fallback.
    pub requires_container: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Container,
    CleanRoom,
    /// A clean room was asked for, and the container makes the same bytes.
    ContainerFor(Obstacle),
    /// The container does not start; the clean room gets its sources from us and may work.
    CleanRoomForContainer,
    /// The container does not start, and a clean room cannot stand in for it: as if this engine did not answer.
    NextEngine,
    Host,
    Refuse(Refusal),
}

/// Why there is no clean room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    PassedSecrets,
    NoImage,
}

/// What the settings do not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The engine that was named does not answer, or starts no container.
    Engine,
    /// The host's toolchain in a container.
    HostToolchain,
    /// The host without a container.
    Host,
    /// The host instead of an image.
    HostForImage,
}

/// The table. Rows are read top down.
#[rustfmt::skip]
pub fn choose(s: &Situation) -> Choice {
    use Choice::{CleanRoom, CleanRoomForContainer, Container, ContainerFor, Host, NextEngine, Refuse};
    use Engines::{Answers, NamedIsSilent};
    use Image::{Available, Missing};
    let (required, passes) = (s.requires_container, s.passes_secrets);
    //     engines        image      container fails  clean room asked  secrets passed    required
    match (s.engines,     s.image,   s.container_fails, s.wants_clean_room, passes,       required) {
          (Answers,       Missing,   _,               _,                _,                true)  => Refuse(Refusal::HostToolchain),
          (Answers,       Available, true,            false,            false,            _)     => CleanRoomForContainer,
          (Answers,       _,         true,            _,                _,                _)     => NextEngine,
          (Answers,       _,         false,           false,            _,                _)     => Container,
          (Answers,       _,         false,           true,             true,             _)     => ContainerFor(Obstacle::PassedSecrets),
          (Answers,       Available, false,           true,             false,            _)     => CleanRoom,
          (Answers,       _,         false,           true,             false,            _)     => ContainerFor(Obstacle::NoImage),
          (NamedIsSilent, _,         _,               _,                _,                _)     => Refuse(Refusal::Engine),
          (_,             _,         _,               _,                _,                true)  => Refuse(Refusal::Host),
          (_,             _,         _,               _,                _,                false) if s.names_image => Refuse(Refusal::HostForImage),
          (_,             _,         _,               _,                _,                false) => Host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_has_its_backend() {
        let usual = Situation {
            engines: Engines::Answers,
            image: Image::Available,
            names_image: false,
            wants_clean_room: false,
            passes_secrets: false,
            container_fails: false,
            requires_container: false,
        };
        let room = Situation { wants_clean_room: true, ..usual };
        let fails = Situation { container_fails: true, ..usual };
        let silent = Situation { engines: Engines::Silent, ..usual };
        let host = Situation { engines: Engines::NotWanted, ..usual };
        let required = |situation: Situation| Situation { requires_container: true, ..situation };
        let passing = |situation: Situation| Situation { passes_secrets: true, ..situation };
        let without = |image, situation: Situation| Situation { image, ..situation };
        let cases = [
            (usual, Choice::Container),
            (required(usual), Choice::Container),
            (passing(usual), Choice::Container),
            (without(Image::Missing, usual), Choice::Container),
            (without(Image::Missing, required(usual)), Choice::Refuse(Refusal::HostToolchain)),
            // Mounting the host's toolchain by choice is a container all the same.
            (without(Image::NotWanted, required(usual)), Choice::Container),
            (room, Choice::CleanRoom),
            (required(room), Choice::CleanRoom),
            (passing(room), Choice::ContainerFor(Obstacle::PassedSecrets)),
            (without(Image::Missing, room), Choice::ContainerFor(Obstacle::NoImage)),
            (without(Image::NotWanted, room), Choice::ContainerFor(Obstacle::NoImage)),
            (without(Image::Missing, required(room)), Choice::Refuse(Refusal::HostToolchain)),
            (fails, Choice::CleanRoomForContainer),
            (passing(fails), Choice::NextEngine),
            (without(Image::Missing, fails), Choice::NextEngine),
            (Situation { wants_clean_room: true, ..passing(fails) }, Choice::NextEngine),
            (silent, Choice::Host),
            (required(silent), Choice::Refuse(Refusal::Host)),
            (Situation { names_image: true, ..silent }, Choice::Refuse(Refusal::HostForImage)),
            (Situation { engines: Engines::NamedIsSilent, ..required(usual) }, Choice::Refuse(Refusal::Engine)),
            (host, Choice::Host),
            (required(host), Choice::Refuse(Refusal::Host)),
            (Situation { names_image: true, ..host }, Choice::Refuse(Refusal::HostForImage)),
        ];
        for (situation, expected) in cases {
            assert_eq!(choose(&situation), expected, "{situation:?}");
        }
    }
}
