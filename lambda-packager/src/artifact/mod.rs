//! The artifact as bytes: whether a binary can run on Lambda, and the archive around it.

#[cfg(feature = "cli")]
pub(crate) mod difference;
pub(crate) mod elf;
pub(crate) mod include;
pub(crate) mod limits;
pub(crate) mod zip;
