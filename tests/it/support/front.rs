//! Programs of the test's own, and scripts that stand in front of real programs.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Ended, TempDir, skip};

/// Runs `command` with `input` on its standard input.
pub fn fed(command: &mut Command, input: &[u8]) -> Ended {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // One that does not read says why on stderr.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends").into()
}

/// Writes a program. Another process does it: a file that this one has open for writing cannot be started, and what
/// another test starts at that moment holds it open too.
pub fn program(path: &Path, content: &[u8]) {
    let mut write = Command::new("sh");
    fed(write.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(path), content).ok();
}

/// The first program of that name in the folders of `path`.
pub fn which(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether there is such a program.
pub fn on_path(program: &str) -> bool {
    which(program, &std::env::var_os("PATH").unwrap_or_default()).is_some()
}

/// The same; if not, says how to get it.
#[track_caller]
pub fn is_installed(program: &str, how: &str) -> bool {
    let is_here = on_path(program);
    if !is_here {
        skip(program, &format!("it is not installed ({how})"));
    }
    is_here
}

/// `path` with a folder in front.
pub fn prefixed(folder: &Path, path: &OsStr) -> OsString {
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(path));
    std::env::join_paths(folders).expect("no colons")
}

/// `command` under a program, which gets it and its arguments as further arguments.
pub fn under(wrapper: &[&str], command: &Command) -> Command {
    let mut under = Command::new(wrapper[0]);
    under.args(&wrapper[1..]).arg(command.get_program()).args(command.get_args());
    like(command, &mut under);
    under
}

/// Gives another command the folder and the variables of `command`.
pub fn like<'a>(command: &Command, other: &'a mut Command) -> &'a mut Command {
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    match command.get_current_dir() {
        Some(folder) => other.current_dir(folder),
        None => other,
    }
}

/// A script in front of a program.
pub struct Front {
    folder: TempDir,
    /// For `PATH`.
    pub path: OsString,
}

impl Front {
    /// `script` sees the arguments of `name`, and goes on to the real program if it does not end.
    pub fn of(name: &str, script: &str) -> Self {
        Self::on(&std::env::var_os("PATH").expect("PATH"), name, script)
    }

    /// The same for the program that is found by `path`, which the script knows as `$real`.
    pub fn on(path: &OsStr, name: &str, script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let real = which(name, path).unwrap_or_else(|| panic!("no {name}"));
        let front = Self { path: prefixed(folder.path(), path), folder };
        front.add(name, &format!("real='{}'\n{script}\nexec \"$real\" \"$@\"", real.display()));
        front
    }

    /// A file beside the script.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds another program, which is only this script.
    pub fn add(&self, name: &str, script: &str) {
        program(&self.folder.path().join(name), format!("#!/bin/sh\n{script}\n").as_bytes());
    }
}
