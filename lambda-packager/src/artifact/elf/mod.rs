//! Whether a binary can start on the selected Lambda runtime: its machine, dynamic linker, shared libraries, and the
//! versions of glibc's symbols.

mod brought;
mod check;
mod glibc;
mod libraries;
mod machine;
mod read;

pub use brought::{brought, library};
pub use check::{Expectation, check, check_loadable, needs};
