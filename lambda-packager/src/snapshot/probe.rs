//! What is at a path, without reading it.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::Result;
use crate::snapshot::record::Kind;
use crate::sys::fs::{self, Stamp};

const NO_STAMP: Stamp = Stamp { size_bytes: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };

/// What is there, without reading it.
pub fn seen(path: &Path) -> Result<(Kind, Stamp)> {
    let Some(meta) = fs::lstat(path)? else {
        return Ok((Kind::Absent, NO_STAMP));
    };
    let stamp = Stamp::of(&meta);
    Ok(if meta.is_file() {
        (if is_executable(&meta) { Kind::Executable } else { Kind::File }, stamp)
    } else if meta.is_dir() {
        (Kind::Names, stamp)
    } else if meta.is_symlink() {
        match fs::stat(path)? {
            Some(target) if target.is_dir() => (Kind::FolderLink, stamp_of_link(stamp, Stamp::of(&target))),
            Some(target) => (Kind::Link, stamp_of_link(stamp, Stamp::of(&target))),
            None => (Kind::Link, stamp),
        }
    } else {
        (Kind::Other, stamp)
    })
}

pub fn is_executable(meta: &Metadata) -> bool {
    meta.permissions().mode() & 0o111 != 0
}

/// A stamp that moves when the link does and when what it leads to does.
fn stamp_of_link(link: Stamp, target: Stamp) -> Stamp {
    Stamp {
        size_bytes: target.size_bytes,
        mtime_ns: target.mtime_ns,
        ctime_ns: link.ctime_ns.max(target.ctime_ns),
        inode: link.inode.rotate_left(32) ^ target.inode,
    }
}
