//! The container image of a function in a registry.

pub mod address;
pub mod client;
pub mod credentials;
pub mod names;
pub mod push;
pub mod record;
mod refusal;
pub mod registry;
pub mod revision;
mod token;
mod transport;
mod upload;
