//! Sources as an archive that is made while it is sent: the crates of a function may be larger than the memory.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::artifact::{Archive, Length};
use crate::compile::node::{Content, Node};
use crate::error::{Error, Result};
use crate::snapshot::is_executable;
use crate::sys::fs;

/// The date of what no compile saw changed: before any record of cargo.
const LONG_AGO: u64 = 315_532_800;

/// Files, folders and links by their paths in an archive, in its order.
#[derive(Default)]
pub struct Packed(Vec<(PathBuf, Member)>);

enum Member {
    Folder,
    Link(PathBuf),
    File { executable: bool, content: Content, size: u64 },
}

impl Packed {
    /// Adds `node` at its place, below the root of the archive.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn add(&mut self, place: &str, node: Node) -> Result<()> {
        let name = PathBuf::from(place.trim_start_matches('/'));
        let member = match node {
            Node::File { content, executable, .. } => {
                let size = match &content {
                    Content::Made(bytes) => bytes.len() as u64,
                    Content::Of(path) => fs::stat(path)?.map_or(0, |meta| meta.len()),
                };
                Member::File { executable, content, size }
            }
            Node::Link(target) => Member::Link(target.into()),
            Node::Whole(path, _) => return self.add_whole(name, &path),
        };
        self.0.push((name, member));
        Ok(())
    }

    /// A file, or a folder with all that is in it.
    fn add_whole(&mut self, name: PathBuf, path: &Path) -> Result<()> {
        let Some(meta) = fs::lstat(path)? else { return Ok(()) };
        let member = if meta.is_symlink() {
            Member::Link(fs::read_link(path)?)
        } else if meta.is_dir() {
            Member::Folder
        } else {
            Member::File { executable: is_executable(&meta), content: Content::Of(path.into()), size: meta.len() }
        };
        self.0.push((name.clone(), member));
        if meta.is_dir() {
            let mut names = fs::raw_names_in(path)?;
            names.sort_unstable();
            names.iter().try_for_each(|inner| self.add_whole(name.join(inner), &path.join(inner)))?;
        }
        Ok(())
    }

    /// The length of the archive in bytes; 0 without members.
    ///
    /// # Errors
    /// A path does not fit into an archive.
    pub fn length(&self) -> Result<u64> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let mut archive = Archive::length();
        let mut count = |(name, member): &(PathBuf, Member)| match member {
            Member::File { size, .. } => archive.count(name, *size),
            member => append(&mut archive, name, member),
        };
        let counted = self.0.iter().try_for_each(&mut count);
        counted.and_then(|()| archive.finish()).map(|Length(bytes)| bytes).map_err(cannot_pack)
    }

    /// Writes the archive; nothing without members.
    ///
    /// # Errors
    /// If `out` takes no more, or a file is not what it was when it was added.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut archive = Archive::to(out, (0, 0), LONG_AGO);
        self.append_to(&mut archive)?;
        archive.finish().map(drop)
    }

    /// Adds the members to an archive.
    ///
    /// # Errors
    /// As for [`Packed::write_to`].
    pub fn append_to<W: Write>(&self, archive: &mut Archive<W>) -> io::Result<()> {
        self.0.iter().try_for_each(|(name, member)| append(archive, name, member))
    }
}

fn append<W: Write>(archive: &mut Archive<W>, name: &Path, member: &Member) -> io::Result<()> {
    match member {
        Member::Folder => archive.folder(name, 0o755),
        Member::Link(target) => archive.link(name, target),
        Member::File { executable, content, size } => {
            let mode = if *executable { 0o755 } else { 0o644 };
            match content {
                Content::Made(bytes) => archive.file(name, mode, bytes),
                Content::Of(path) => archive.file_from(name, mode, *size, fs::open(path).map_err(io::Error::other)?),
            }
        }
    }
}

pub fn cannot_pack(error: io::Error) -> Error {
    Error::cargo("cannot pack the sources for the compile").source(error)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::sys::Sha;

    fn bytes(packed: &Packed) -> Vec<u8> {
        let mut bytes = Vec::new();
        packed.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_archive_has_the_length_that_was_told_before_and_all_that_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dirs(&at("crate/src")).unwrap();
        fs::replace(&at("crate/src/lib.rs"), b"pub fn f() {}", 0o644, None).unwrap();
        fs::replace(&at("crate/run"), b"#!/bin/sh\n", 0o755, None).unwrap();
        std::os::unix::fs::symlink("src/lib.rs", at("crate/link")).unwrap();
        let not_utf8 = OsStr::from_bytes(b"tests\xe9");
        fs::replace(&at("crate").join(not_utf8), b"", 0o644, None).unwrap();
        let mut packed = Packed::default();
        assert_eq!((packed.length().unwrap(), bytes(&packed)), (0, Vec::new()));
        packed.add("/workspace/made", Node::made(b"m".to_vec())).unwrap();
        packed.add("/workspace/link", Node::Link("made".into())).unwrap();
        packed.add("/cargo/crate", Node::Whole(at("crate"), Sha::of(b""))).unwrap();
        packed.add("/cargo/absent", Node::Whole(at("absent"), Sha::of(b""))).unwrap();
        let archive = bytes(&packed);
        assert_eq!(packed.length().unwrap(), archive.len() as u64);
        let mut archive = ::tar::Archive::new(&archive[..]);
        let members = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let target = header.link_name().unwrap().map_or_else(String::new, |path| path.display().to_string());
            (entry.path().unwrap().display().to_string(), header.mode().unwrap(), header.size().unwrap(), target)
        });
        let expected = [
            ("workspace/made", 0o644, 1, ""),
            ("workspace/link", 0o777, 0, "made"),
            ("cargo/crate/", 0o755, 0, ""),
            ("cargo/crate/link", 0o777, 0, "src/lib.rs"),
            ("cargo/crate/run", 0o755, 10, ""),
            ("cargo/crate/src/", 0o755, 0, ""),
            ("cargo/crate/src/lib.rs", 0o644, 13, ""),
            ("cargo/crate/tests\u{fffd}", 0o644, 0, ""),
        ];
        let expected = expected.map(|(name, mode, size, target)| (name.to_string(), mode, size, target.to_string()));
        assert_eq!(members.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_file_that_changed_since_it_was_added_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lib.rs");
        fs::replace(&file, b"12", 0o644, None).unwrap();
        let mut packed = Packed::default();
        packed.add("/lib.rs", Node::Whole(file.clone(), Sha::of(b""))).unwrap();
        fs::replace(&file, b"1", 0o644, None).unwrap();
        let error = packed.write_to(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "lib.rs became shorter while it was read");
    }
}
