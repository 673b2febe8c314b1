//! A program to run, as data.
#![allow(clippy::disallowed_methods)]

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Stream, interrupt};

/// The environment of a program.
#[derive(Debug, Clone)]
pub enum Environment {
    /// Our own environment.
    Inherited,
    /// Only these variables.
    Only(Vec<(OsString, OsString)>),
}

/// A program to run, as data.
#[derive(Clone)]
pub struct Invocation {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub environment: Environment,
    pub folder: Option<PathBuf>,
}

impl Invocation {
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_path_buf(), args: Vec::new(), environment: Environment::Inherited, folder: None }
    }

    pub fn args(mut self, args: &[impl AsRef<OsStr>]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    pub fn only(mut self, environment: Vec<(OsString, OsString)>) -> Self {
        self.environment = Environment::Only(environment);
        self
    }

    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_path_buf());
        self
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        if let Environment::Only(variables) = &self.environment {
            command.env_clear().envs(variables.iter().map(|(k, v)| (k, v)));
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    pub(super) fn spawn(&self, stdin: Stdio) -> Result<Child> {
        self.spawn_with([stdin, Stdio::piped(), Stdio::piped()])
    }

    /// Starts it with the terminal `theirs` in the place of the pipe of `stream`.
    pub(super) fn spawn_on(&self, stream: Stream, theirs: OwnedFd) -> Result<Child> {
        self.spawn_with(match stream {
            Stream::Stdout => [Stdio::null(), theirs.into(), Stdio::piped()],
            Stream::Stderr => [Stdio::null(), Stdio::piped(), theirs.into()],
        })
    }

    /// Starts it with these as stdin, stdout and stderr.
    pub(super) fn spawn_with(&self, [stdin, stdout, stderr]: [Stdio; 3]) -> Result<Child> {
        if interrupt::signal().is_some() {
            return Err(interrupt::error());
        }
        let mut command = self.command();
        if interrupt::is_handled() {
            // The terminal sends Ctrl-C to its whole foreground group. In another group, our programs can end cleanly.
            command.process_group(0);
        }
        command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().map_err(|e| self.not_started(e))
    }

    pub(super) fn not_started(&self, cause: std::io::Error) -> Error {
        Error::new(ErrorKind::Io, format!("cannot start {}", self.program.display())).source(cause)
    }
}

impl std::fmt::Display for Invocation {
    /// As a person would type it. Environment variables are never shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        f.write_str(&name.to_string_lossy())?;
        for arg in &self.args {
            let text = arg.to_string_lossy();
            let plain = |c: char| c.is_alphanumeric() || "-_=/.:,+@%".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                write!(f, " {text}")?;
            } else if text.contains('\n') {
                // One of our scripts: its text would not help.
                f.write_str(" '...'")?;
            } else {
                write!(f, " '{}'", text.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_as_a_person_would_type_it() {
        let shown = Invocation::new(Path::new("/bin/sh")).args(&["-c", "it's", "", "a\nb", "k=v"]).to_string();
        assert_eq!(shown, r"sh -c 'it'\''s' '' '...' k=v");
    }
}
