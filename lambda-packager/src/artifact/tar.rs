//! Tar archives with the same bytes for the same content.

use std::io::{self, Read, Write};
use std::path::Path;

use ::tar::{Builder, EntryType, Header};

/// An archive in the making. Its members have no user names, and all of them the same owner and date, so that the same
/// content makes the same archive.
pub struct Archive<W: Write = Vec<u8>> {
    tar: Builder<W>,
    owner: (u32, u32),
    mtime: u64,
}

impl Archive {
    pub fn of(owner: (u32, u32), mtime: u64) -> Self {
        Self::to(Vec::new(), owner, mtime)
    }
}

impl<W: Write> Archive<W> {
    /// One that is written to `out`.
    pub fn to(out: W, owner: (u32, u32), mtime: u64) -> Self {
        Self { tar: Builder::new(out), owner, mtime }
    }

    fn header(&self, kind: EntryType, mode: u32, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.owner.0.into());
        header.set_gid(self.owner.1.into());
        header.set_mtime(self.mtime);
        header.set_size(size);
        header
    }

    pub fn folder(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let mut header = self.header(EntryType::Directory, mode, 0);
        self.tar.append_data(&mut header, format!("{path}/"), io::empty())
    }

    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.file_from(path, mode, content.len() as u64, content)
    }

    /// A file of `size` bytes, which `content` has.
    pub fn file_from(&mut self, path: &str, mode: u32, size: u64, content: impl Read) -> io::Result<()> {
        let mut header = self.header(EntryType::Regular, mode, size);
        self.tar.append_data(&mut header, path, content)
    }

    pub fn link(&mut self, path: &str, target: impl AsRef<Path>) -> io::Result<()> {
        let mut header = self.header(EntryType::Symlink, 0o777, 0);
        self.tar.append_link(&mut header, path, target)
    }

    pub fn finish(self) -> io::Result<W> {
        self.tar.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_nothing_but_what_was_given() {
        let header = Archive::of((7, 8), 0).header(EntryType::Regular, 0o755, 0);
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o755, 7, 8));
        assert_eq!((header.mtime().unwrap(), header.size().unwrap()), (0, 0));
        assert_eq!((header.username(), header.groupname()), (Ok(Some("")), Ok(Some(""))));
    }
}
