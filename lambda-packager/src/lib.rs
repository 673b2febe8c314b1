//! Packages a Rust AWS Lambda from a plain `cargo build --release`.
//!
//! The function is compiled in a builder container that is kept and reused between builds. The result is a
//! reproducible `lambda-deployment.zip`, checked against the Lambda runtime before it is kept. If nothing changed,
//! nothing is compiled or zipped. Every run says whether it packaged or reused the zip, and why.
//!
//! # Example
//!
//! Add this crate and a build script to the Lambda itself, or to a thin package beside it in the workspace:
//!
//! ```toml
//! [build-dependencies]
//! lambda-packager = "0.1"
//!
//! [package.metadata.lambda-packager]
//! package = "lambda"                  # the workspace member to package; by default this package
//! output = "lambda-deployment.zip"    # a copy, beside target/lambda/<function>/lambda-deployment.zip
//! ```
//!
//! ```no_run
//! // build.rs
//! fn main() -> std::process::ExitCode {
//!     lambda_packager::BuildScript::new().run()
//! }
//! ```
//!
//! And that is all: `cargo build --release` leaves the zip. Without docker, podman, finch or nerdctl it compiles on the
//! host, and says so.
//!
//! # What the crate gets
//!
//! | constant for `env!` | for dependents of a crate with `links` | what |
//! |---|---|---|
//! | `LAMBDA_DEPLOYMENT_ZIP` | `DEP_<LINKS>_ZIP` | absolute path of the zip |
//! | `LAMBDA_DEPLOYMENT_SHA256` | `DEP_<LINKS>_SHA256` | SHA-256 of the zip |
//! | `LAMBDA_DEPLOYMENT_MANIFEST` | `DEP_<LINKS>_MANIFEST` | absolute path of the record of the build |
//!
//! They are empty in a build that does not package. A build script that wants more calls
//! [`BuildScript::try_run`], which returns what was [`Packaged`] and its [`Verdict`].
//!
//! # When it packages
//!
//! A build script packages if cargo's profile is `release` or inherits from it. It does nothing in debug builds, under
//! rust-analyzer, clippy and docs.rs, and in the compile in the container, where the same build script runs again.
//! `LAMBDA_PACKAGER=always|release|never` overrides the profile. On systems other than Linux and macOS it prints one
//! warning and packages nothing.
//!
//! A [`Packager`] packages from any other program, whatever the profile.
//!
//! # Settings
//!
//! Each setting is a setter of [`BuildScript`] and [`Packager`], an environment variable
//! (`LAMBDA_PACKAGER_MODE=prod`), and a line in `[package.metadata.lambda-packager]` or
//! `[workspace.metadata.lambda-packager]`; in this order:
//!
//! 1. the environment variable
//! 2. the setter
//! 3. the package that calls, then the package of the function
//! 4. the workspace
//! 5. the default, as the setter's documentation says
//!
//! The [guide](https://github.com/lambda-packager/lambda-packager/blob/main/docs/guide.md) lists every setting, and
//! describes what decides reuse and what the compile can access.
//!
//! # Errors
//!
//! A zip that Lambda could not start is an error of the build, and the last good zip stays. An [`Error`] says what
//! failed and separately what to do about it; [`BuildScript::run`] prints both on stderr, where cargo shows them. The
//! full output of a build is in `target/lambda/<function>/build.log`.

#![deny(clippy::print_stdout, clippy::print_stderr)]
// Each dependency is compiled by everybody who packages a function.
#![cfg_attr(not(test), deny(unused_crate_dependencies))]
#![cfg_attr(not(unix), allow(dead_code, unused_imports))]
// The rooms are public only for our own bin; what users see is documented.
#![allow(missing_docs)]

#[warn(missing_docs)]
mod build_script;
mod config;
#[warn(missing_docs)]
mod error;
#[warn(missing_docs)]
mod packaged;
mod sys;

#[cfg(unix)]
mod artifact;
#[cfg(unix)]
mod backend;
#[cfg(unix)]
mod cargo;
#[cfg(unix)]
mod compile;
#[cfg(test)]
#[path = "../tests/support/damaged.rs"]
mod damaged;
#[cfg(unix)]
mod engine;
#[cfg(unix)]
mod fingerprint;
#[cfg(unix)]
#[doc(hidden)]
pub mod internal;
#[cfg(unix)]
mod pipeline;
#[cfg(unix)]
mod report;
#[cfg(unix)]
mod snapshot;

pub use build_script::{BuildScript, Packager};
pub use config::{Arch, ArtifactKind, Base, EngineChoice, Mode, Network, PullPolicy, Runtime};
pub use error::{Error, ErrorKind, PublishFault, Result};
pub use packaged::{ManifestProblem, Packaged, Reason, Verdict};
pub use sys::sha256::Sha;
