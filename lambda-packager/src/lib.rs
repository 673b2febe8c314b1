//! Packages a Rust AWS Lambda from a plain `cargo build --release`.
//!
//! Call [`BuildScript`] from a `build.rs`; the companion bin `lambda-packager` (feature `cli`) does the
//! same by hand. README says how to use both; this page is the map of the code.
//!
//! # One build, in this order
//!
//! `build.rs` → `build_script` → `workspace` (what cargo knows) → `config` (the settings) → `lock` →
//! `cache::inputs` and `cache::survey` (the files) → `cache::fingerprint` → `cache::verdict` (a hit
//! ends here) → `recovery` → `road` (`engine`, `builder::image`, `builder::container`; or the host) →
//! `builder::compile` → `artifact::elf` → `artifact::zip` → `cache::manifest` (stored last, so that a
//! crash is a miss) → `event` (what people, programs and cargo are told) → `builder::dependencies` (kept
//! for other checkouts).
//!
//! # The rooms
//!
//! | module | what |
//! |---|---|
//! | `build_script`, `cli` | the two ways in |
//! | `publish` | the artifact as a container image, and that image in a registry (feature `cli`) |
//! | `audit` | whether what lies on disk is what the other road would make |
//! | `pipeline` | the one place that orders the stages |
//! | `trust` | which of cargo's own records may be believed by a compile |
//! | `gate` | looks and judges: the few milliseconds of a hit |
//! | `recovery` | what is tried again after which fault |
//! | `road`, `travel` | container, clean room or host, and what falls back to what; the compile on it |
//! | `builder` | toolchain image, reused container, clean room, the cargo call in them, the dependencies kept of it |
//! | `cache` | what was built from what; judged without an effect |
//! | `artifact` | verify and archive; bytes only |
//! | `engine` | docker, podman, finch, nerdctl through their command lines |
//! | `project`, `outcome` | workspace, settings and places of one run; how it ended |
//! | `workspace`, `outside`, `toolchain` | what cargo and rustc say, remembered while it holds |
//! | `config` | every setting, its layers and where its value came from |
//! | `event` | events and their renderings: text, JSON, cargo's directives |
//! | `process`, `pieces`, `interrupt`, `fs`, `toml`, `lock`, `error` | one door per effect |
//!
//! Dependencies point down this list, but for values: the lines below `cache` remember what they found in its
//! facts and snapshots, and `event` renders verdicts and outcomes. `artifact` and `cache` never see `engine`.
//! Processes start only through `process`, the environment is read only through `config::env`, files are touched only through
//! `fs`, locks are taken only through `lock`, the network is reached only through `publish::http`, and only
//! `event` prints; `clippy.toml` holds these doors.

#![deny(clippy::print_stdout, clippy::print_stderr)]
// Each dependency is compiled by everybody who packages a function.
#![cfg_attr(not(test), deny(unused_crate_dependencies))]

mod artifact;
#[cfg(feature = "cli")]
mod audit;
mod build_script;
mod builder;
mod cache;
#[cfg(feature = "cli")]
pub mod cli;
mod config;
mod engine;
mod error;
mod event;
mod fs;
mod gate;
mod interrupt;
mod lock;
mod outcome;
mod outside;
mod pieces;
mod pipeline;
mod process;
mod project;
#[cfg(feature = "cli")]
mod publish;
mod recovery;
mod road;
mod toml;
mod toolchain;
mod travel;
mod trust;
mod workspace;

pub use build_script::BuildScript;
pub use cache::manifest::SCHEMA;
pub use cache::verdict::{Reason, Verdict};
pub use error::{Error, ErrorKind, PublishFault, Result};
pub use fs::Sha;
pub use outcome::Artifact;
