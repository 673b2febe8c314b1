//! Every setting: its type, its layers, and where its value came from.

mod cargo_lambda_notes;
mod cargo_lambda_output;
pub mod cargo_lambda_tables;
pub mod from_cargo_lambda;
pub mod from_env;
pub mod from_manifest;
mod kinds;
mod layer;
mod names;
mod origin;
mod resolved;
mod table;
#[warn(missing_docs)]
mod values;

pub use cargo_lambda_output::{Output, OutputFormat};
pub use kinds::Kinds;
pub use names::Names;
pub use origin::Origin;
pub(crate) use table::with_settings;
pub use table::{Adds, Config, Layer, SETTINGS, Shape, name_of};
pub use values::{Arch, ArtifactKind, Base, EngineChoice, Mode, Network, PullPolicy, RegistryLogin, Runtime, Size};
