//! Tar archives with the same bytes for the same content.

use ::tar::{EntryType, Header};

/// A header without a date and without user names, so that the same content makes the same archive.
pub fn header(kind: EntryType, mode: u32, (uid, gid): (u32, u32)) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(uid.into());
    header.set_gid(gid.into());
    header.set_mtime(0);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_nothing_but_what_was_given() {
        let header = header(EntryType::Regular, 0o755, (7, 8));
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o755, 7, 8));
        assert_eq!((header.mtime().unwrap(), header.size().unwrap()), (0, 0));
        assert_eq!((header.username(), header.groupname()), (Ok(Some("")), Ok(Some(""))));
    }
}
