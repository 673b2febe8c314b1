//! The artifact as bytes: whether a binary can run on Lambda, and the archive around it.

pub(crate) mod elf;
pub(crate) mod include;
pub(crate) mod limits;
pub(crate) mod zip;
