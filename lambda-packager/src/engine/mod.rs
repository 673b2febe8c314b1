//! Container engines, driven through their command lines.

mod args;
mod client;
mod containers;
mod copy;
pub mod damaged;
mod detect;
mod failure;
mod images;
mod inspect;
mod kind;
mod pull;
mod volumes;

pub use args::{BuildSpec, ContainerSpec, ExecSpec, Mount, NAMED, Volume, WayOut};
pub use client::{Engine, first_to_answer};
pub use copy::file_in;
pub use detect::candidates;
pub use failure::{Cause, EngineError};
pub use inspect::{Container, Image, MountPoint, ours, without_prefix};
pub use kind::Kind;
pub use volumes::VolumeInfo;
