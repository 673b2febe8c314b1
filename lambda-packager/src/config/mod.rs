//! Every setting: its type, its layers, and where its value came from.

pub mod from_env;
pub mod from_manifest;
pub mod layer;
mod origin;
mod resolved;
#[warn(missing_docs)]
mod values;

pub use layer::{Layer, SETTINGS, Shape};
pub use origin::Origin;
pub use resolved::Config;
pub use values::{Arch, Base, EngineChoice, Mode, Network, PullPolicy, RegistryLogin, Runtime, Size};
