//! The companion bin: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lambda_packager::cli::main()
}
