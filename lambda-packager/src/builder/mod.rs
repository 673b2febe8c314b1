//! The builder: the image with the toolchain, the container that is reused, the compile in it.

pub(crate) mod cargo_config;
pub(crate) mod compile;
pub(crate) mod container;
pub(crate) mod dependencies;
pub(crate) mod image;
pub(crate) mod layout;
