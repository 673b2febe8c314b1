//! The companion bin: parse, run, exit code.

mod answers;
mod args;
mod clean;
mod cli;
mod container;
#[cfg(test)]
#[path = "../../tests/support/damaged.rs"]
mod damaged;
mod doctor;
mod image;
mod init;
mod json;
mod production;
mod project;
mod publish;
mod shim;
mod signals;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
