//! Tar archives with the same bytes for the same content.

use std::io;
use std::path::Path;

use ::tar::{Builder, EntryType, Header};

/// An archive in the making. Its members have no user names, and all of them the same owner and date, so that the same
/// content makes the same archive.
pub struct Archive {
    tar: Builder<Vec<u8>>,
    owner: (u32, u32),
    mtime: u64,
}

impl Archive {
    pub fn of(owner: (u32, u32), mtime: u64) -> Self {
        Self { tar: Builder::new(Vec::new()), owner, mtime }
    }

    fn header(&self, kind: EntryType, mode: u32, size: usize) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.owner.0.into());
        header.set_gid(self.owner.1.into());
        header.set_mtime(self.mtime);
        header.set_size(size as u64);
        header
    }

    pub fn folder(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let mut header = self.header(EntryType::Directory, mode, 0);
        self.tar.append_data(&mut header, format!("{path}/"), io::empty())
    }

    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = self.header(EntryType::Regular, mode, content.len());
        self.tar.append_data(&mut header, path, content)
    }

    pub fn link(&mut self, path: &str, target: impl AsRef<Path>) -> io::Result<()> {
        let mut header = self.header(EntryType::Symlink, 0o777, 0);
        self.tar.append_link(&mut header, path, target)
    }

    pub fn finish(self) -> io::Result<Vec<u8>> {
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
