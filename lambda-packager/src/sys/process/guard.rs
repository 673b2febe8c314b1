//! What ends a program together with us.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::error::Result;
use crate::sys::process::Invocation;

/// A shell that ends a program when we end, however that is. For programs whose standard input ends earlier.
pub struct Guard {
    /// It acts when its standard input ends.
    pub shell: Child,
}

impl Guard {
    pub fn of(child: &Child) -> Result<Self> {
        let pid = child.id().to_string();
        let script = include_str!("guard.sh");
        let call = Invocation::new(Path::new("/bin/sh")).args(&["-c", script, "lambda-packager", &pid]);
        Ok(Self { shell: call.spawn(Stdio::piped())? })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
