//! The artifact as a container image for Lambda, and that image in a registry.

pub mod address;
pub mod client;
pub mod credentials;
pub mod names;
pub mod push;
pub mod record;
pub mod registry;
pub mod revision;
mod token;
mod transport;
