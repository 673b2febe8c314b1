//! The record of the sources that stand beside a target directory, so that only what changed is sent to it, and so that
//! cargo, which compares dates, sees what changed in content. A file has the date of the compile that saw this content at
//! this place for the first time; if the content comes back, the date comes back.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::sys::{Sha, fs};

/// What was sent until now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The last compile. The target directory has the same name, unless it was used without this record.
    pub name: String,
    /// How many compiles there were.
    pub count: u32,
    pub places: BTreeMap<String, Stored>,
    /// For each local package the digest of all that its compile may read without telling cargo.
    pub packages: BTreeMap<String, Stored>,
}

/// What was last at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Kind and digest of the content.
    pub state: String,
    /// The compile that saw it first.
    pub since: u32,
    /// It is still there. The compile of another function may not see it.
    pub is_there: bool,
}

const FORMAT: &str = "1";

impl Sent {
    /// The record at `path`; none if there is none that can be read: then everything is sent again.
    pub fn load(path: &Path) -> Option<Self> {
        let text = String::from_utf8(fs::read_own(path).ok()??).ok()?;
        let mut fields = text.strip_suffix('\0')?.split('\0');
        if fields.next()? != FORMAT {
            return None;
        }
        let mut sent = Self { name: fields.next()?.into(), count: fields.next()?.parse().ok()?, ..Self::default() };
        while let Some(head) = fields.next() {
            let (kind, rest) = head.split_at_checked(1)?;
            let (since, state) = rest.split_once(' ')?;
            let stored = Stored { state: state.into(), since: since.parse().ok()?, is_there: kind != "-" };
            let map = if kind == "p" { &mut sent.packages } else { &mut sent.places };
            map.insert(fields.next()?.into(), stored);
        }
        Some(sent)
    }

    /// Stores it at `path`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn store(&self, path: &Path) -> Result<()> {
        let mut text = format!("{FORMAT}\0{}\0{}\0", self.name, self.count);
        let mut add = |kind: char, place: &str, stored: &Stored| {
            text.push(kind);
            for part in [&stored.since.to_string(), " ", &stored.state, "\0", place, "\0"] {
                text.push_str(part);
            }
        };
        self.packages.iter().for_each(|(package, stored)| add('p', package, stored));
        self.places.iter().for_each(|(place, stored)| add(if stored.is_there { '+' } else { '-' }, place, stored));
        fs::replace(path, text.as_bytes(), 0o644, None)
    }
}

impl Stored {
    /// The state `state` in the compile `count`, after `before`. Also whether it is another one than before.
    pub fn next(before: Option<&Self>, state: String, count: u32) -> (Self, bool) {
        match before {
            Some(before) if before.state == state => (Self { is_there: true, ..before.clone() }, false),
            _ => (Self { state, since: count, is_there: true }, true),
        }
    }

    /// A digest as a state.
    pub fn of(kind: char, sha: Sha) -> String {
        format!("{kind}{sha}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent");
        assert_eq!(Sent::load(&path), None);
        let stored = |is_there| Stored { state: "f1".into(), since: 3, is_there };
        let sent = Sent {
            name: "n".into(),
            count: 4,
            places: [("/workspace/a b\nc".into(), stored(true)), ("/gone".into(), stored(false))].into(),
            packages: [("/workspace".into(), stored(true))].into(),
        };
        sent.store(&path).unwrap();
        assert_eq!(Sent::load(&path), Some(sent));
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::replace(&path, &whole[..end], 0o644, None).unwrap();
            let read = Sent::load(&path);
            assert!(read.is_none_or(|read| read.places.len() < 2), "{end}");
        }
    }

    #[test]
    fn a_state_keeps_its_date_and_another_gets_a_new_one() {
        let (first, changed) = Stored::next(None, "f1".into(), 1);
        assert!(changed && first.since == 1);
        assert_eq!(Stored::next(Some(&first), "f1".into(), 2), (first.clone(), false));
        let (second, changed) = Stored::next(Some(&first), "f2".into(), 2);
        assert!(changed && second.since == 2);
        let gone = Stored { is_there: false, ..first.clone() };
        assert_eq!(Stored::next(Some(&gone), "f1".into(), 3), (first, false));
    }
}
