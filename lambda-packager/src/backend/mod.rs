//! What compiles: the reused container of an engine, the clean room, or the host.

pub mod base_image;
pub mod builder_image;
mod choice;
pub mod clean_room;
pub mod container;
pub mod deps_cache;
pub mod dockerfile;
mod host;
pub mod identity;
pub mod runtime_image;
pub mod runtime_libraries;
pub mod select;
mod selected;

pub use selected::{Backend, BackendError, BackendRequest};
