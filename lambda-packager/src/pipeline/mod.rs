//! The one place that orders the stages.

pub mod check;
pub mod outcome;
pub mod project;
mod retry;
pub mod run;
mod staleness;
pub mod verify;
