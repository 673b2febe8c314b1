//! The cargo workspace, as `cargo metadata` tells it: which packages are local, which of them a
//! function is made of, and where cargo's configuration could lie.

mod answer;
mod found;
mod function;
mod includes;
mod locked;
mod profiles;

pub(crate) use found::{Workspace, lexically_clean, relative};
pub(crate) use function::Function;
pub(crate) use locked::{Locked, locked};
