//! What the companion bin uses of this library. It is not part of the public interface; the bin depends on the exact
//! version.

pub use crate::artifact::image;
pub use crate::backend::{
    Backend, BackendRequest, Identity, Place, Seen, base_image, builder_image, container, deps_cache, dockerfile,
    identity, is_expected, runtime_image, select, with_patience,
};
pub use crate::cargo::{Function, Toolchain, Workspace, config as cargo_config};
pub use crate::compile::VISITOR;
pub use crate::config::from_cargo_lambda::StandIn;
pub use crate::config::{
    Adds, Arch, Base, Config, EngineChoice, Layer, Mode, Names, Origin, OutputFormat, PullPolicy, RegistryLogin,
    from_env,
};
pub use crate::engine::{
    Container, Engine, EngineError, Image, Kind, MountPoint, VolumeInfo, candidates, first_to_answer, ours,
};
pub use crate::error::{Error, ErrorKind, PublishFault, Result};
pub use crate::fingerprint::{ArtifactState, Manifest, Run, inputs};
pub use crate::packaged::{Reason, Verdict};
pub use crate::pipeline::{
    Explained, Gate, Places, Project, Request, Task, bring, check, is_lock_of_function, package, retry, run,
    surroundings,
};
pub use crate::report::{Event, ImageSummary, Reporter, Sink, Stage, Text, print_lines};
pub use crate::snapshot::{Looks, RULE, Rule, Snapshot};
pub use crate::sys::{
    Glob, Invocation, Lock, Sha, env, fs, git, glob, host_name, interrupt, lexically_clean, relative, toml,
};
