//! The artifact as bytes: the check whether a binary can run on Lambda, and the archives.

pub mod build_id;
pub mod elf;
pub mod image;
pub mod include;
pub mod limits;
mod selection;
pub mod tar;
pub mod zip;

pub use image::{File, Image, Parts};
pub use selection::{Selection, TakenOut, selections};
pub use tar::{Archive, Length};
pub use zip::Member;
