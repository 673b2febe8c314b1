//! Globs: patterns for paths. `*` and `?` stand for characters of one name, `[a-z]` and `[!a-z]` for one character, `**`
//! for any number of folders, and `{a,b}` for one of several texts. `\` takes the meaning of the next character away. A
//! leading dot is a character like others.
//!
//! They are globset's, which answers less than is asked here (which folder holds all matches, what a folder may hold) and
//! brings five more crates, a machine of regular expressions among them, to every cold build of a build script.

mod any;
mod braces;
mod pattern;

pub use any::{Glob, escape, fault};
pub use braces::split;
pub use pattern::{clean, is_glob};
