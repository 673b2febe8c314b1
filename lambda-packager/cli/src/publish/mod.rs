//! The container image of a function in a registry.

pub mod address;
pub mod archive;
pub mod client;
pub mod credentials;
mod login;
pub mod names;
pub mod push;
pub mod record;
mod reference;
mod refusal;
pub mod registry;
pub mod revision;
mod stored_logins;
mod token;
mod transport;
mod upload;

pub use address::Address;
pub use client::Client;
pub use login::Login;
pub use names::Names;
pub use record::Record;
pub use reference::Reference;
pub use registry::{Repository, Stored};
pub use revision::Revision;
pub use token::Challenge;
pub use transport::{Answer, Request, SendError, Transport};
