//! Debug information beside the zip, where debuggers look for it by build id.
//!
//! Source: <https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html>.

use std::path::{Path, PathBuf};

use crate::compile::DebugInfo;
use crate::error::Result;
use crate::pipeline::Places;
use crate::sys::fs;

/// The files of `debug`, by path: `debug/.build-id/ab/cdef.debug`, and beside it the package of split debug information,
/// by the name that gdb looks for in this folder: that of the binary.
pub fn files<'a>(places: &Places, debug: Option<&'a DebugInfo>) -> Vec<(PathBuf, &'a [u8])> {
    let Some(debug) = debug else { return Vec::new() };
    let file = match debug.build_id.as_ref().and_then(|id| id.split_at_checked(2)) {
        Some((start, rest)) => places.debug.join(format!(".build-id/{start}/{rest}.debug")),
        None => places.debug.join("bootstrap.debug"),
    };
    let dwp = (!debug.dwp.is_empty()).then(|| (file.with_file_name("bootstrap.dwp"), &debug.dwp[..]));
    [(file, &debug.file[..])].into_iter().chain(dwp).collect()
}

/// Removes what is below `folder` and not in `kept`: it is of other binaries.
///
/// # Errors
/// If something cannot be listed or removed.
pub fn remove_others(folder: &Path, kept: &[(PathBuf, &[u8])]) -> Result<()> {
    match fs::lstat(folder)? {
        None => return Ok(()),
        // Not where a link leads to.
        Some(meta) if meta.is_dir() && kept.iter().any(|(path, _)| path.starts_with(folder)) => {}
        Some(_) => return fs::remove_tree(folder),
    }
    for name in fs::raw_names_in(folder)? {
        let path = folder.join(name);
        if !kept.iter().any(|(kept, _)| *kept == path) {
            remove_others(&path, kept)?;
        }
    }
    Ok(())
}
