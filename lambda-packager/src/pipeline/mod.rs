//! Packages functions: the stages in their order.

pub mod bring;
mod build;
pub mod check;
mod commit;
mod debug;
mod destination;
mod extent;
mod found;
mod group;
mod image;
mod judge;
mod layer;
mod miss;
pub mod outcome;
pub mod package;
mod places;
pub mod project;
pub mod retry;
pub mod run;
mod settings;
mod sharing;
pub mod surroundings;
mod task;
mod toolchains;
mod watch;

pub use check::{Explained, Gate, record_stamps};
pub use miss::Miss;
pub use outcome::Outcome;
pub use package::Package;
pub use places::{Places, is_lock_of_function};
pub use project::{Project, Request};
pub use task::{Task, lock};
