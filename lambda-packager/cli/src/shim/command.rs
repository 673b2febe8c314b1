//! What `cargo lambda` is called for.

use std::ffi::OsString;
use std::process::ExitCode;

use lambda_packager::internal::{env, print_lines};

use crate::shim::name::{NAME, PROGRAM, VERSION};
use crate::shim::{build, instead};

/// Whether this program was called as `cargo-lambda`.
pub fn is_called() -> bool {
    env::called_as() == NAME
}

/// Does what the arguments of `cargo lambda` say.
pub fn main() -> ExitCode {
    let mut args = env::arguments();
    // Cargo passes on its own argument.
    if args.first().is_some_and(|first| first == "lambda") {
        args.remove(0);
    }
    let first = args.first().and_then(|first| first.to_str()).unwrap_or("--help");
    match first {
        "build" => build::build(args.split_off(1)),
        "-V" | "--version" => {
            print_lines(&[format!("{NAME} {VERSION} ({PROGRAM} {})", env!("CARGO_PKG_VERSION"))]);
            ExitCode::SUCCESS
        }
        "-h" | "--help" | "help" if args.len() < 2 => {
            print_lines(&HELP.map(String::from));
            ExitCode::SUCCESS
        }
        // Flags that stand before the command.
        flag if flag.starts_with('-') => match position_of_build(&args) {
            Some(at) => {
                args.remove(at);
                build::build(args)
            }
            None => instead::instead(first, &args),
        },
        command => instead::instead(command, &args),
    }
}

const HELP: [&str; 6] = [
    "lambda-packager in the place of cargo-lambda",
    "",
    "  cargo lambda build [FLAGS]   package functions; see `cargo lambda build --help`",
    "  cargo lambda --version       the version of cargo-lambda whose flags are understood",
    "",
    "Other commands are passed on to the cargo-lambda that is elsewhere on PATH, if there is one.",
];

/// Where `build` stands after flags of `cargo lambda`, of which some have a value.
fn position_of_build(args: &[OsString]) -> Option<usize> {
    let mut index = 0;
    while let Some(arg) = args.get(index).and_then(|arg| arg.to_str()) {
        match arg {
            "build" => return Some(index),
            "--color" | "--global" | "--context" | "-x" => index += 2,
            flag if flag.starts_with('-') => index += 1,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_may_stand_after_flags() {
        let at = |line: &str| position_of_build(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(at("-v --color never build --release"), Some(3));
        assert_eq!(at("--context build watch"), None);
        assert_eq!(at("-v"), None);
    }
}
