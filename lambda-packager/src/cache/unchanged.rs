//! The first half of the gate: whether all that was recorded still looks as it did. It only compares
//! stamps, makes nothing for a file, and ends at the first difference; what that is says the second
//! half, `survey`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::snapshot::{Entry, FolderRecord, Kind, Snapshot};
use super::spread;
use super::survey::{self, Scope};
use crate::error::Result;
use crate::fs::{self, Stamp};

/// Files of one folder, and that folder the first time that it comes up.
struct Piece<'a> {
    /// Relative to the base; empty for files that stand alone.
    path: &'a str,
    folder: Option<&'a FolderRecord>,
    files: &'a [Entry],
}

/// Whether `recorded` is of this scope, and every folder and file in it has the stamp that it had, and
/// had it long enough then for a later change to show.
pub(super) fn holds(scope: &Scope, base: &Path, recorded: &Snapshot) -> Result<bool> {
    let same_scope = scope.trees.iter().eq(recorded.trees.iter().map(|record| &record.tree))
        && scope.files.iter().eq(recorded.files.iter().map(|entry| &entry.name));
    if !same_scope {
        return Ok(false);
    }
    let mut pieces = Vec::new();
    for folder in recorded.trees.iter().flat_map(|record| &record.folders) {
        let mut rest = folder.files.chunks(spread::PIECE);
        let first = rest.next().unwrap_or_default();
        pieces.push(Piece { path: &folder.path, folder: Some(folder), files: first });
        pieces.extend(rest.map(|files| Piece { path: &folder.path, folder: None, files }));
    }
    let alone = recorded.files.chunks(spread::PIECE);
    pieces.extend(alone.map(|files| Piece { path: "", folder: None, files }));
    let count = pieces.iter().map(|piece| piece.files.len() + 1).sum();
    let differs = AtomicBool::new(false);
    spread::map(&pieces, count, |piece| {
        if !differs.load(Ordering::Relaxed) && !piece_holds(piece, base, recorded.taken_at_ns)? {
            differs.store(true, Ordering::Relaxed);
        }
        Ok(())
    })?;
    Ok(!differs.into_inner())
}

fn piece_holds(piece: &Piece, base: &Path, trusted_before_ns: i64) -> Result<bool> {
    let folder = base.join(piece.path);
    if let Some(record) = piece.folder {
        let stamp = fs::stat(&folder)?.filter(std::fs::Metadata::is_dir).as_ref().map(Stamp::of);
        if stamp != Some(record.stamp) || !record.stamp.is_older_than(trusted_before_ns) {
            return Ok(false);
        }
    }
    let mut path = folder.into_os_string().into_encoded_bytes();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    let length = path.len();
    for entry in piece.files {
        path.truncate(length);
        path.extend_from_slice(entry.name.as_bytes());
        // A file outside of the base may be named by its absolute path.
        let path = if entry.name.starts_with('/') { entry.name.as_bytes() } else { &path };
        if survey::seen(Path::new(OsStr::from_bytes(path)))? != (entry.kind, entry.stamp) {
            return Ok(false);
        }
        let unread = matches!(entry.kind, Kind::Absent | Kind::Other);
        if !unread && !entry.stamp.is_older_than(trusted_before_ns) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::listing::{Rule, Tree};

    /// A second later than everything there is.
    fn later(folder: &Path) -> i64 {
        fs::clock_in(folder).unwrap() + 1_000_000_000
    }

    #[test]
    fn holds_until_any_one_of_many_files_folders_or_lone_paths_moves() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let base = dir.path();
        for index in 0..1500 {
            let folder = base.join(format!("tree/{}", index / 300));
            fs::create_dirs(&folder).unwrap();
            fs::create(&folder.join(index.to_string())).unwrap();
        }
        let alone = outside.path().join("alone");
        let scope = Scope {
            trees: vec![Tree { path: "tree".into(), rule: Rule::Everything }],
            // A relative name after an absolute one still starts at the base.
            files: vec![alone.to_string_lossy().into_owned(), "beside".into()],
            excluded: Vec::new(),
        };
        let look = || survey::take(&scope, base, None, later(base)).unwrap().snapshot;
        let recorded = look();
        assert!(holds(&scope, base, &recorded).unwrap());
        let too_young = Snapshot { taken_at_ns: fs::clock_in(base).unwrap() - 1_000_000_000, ..recorded.clone() };
        assert!(!holds(&scope, base, &too_young).unwrap());
        let narrower = Scope { files: vec!["beside".into()], ..Scope::default() };
        assert!(!holds(&narrower, base, &recorded).unwrap());
        for moved in [base.join("tree/4/1499"), base.join("tree/2/new"), base.join("beside"), alone] {
            let recorded = look();
            fs::replace(&moved, b"xy", 0o644, None).unwrap();
            assert!(!holds(&scope, base, &recorded).unwrap(), "{}", moved.display());
        }
    }
}
