//! A terminal of our own for a program's output: some programs show their progress only on one.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

/// Both ends of a pseudoterminal. No process has it as its controlling terminal, so it sends no signals.
pub struct Terminal {
    /// What the program prints is read here. After its end, a read is an error on Linux.
    pub ours: OwnedFd,
    /// The program's end.
    pub theirs: OwnedFd,
}

impl Terminal {
    pub fn open() -> io::Result<Self> {
        // No line is cut off, and none left out.
        let mut size = libc::winsize { ws_row: 1000, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut ours, mut theirs) = (-1, -1);
        // SAFETY: all pointers are valid for the call, or null where `openpty` allows it.
        let status =
            unsafe { libc::openpty(&raw mut ours, &raw mut theirs, ptr::null_mut(), ptr::null_mut(), &raw mut size) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both are open, and nothing else owns them.
        let ends = unsafe { [OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)] };
        // The copies are closed in programs that we start.
        Ok(Self { ours: ends[0].try_clone()?, theirs: ends[1].try_clone()? })
    }
}
