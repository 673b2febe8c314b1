//! Every setting: its type, its layers, and where its value came from.

pub mod from_env;
pub mod from_manifest;
pub mod layer;
mod values;

pub use layer::{Config, Layer, Origin};
pub use values::{Arch, Base, EngineChoice, Mode, Network, PullPolicy, RegistryLogin, Runtime};
