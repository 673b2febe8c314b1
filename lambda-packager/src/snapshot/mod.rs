//! The state of files: read once, and then recognized by their stamps.

pub mod difference;
pub mod listing;
pub mod memo;
mod parallel;
mod probe;
pub mod record;
pub mod scope;
pub mod take;
mod unchanged;
