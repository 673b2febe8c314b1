//! The state of files: read once, and then recognized by their stamps.

pub mod difference;
pub mod listing;
mod looks;
pub mod memo;
pub mod parallel;
mod probe;
mod programs;
pub mod record;
pub mod scope;
mod stamped;
pub mod take;
mod unchanged;
pub mod visible;

pub use difference::{Change, What};
pub use listing::{ListedFolder, Rule, Tree};
pub use looks::Looks;
pub use memo::{Computed, Memo, MemoDeps};
pub use probe::is_executable;
pub use record::{Entry, FolderRecord, Kind, RULE, Snapshot, State, TreeRecord};
pub use scope::Scope;
pub use take::Taken;
