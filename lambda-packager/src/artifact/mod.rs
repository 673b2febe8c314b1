//! The artifact as bytes: whether a binary can run on Lambda, and the archives around it.

pub mod elf;
pub mod elf_diff;
pub mod image;
pub mod include;
pub mod limits;
pub mod tar;
pub mod zip;
