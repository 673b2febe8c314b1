//! Ends a program when we end.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::Invocation;

/// A shell that ends a program when we end, in any way. For programs whose standard input must end earlier.
pub struct Guard {
    /// It ends the program when its standard input is closed.
    pub shell: Child,
}

impl Guard {
    pub fn of(child: &Child) -> Result<Self> {
        let pid = child.id().to_string();
        let script = include_str!("guard.sh");
        let call = Invocation::new(Path::new("/bin/sh")).args(&["-c", script, "lambda-packager", &pid]);
        let [stdout, stderr] = [again(child.stdout.as_ref())?, again(child.stderr.as_ref())?];
        Ok(Self { shell: call.spawn_with([Stdio::piped(), stdout, stderr])? })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        end(&mut self.shell);
    }
}

/// Another handle of the end of a pipe that we read.
fn again(pipe: Option<&impl AsFd>) -> Result<Stdio> {
    pipe.map_or(Ok(Stdio::null()), |pipe| {
        let copy = pipe.as_fd().try_clone_to_owned().map(Stdio::from);
        copy.map_err(|e| Error::new(ErrorKind::Io, "cannot pass on what a program prints").source(e))
    })
}

/// Kills a program that nobody needs any more, and waits for it.
pub fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_program_that_reports_while_it_cleans_up_comes_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let done = folder.path().join("done");
        // More than a pipe holds.
        let report = "dd if=/dev/zero bs=100000 count=1 2>/dev/null";
        let clean_up = format!("{report} && {report} >&2 && echo done >{}; exit", done.display());
        let script = format!("trap '{clean_up}' TERM; echo ready; while :; do sleep 0.1; done");
        let call = Invocation::new(Path::new("/bin/sh")).args(&["-c", &script]);
        let mut child = call.spawn(Stdio::null()).unwrap();
        let mut guard = Guard::of(&child).unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        // As if we had been killed.
        drop((child.stdout.take(), child.stderr.take(), guard.shell.stdin.take()));
        child.wait().unwrap();
        assert!(done.exists());
    }
}
