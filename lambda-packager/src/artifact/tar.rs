//! Tar archives with the same bytes for the same content.

use std::io::{self, Read, Write};
use std::path::Path;

use ::tar::{Builder, EntryType, Header};

/// Content is padded to a multiple of this many bytes.
///
/// Source: <https://www.gnu.org/software/tar/manual/html_node/Standard.html>.
const BLOCK: u64 = 512;

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

    pub fn folder(&mut self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let mut header = self.header(EntryType::Directory, mode, 0);
        // With a slash at its end.
        self.tar.append_data(&mut header, path.as_ref().join(""), io::empty())
    }

    pub fn file(&mut self, path: impl AsRef<Path>, mode: u32, content: &[u8]) -> io::Result<()> {
        self.file_from(path, mode, content.len() as u64, content)
    }

    /// A file of `size` bytes, which `content` has to have.
    pub fn file_from(&mut self, path: impl AsRef<Path>, mode: u32, size: u64, content: impl Read) -> io::Result<()> {
        let path = path.as_ref();
        let mut header = self.header(EntryType::Regular, mode, size);
        let mut content = content.take(size);
        self.tar.append_data(&mut header, path, &mut content)?;
        match content.limit() {
            0 => Ok(()),
            _ => Err(io::Error::other(format!("{} became shorter while it was read", path.display()))),
        }
    }

    pub fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> io::Result<()> {
        let mut header = self.header(EntryType::Symlink, 0o777, 0);
        self.tar.append_link(&mut header, path, target)
    }

    pub fn finish(self) -> io::Result<W> {
        self.tar.into_inner()
    }
}

/// The length of an archive in bytes, before it is made.
#[derive(Default)]
pub struct Length(pub u64);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Archive<Length> {
    pub fn length() -> Self {
        Self::to(Length::default(), (0, 0), 0)
    }

    /// Counts a file of `size` bytes.
    pub fn count(&mut self, path: impl AsRef<Path>, size: u64) -> io::Result<()> {
        let mut header = self.header(EntryType::Regular, 0, size);
        self.tar.append_data(&mut header, path, io::empty())?;
        self.tar.get_mut().0 += size.next_multiple_of(BLOCK);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_shorter_than_it_was_is_an_error_and_of_a_longer_one_the_start_is_taken() {
        let error = Archive::of((0, 0), 0).file_from("a", 0o644, 3, &b"12"[..]).unwrap_err();
        assert_eq!(error.to_string(), "a became shorter while it was read");
        let (mut start, mut whole) = (Archive::of((0, 0), 0), Archive::of((0, 0), 0));
        start.file_from("a", 0o644, 3, &b"1234"[..]).and_then(|()| whole.file("a", 0o644, b"123")).unwrap();
        assert_eq!(start.finish().unwrap(), whole.finish().unwrap());
    }

    #[test]
    fn the_length_is_known_before_the_archive_is_made() {
        let (long, content) = ("folder/".repeat(40), vec![b'x'; 1025]);
        for (name, size) in [("a", 0), ("b", 1), ("c", 512), ("d", 1025), (long.as_str(), 513)] {
            let (mut length, mut archive) = (Archive::length(), Archive::of((7, 8), 9));
            length.folder("folder", 0o755).and_then(|()| archive.folder("folder", 0o755)).unwrap();
            length.link("link", &long).and_then(|()| archive.link("link", &long)).unwrap();
            length.count(name, size as u64).and_then(|()| archive.file(name, 0o755, &content[..size])).unwrap();
            assert_eq!(length.finish().unwrap().0, archive.finish().unwrap().len() as u64, "{name} of {size}");
        }
    }

    #[test]
    fn a_header_has_nothing_but_what_was_given() {
        let header = Archive::of((7, 8), 0).header(EntryType::Regular, 0o755, 0);
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o755, 7, 8));
        assert_eq!((header.mtime().unwrap(), header.size().unwrap()), (0, 0));
        assert_eq!((header.username(), header.groupname()), (Ok(Some("")), Ok(Some(""))));
    }
}
