//! Digests the sources of the packager: what another packager of the same version made is not taken for its own.
#![allow(clippy::disallowed_methods)] // The doors are the library's.

use std::path::{Path, PathBuf};
use std::{fs, io};

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    // What the code includes, too.
    for folder in ["src", "docker"] {
        println!("cargo::rerun-if-changed={folder}");
        add(Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut digest = FNV_OFFSET;
    for file in files {
        let name = file.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let content = fs::read(file)?;
        for part in [name.as_bytes(), &content.len().to_le_bytes(), &content] {
            digest = part.iter().fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(FNV_PRIME));
        }
    }
    println!("cargo::rustc-env=PACKAGER_SOURCES={digest:016x}");
    Ok(())
}

/// 64-bit FNV-1a: nobody attacks it, and a crate would be compiled before all of this one's code.
/// <https://www.rfc-editor.org/rfc/rfc9923>.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Adds the files in a folder, and in its folders.
fn add(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { add(&entry.path(), files)? } else { files.push(entry.path()) }
    }
    Ok(())
}
