//! How a program ended.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Output};

/// Its status, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: code(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        command.output().expect("it starts").into()
    }

    /// What `command` prints, without the space around it; it must succeed.
    #[track_caller]
    pub fn answer(command: &mut Command) -> String {
        Self::of(command).ok().stdout.trim().to_string()
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts a failure with this status whose text has each of `parts`.
    #[track_caller]
    pub fn fails(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        has_all(&self.stderr, parts);
        self
    }

    /// The verdict of a run.
    #[track_caller]
    pub fn verdict(&self) -> &str {
        let found = self.stderr.lines().rev().find(|line| line.starts_with("cache-"));
        found.unwrap_or_else(|| panic!("no verdict in:\n{}", self.stderr))
    }
}

/// Asserts that `text` has each of `parts`.
#[track_caller]
pub fn has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

/// The status as a shell tells it.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
