//! The only module that starts other programs: argument vectors, a chosen environment, a limit for every wait.

mod guard;
mod input;
mod invocation;
mod line_buffer;
mod output;
mod run;
mod supervise;
mod terminal;

pub use input::Input;
pub use invocation::Invocation;
pub use output::{Output, Stream};
