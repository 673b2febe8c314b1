//! The files as they are: looked at once, and remembered by their stamps.

pub mod listing;
pub mod memo;
mod parallel;
mod probe;
pub mod record;
pub mod scope;
pub mod take;
mod unchanged;
