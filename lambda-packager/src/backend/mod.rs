//! What compiles: the reused container of an engine, the clean room, or the host.

pub mod base_image;
pub mod builder_image;
mod choice;
pub mod clean_room;
pub mod container;
pub mod deps_cache;
pub mod dockerfile;
mod failure;
mod host;
pub mod identity;
pub mod own_image;
mod patience;
pub mod runtime_image;
pub mod runtime_libraries;
mod rust_source;
pub mod select;
mod selected;
mod sending;
mod sysroot;

pub use base_image::BuilderImage;
pub use builder_image::ToolchainSource;
pub use choice::{Choice, Engines, Image, Obstacle, Refusal, Situation};
pub use clean_room::CleanRoom;
pub use container::{Ready, Wanted};
pub use deps_cache::{CachedImage, DepsCache};
pub use failure::BackendError;
pub use identity::{Identity, image_tag, lock_file};
pub use patience::{is_expected, with_patience};
pub use runtime_libraries::Place;
pub use rust_source::RustSource;
pub use selected::{Backend, BackendKind, BackendRequest, Seen};
pub use sysroot::Sysroot;
