//! The builder: the image with the toolchain, the container that is reused, the clean room, the compile in
//! either.

pub(crate) mod builder_image;
pub(crate) mod call;
pub(crate) mod cargo_config;
pub(crate) mod clean_room;
pub(crate) mod compile;
pub(crate) mod container;
pub(crate) mod context;
mod crates;
pub(crate) mod dependencies;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod recipe;
pub(crate) mod trouble;
