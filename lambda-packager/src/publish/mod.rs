//! The artifact as a container image for Lambda, and that image in a registry.

pub(crate) mod credentials;
pub(crate) mod http;
pub(crate) mod image;
pub(crate) mod libraries;
pub(crate) mod names;
pub(crate) mod push;
pub(crate) mod record;
pub(crate) mod registry;
pub(crate) mod revision;
pub(crate) mod token;
