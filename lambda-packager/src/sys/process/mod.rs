//! The only module that starts other programs: argument vectors, a chosen environment, a limit for every wait.

mod guard;
mod invocation;
mod line_buffer;
mod output;
mod run;
mod supervise;

pub use invocation::Invocation;
pub use output::{Output, Stream};
