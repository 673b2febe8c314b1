//! Packages a Rust AWS Lambda from a plain `cargo build --release`.

#![deny(clippy::print_stdout, clippy::print_stderr)]
// Each dependency is compiled by everybody who packages a function.
#![cfg_attr(not(test), deny(unused_crate_dependencies))]

mod build_script;
mod error;
#[doc(hidden)]
pub mod internal;

// What `internal` exports of these is for our own bin.
#[allow(missing_docs)]
mod artifact;
#[allow(missing_docs)]
mod backend;
#[allow(missing_docs)]
mod cargo;
#[allow(missing_docs)]
mod compile;
#[allow(missing_docs)]
mod config;
#[allow(missing_docs)]
mod engine;
#[allow(missing_docs)]
mod fingerprint;
#[allow(missing_docs)]
mod pipeline;
#[allow(missing_docs)]
mod report;
#[allow(missing_docs)]
mod snapshot;
#[allow(missing_docs)]
mod sys;

pub use build_script::BuildScript;
pub use error::{Error, ErrorKind, PublishFault, Result};
pub use fingerprint::manifest::SCHEMA;
pub use fingerprint::verdict::{Reason, Verdict};
pub use report::summary::Packaged;
pub use sys::sha256::Sha;
