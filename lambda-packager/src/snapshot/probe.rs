//! The kind and the stamp of a path, without its content.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::Result;
use crate::snapshot::Kind;
use crate::sys::{Stamp, fs};

const NO_STAMP: Stamp = Stamp { size_bytes: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };

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

/// A stamp that changes if the link or its target changes.
fn stamp_of_link(link: Stamp, target: Stamp) -> Stamp {
    Stamp {
        size_bytes: target.size_bytes,
        mtime_ns: target.mtime_ns,
        ctime_ns: link.ctime_ns.max(target.ctime_ns),
        inode: link.inode.rotate_left(32) ^ target.inode,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_kind_is_seen_and_a_link_has_a_stamp_of_itself_and_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::replace(&at("file"), b"a", 0o644, None).unwrap();
        fs::replace(&at("exec"), b"a", 0o755, None).unwrap();
        fs::create_dirs(&at("folder")).unwrap();
        for (to, name) in [("file", "link"), ("folder", "folder-link"), ("none", "dangling"), ("loop", "loop")] {
            symlink(to, at(name)).unwrap();
        }
        let kinds = ["file", "exec", "folder", "link", "folder-link", "dangling", "loop", "none", "file/none"]
            .map(|name| seen(&at(name)).unwrap().0.to_string());
        let expected = ["file", "exec", "names", "link", "folder-link", "link", "link", "absent", "absent"];
        assert_eq!(kinds, expected);
        assert_eq!(seen(Path::new("/dev/null")).unwrap().0, Kind::Other);
        let before = seen(&at("link")).unwrap();
        assert_eq!(before.1.size_bytes, 1);
        fs::replace(&at("file"), b"abc", 0o644, None).unwrap();
        let after = seen(&at("link")).unwrap();
        assert!(after.0 == Kind::Link && after.1.size_bytes == 3 && after.1.inode != before.1.inode);
    }
}
