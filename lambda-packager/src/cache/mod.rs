//! What was built from what, and whether it still holds.

pub(crate) mod facts;
pub(crate) mod fingerprint;
pub(crate) mod inputs;
pub(crate) mod listing;
pub(crate) mod manifest;
pub(crate) mod snapshot;
mod spread;
pub(crate) mod survey;
mod unchanged;
pub(crate) mod verdict;
