//! What was built from what, and whether it still holds.

pub mod ingredients;
pub mod inputs;
pub mod manifest;
pub mod verdict;
