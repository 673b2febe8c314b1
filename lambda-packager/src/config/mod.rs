//! Every setting: its type, its layers, and where its value came from.

pub(crate) mod env;
pub(crate) mod layer;
pub(crate) mod metadata;
mod values;

pub(crate) use layer::{Config, Layer, Origin};
#[cfg(feature = "cli")]
pub use values::RegistryLogin;
pub use values::{Arch, Base, EngineChoice, Mode, Network, PullPolicy, Runtime};
