//! What the companion bin uses of this library: the rooms by their own names, and of each what it needs.
//! No part of the public interface; the bin depends on the exact version.

pub mod artifact {
    pub mod image {
        pub use crate::artifact::image::{Blob, FINGERPRINT, Image, MANIFEST_TYPE, TITLE, assemble};
    }
}

pub mod backend {
    pub use crate::backend::{Backend, BackendRequest};

    pub mod base_image {
        pub use crate::backend::base_image::BORROWED;
    }
    pub mod builder_image {
        pub use crate::backend::builder_image::{Use, all, tag};
    }
    pub mod deps_cache {
        pub use crate::backend::deps_cache::{KEPT, made_by, name_of, remove};
    }
    pub mod dockerfile {
        pub use crate::backend::dockerfile::CLEAN_ROOM;
    }
    pub mod identity {
        pub use crate::backend::identity::{Identity, PATH, USER};
    }
    pub mod runtime_image {
        pub use crate::backend::runtime_image::{load, name, parts};
    }
    pub mod runtime_libraries {
        pub use crate::backend::runtime_libraries::Place;
    }
    pub mod select {
        pub use crate::backend::select::select;
    }
}

pub mod cargo {
    pub mod toolchain {
        pub use crate::cargo::toolchain::Toolchain;
    }
}

pub mod config {
    pub use crate::config::{Arch, Base, Config, EngineChoice, Layer, Mode, Origin, RegistryLogin};

    pub mod from_env {
        pub use crate::config::from_env::layer;
    }
}

pub mod engine {
    pub use crate::engine::{Container, Engine, EngineError, Image, Kind, candidates};
}

pub mod fingerprint {
    pub mod manifest {
        pub use crate::fingerprint::manifest::{Manifest, Run};
    }
}

pub mod pipeline {
    pub mod check {
        pub use crate::pipeline::check::explain;
    }
    pub mod project {
        pub use crate::pipeline::project::{Places, Project, Request};
    }
    pub mod run {
        pub use crate::pipeline::run::run;
    }
    pub mod verify {
        pub use crate::pipeline::verify::run;
    }
}

pub mod report {
    pub use crate::report::{Event, Json, Reporter, Sink, Text, print_lines};

    pub mod stage {
        pub use crate::report::stage::Stage;
    }
    pub mod summary {
        pub use crate::report::summary::ImageSummary;
    }
}

pub mod snapshot {
    pub mod record {
        pub use crate::snapshot::record::{RULE, Snapshot};
    }
}

pub mod sys {
    pub use crate::sys::{env, fs, interrupt};

    pub mod lock {
        pub use crate::sys::lock::Lock;
    }
    pub mod paths {
        pub use crate::sys::paths::lexically_clean;
    }
    pub mod process {
        pub use crate::sys::process::Invocation;
    }
}
