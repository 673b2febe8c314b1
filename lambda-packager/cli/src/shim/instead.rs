//! Commands of cargo-lambda other than `build`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use lambda_packager::internal::{Error, Event, Invocation, Sink, Text, env, fs};

use crate::shim::name::{NAME, PROGRAM};

/// What its version is asked with may wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Passes the command on to a cargo-lambda that is installed; says what to use if there is none.
pub fn instead(command: &str, args: &[OsString]) -> ExitCode {
    let error = match env::find_commands_of_cargo(NAME).into_iter().find(|program| is_cargo_lambda(program)) {
        Some(program) => Invocation::new(&program).args(&["lambda"]).args(args).exec(),
        None => Error::config(format!(
            "`cargo lambda {command}` is not a command of lambda-packager, and no other cargo-lambda is on PATH"
        ))
        .hint_with(use_instead(command)),
    };
    Text::stderr(false, false).emit(&Event::Failed { error: &error });
    ExitCode::from(error.exit_code())
}

/// Whether a program is cargo-lambda itself: it says its version. A copy of this program or another version of it says that
/// it is one, so none passes on to itself.
fn is_cargo_lambda(program: &Path) -> bool {
    let is_ours = |program: &Path| fs::canonical(program).ok() == env::this_program().ok();
    let version = || Invocation::new(program).args(&["lambda", "--version"]).output(None, PATIENCE);
    !is_ours(program) && version().is_ok_and(|version| version.success() && !version.stdout_text().contains(PROGRAM))
}

fn use_instead(command: &str) -> &'static str {
    match command {
        "deploy" => {
            "deploy target/lambda/<function>/lambda-deployment.zip: with SAM, the CDK, Terraform, or `aws lambda update-function-code --zip-file fileb://...`"
        }
        "new" | "init" => "`cargo new NAME` makes a package, and `lambda-packager` in it makes its zip",
        "system" | "config" => "`lambda-packager doctor` checks this machine and project",
        "invoke" | "watch" | "start" => {
            "install cargo-lambda too, in a folder of PATH behind this one: the command is passed on to it"
        }
        _ => {
            "`cargo lambda build` packages; for other commands install cargo-lambda too, in a folder of PATH behind this one"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_cargo_lambda_has_something_to_use_instead() {
        for command in ["deploy", "watch", "start", "init", "invoke", "new", "system", "config"] {
            assert_ne!(use_instead(command), use_instead("other"), "{command}");
        }
    }
}
