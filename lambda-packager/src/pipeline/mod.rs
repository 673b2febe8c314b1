//! Packages a function: the stages in their order.

mod build;
pub mod check;
mod commit;
pub mod outcome;
mod package;
pub mod project;
mod retry;
pub mod run;
mod staleness;
pub mod verify;

pub use check::{Gate, copies};
pub use outcome::Outcome;
pub use package::Package;
pub use project::{Places, Project, Request, Task};
