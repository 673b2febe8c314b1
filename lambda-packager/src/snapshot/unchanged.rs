//! Whether every recorded file still has its stamp: the fast path of the check. It only compares stamps, allocates
//! nothing for a file, and ends at the first difference. `take` then finds out what changed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::snapshot::{Entry, FolderRecord, Kind, Looks, Scope, Snapshot, parallel};

/// Some files of one folder. The first piece of a folder also has the folder.
struct Piece<'a> {
    /// Relative to the base; empty for single files.
    path: &'a str,
    folder: Option<&'a FolderRecord>,
    files: &'a [Entry],
}

/// Whether `recorded` has this scope, and every folder and file in it has its recorded stamp and was old enough then,
/// so that a later change is visible in the stamp.
pub fn holds(looks: &Looks, scope: &Scope, base: &Path, recorded: &Snapshot) -> Result<bool> {
    let same_scope = scope.trees.iter().eq(recorded.trees.iter().map(|record| &record.tree))
        && scope.files.iter().eq(recorded.files.iter().map(|entry| &entry.name));
    if !same_scope {
        return Ok(false);
    }
    let mut pieces = Vec::new();
    for folder in recorded.trees.iter().flat_map(|record| &record.folders) {
        let mut rest = folder.files.chunks(parallel::PIECE);
        let first = rest.next().unwrap_or_default();
        pieces.push(Piece { path: &folder.path, folder: Some(folder), files: first });
        pieces.extend(rest.map(|files| Piece { path: &folder.path, folder: None, files }));
    }
    let alone = recorded.files.chunks(parallel::PIECE);
    pieces.extend(alone.map(|files| Piece { path: "", folder: None, files }));
    let count = pieces.iter().map(|piece| piece.files.len() + 1).sum();
    let differs = AtomicBool::new(false);
    parallel::map(&pieces, count, |piece| {
        if !differs.load(Ordering::Relaxed) && !piece_holds(looks, piece, base, recorded.taken_at_ns)? {
            differs.store(true, Ordering::Relaxed);
        }
        Ok(())
    })?;
    Ok(!differs.into_inner())
}

fn piece_holds(looks: &Looks, piece: &Piece, base: &Path, trusted_before_ns: i64) -> Result<bool> {
    let folder = base.join(piece.path);
    if let Some(record) = piece.folder
        && (looks.folder(&folder)? != Some(record.stamp) || !record.stamp.is_older_than(trusted_before_ns))
    {
        return Ok(false);
    }
    let mut path = folder.into_os_string().into_encoded_bytes();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    let length = path.len();
    for entry in piece.files {
        path.truncate(length);
        path.extend_from_slice(entry.name.as_bytes());
        // The name of a file outside of the base may be its absolute path.
        let path = if entry.name.starts_with('/') { entry.name.as_bytes() } else { &path };
        if looks.seen(Path::new(OsStr::from_bytes(path)))? != (entry.kind, entry.stamp) {
            return Ok(false);
        }
        let unread = matches!(entry.kind, Kind::Absent | Kind::Other);
        if !unread && !entry.stamp.is_older_than(trusted_before_ns) {
            return Ok(false);
        }
    }
    Ok(true)
}
