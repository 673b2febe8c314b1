//! Whether a binary can start on the selected Lambda runtime: its machine, dynamic linker, shared libraries, and the
//! versions of glibc's symbols.

mod check;
mod glibc;
mod libraries;
mod read;

pub use check::{Expectation, check, needs};
