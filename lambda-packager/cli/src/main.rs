//! The companion bin: parse, run, exit code.

mod args;
mod clean;
mod cli;
mod container;
mod doctor;
mod image;
mod json;
mod project;
mod publish;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
