//! Ends a program when we end.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::error::Result;
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
        Ok(Self { shell: call.spawn(Stdio::piped())? })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        end(&mut self.shell);
    }
}

/// Kills a program that nobody needs any more, and waits for it.
pub fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
