//! What a program reads from its standard input.

use std::io::{self, Write};

/// Writes an input bit by bit.
type Writer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// What a program reads from its standard input.
pub enum Input {
    Bytes(Vec<u8>),
    /// What is too large to hold in memory. If it fails, the input ends there.
    Written(Writer),
}

impl Input {
    /// An error means that the program stopped reading, or that `Written` failed.
    pub(super) fn write_to(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(&bytes),
            Self::Written(write) => write(out),
        }
    }
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
