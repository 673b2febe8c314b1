//! Bytes that nobody can guess.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    let read = File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|e| Error::io("read", source, e)).map(|()| bytes)
}
