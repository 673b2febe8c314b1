//! Files and folders that are too many or too large to be read: they are known by their stamps alone.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::sys::{Sha, Stamp, fs};

/// What there is at each of some paths, if anything, without its content.
pub type Looked = Vec<Option<Seen>>;

/// A file, or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    is_folder: bool,
    mode: u32,
    pub stamp: Stamp,
}

/// Looks at `paths`, which are relative to `base` or absolute. Of a link what it leads to counts: that it comes to lead
/// elsewhere shows there.
pub fn look(paths: &[String], base: &Path) -> Result<Looked> {
    paths.iter().map(|path| see(&base.join(path))).collect()
}

fn see(path: &Path) -> Result<Option<Seen>> {
    let seen = |meta: Metadata| Seen { is_folder: meta.is_dir(), mode: meta.mode(), stamp: Stamp::of(&meta) };
    Ok(fs::stat(path)?.map(seen))
}

/// Paths, and what was there. There are hundreds, and each hit reads them: names by their folders and one digest are a
/// tenth of the work of a record for each.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stamped {
    /// Files: a folder, and the names in it that are meant, separated by `/`, which no name has.
    names: Vec<(String, String)>,
    folders: Vec<String>,
    stamps: Sha,
    /// A digest of the files' paths, sizes and dates. A folder has no content of its own.
    pub identity: Sha,
}

impl Stamped {
    /// `paths`, of which none is a root, and what [`look`] saw there.
    pub fn of(paths: &[String], looked: &Looked) -> Self {
        let (mut names, mut folders): (Vec<(String, String)>, Vec<String>) = Default::default();
        let mut text = String::new();
        for (path, seen) in paths.iter().zip(looked) {
            if is_folder(seen) {
                folders.push(path.clone());
                continue;
            }
            let told = seen.map(|seen| seen.stamp.size_and_date());
            text.push_str(&format!("{path} {told:?}\n"));
            let (folder, name) = split(path);
            match names.last_mut().filter(|(last, _)| last == folder) {
                Some((_, joined)) => {
                    joined.push('/');
                    joined.push_str(name);
                }
                None => names.push((folder.to_string(), name.to_string())),
            }
        }
        let (of_folders, of_files): (Looked, Looked) = looked.iter().partition(|seen| is_folder(seen));
        Self { names, folders, stamps: digest([of_files, of_folders].concat()), identity: Sha::of(text.as_bytes()) }
    }

    /// Whether all is as it was.
    ///
    /// # Errors
    /// If one of them cannot be looked at.
    pub fn holds(&self, base: &Path) -> Result<bool> {
        let files = self.names.iter().flat_map(|(folder, names)| {
            let folder = base.join(folder);
            names.split('/').map(move |name| see(&folder.join(name)))
        });
        let looked = files.chain(self.folders.iter().map(|folder| see(&base.join(folder))));
        Ok(digest(looked.collect::<Result<_>>()?) == self.stamps)
    }

    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.names.iter().flat_map(|(folder, names)| names.split('/').map(move |name| Path::new(folder).join(name)))
    }
}

fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        Some(0) => ("/", &path[1..]),
        Some(at) => (&path[..at], &path[at + 1..]),
        None => ("", path),
    }
}

fn is_folder(seen: &Option<Seen>) -> bool {
    seen.is_some_and(|seen| seen.is_folder)
}

fn digest(looked: Looked) -> Sha {
    let mut bytes = Vec::new();
    for seen in looked {
        let Some(Seen { is_folder, mode, stamp: Stamp { size_bytes, mtime_ns, ctime_ns, inode } }) = seen else {
            bytes.push(b'-');
            continue;
        };
        bytes.push(if is_folder { b'd' } else { b'f' });
        bytes.extend(mode.to_le_bytes());
        for number in [size_bytes.to_le_bytes(), mtime_ns.to_le_bytes(), ctime_ns.to_le_bytes(), inode.to_le_bytes()] {
            bytes.extend(number);
        }
    }
    Sha::of(&bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sys::fs;

    #[test]
    fn what_is_not_read_is_known_by_its_stamp_and_that_of_what_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let write = |name: &str| fs::replace(&at(name), name.as_bytes(), 0o644, None).unwrap();
        ["lib/a", "lib/b", "one", "two", "other"].into_iter().for_each(write);
        symlink("one", at("between")).unwrap();
        symlink("between", at("link")).unwrap();
        let paths = ["lib", "lib/a", "lib/gone", "link", "other"].map(String::from);
        let record = || Stamped::of(&paths, &look(&paths, dir.path()).unwrap());
        let again = || fs::replace_by_link(&at("between"), Path::new("two")).unwrap();
        let changes: [&dyn Fn(); 5] =
            [&|| write("lib/a"), &|| write("lib/new"), &|| write("lib/gone"), &|| write("one"), &again];
        for (number, change) in changes.iter().enumerate() {
            let known = record();
            assert_eq!(known.files().collect::<Vec<_>>(), paths[1..].iter().map(PathBuf::from).collect::<Vec<_>>());
            assert!(known.holds(dir.path()).unwrap(), "{number}");
            change();
            assert!(!known.holds(dir.path()).unwrap(), "{number}");
        }
        let at_the_top = ["/none".into()];
        let known = Stamped::of(&at_the_top, &look(&at_the_top, dir.path()).unwrap());
        assert_eq!(known.files().next(), Some("/none".into()));
    }
}
