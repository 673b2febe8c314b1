//! The record of the sources that stand beside a target directory, so that only what changed is sent to it, and so that
//! cargo, which compares dates, sees what changed in content. A file has the date of the compile that saw this content at
//! this place for the first time; if the content comes back, the date comes back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cargo::LockedPackage;
use crate::compile::places::{Places, State, Stored};
use crate::error::Result;
use crate::sys::{Sha, Stamp, fs};

/// What was sent until now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The last compile. The target directory has the same name, unless it was used without this record.
    pub name: String,
    /// The folder of the workspace there. A copy of a checkout has the record of the other one.
    pub workspace: String,
    /// How many compiles there were.
    pub count: u32,
    pub places: Places,
    /// For each local package the digest of all that its compile may read without telling cargo.
    pub packages: BTreeMap<String, Stored>,
    /// States as of the last compile: for each target, profile and local package with a build script what its compile may
    /// read, as of the last one with this profile: of what is older, nothing was left there; of each package that may be
    /// compiled where it is; and of each file that was read elsewhere.
    pub states: BTreeMap<String, Stored>,
}

const FORMAT: &[u8] = b"4";

/// What the keys of packages of git repositories begin with.
const COMMIT: &str = "commit ";

/// What the keys of files begin with that are elsewhere on this machine.
const OUTSIDE: &str = "outside ";

impl Sent {
    /// The record at `path` for sources at `workspace`; none if there is none that can be read: then everything is sent again.
    pub fn load(path: &Path, workspace: &str) -> Option<Self> {
        let bytes = fs::read_own(path).ok()??;
        let mut reader = Reader(&bytes);
        if reader.text()?.as_bytes() != FORMAT {
            return None;
        }
        let (name, at) = (reader.text()?.to_string(), reader.text()?.to_string());
        let count = reader.number()?;
        let (packages, states) = (reader.map()?, reader.map()?);
        let places = Places::of(reader.entries()?);
        let sent = Self { name, workspace: at, count, places, packages, states };
        (reader.0.is_empty() && sent.workspace == workspace).then_some(sent)
    }

    /// Records the commits of those of `packages` that are of git repositories; whether one is another than in the last compile
    /// with it. Where the record is `lost`, any may be.
    pub fn set_commits(&mut self, packages: &[LockedPackage], lost: bool) -> bool {
        let mut is_other = false;
        for LockedPackage { name, source, .. } in packages {
            let Some((repository, commit)) = source.strip_prefix("git+").and_then(|source| source.split_once('#'))
            else {
                continue;
            };
            let state = State::of(b'g', Sha::of(commit.as_bytes()));
            let stored = Stored { state, since: self.count, is_there: true };
            is_other |= match self.states.insert(format!("{COMMIT}{name} {repository}"), stored) {
                Some(was) => was.state != state,
                None => lost,
            };
        }
        is_other
    }

    /// Records the files at `paths`, and those in folders there, which a compile may read elsewhere on this machine: cargo
    /// knows some of them, and by their dates alone. What is known already stays as it was.
    pub fn add_outside<'a>(&mut self, paths: impl Iterator<Item = &'a Path>) {
        let mut queue: Vec<PathBuf> = paths.map(Path::to_path_buf).collect();
        while let Some(path) = queue.pop() {
            // A link in such a folder may lead back.
            let is_real = fs::lstat(&path).is_ok_and(|meta| meta.is_some_and(|meta| meta.is_dir()));
            if is_real {
                queue.extend(fs::names_in(&path).unwrap_or_default().iter().map(|name| path.join(name)));
            } else if let Some(key) = path.to_str().map(|path| format!("{OUTSIDE}{path}")) {
                let stored = || Stored { state: stamped(&path), since: self.count, is_there: true };
                self.states.entry(key).or_insert_with(stored);
            }
        }
    }

    /// Whether any of these files changed; all are forgotten then, since what was made of them has to go.
    pub fn forget_outside(&mut self) -> bool {
        let of_path = |key: &str| Some(stamped(Path::new(key.strip_prefix(OUTSIDE)?)));
        let is_changed =
            self.states.iter().any(|(key, stored)| of_path(key).is_some_and(|state| state != stored.state));
        if is_changed {
            self.states.retain(|key, _| !key.starts_with(OUTSIDE));
        }
        is_changed
    }

    /// Stores it at `path`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn store(&self, path: &Path) -> Result<()> {
        /// The usual length of a path.
        const PLACE_BYTES: usize = 64;
        let mut bytes = Vec::with_capacity(self.places.len() * (PLACE_BYTES + size_of::<Stored>()));
        for text in [FORMAT, self.name.as_bytes(), self.workspace.as_bytes()] {
            bytes.extend_from_slice(text);
            bytes.push(0);
        }
        bytes.extend(self.count.to_le_bytes());
        let add = |bytes: &mut Vec<u8>, place: &str, Stored { state, since, is_there }: &Stored| {
            bytes.extend([state.kind, u8::from(*is_there)]);
            for part in [&state.sha.0[..], &since.to_le_bytes(), place.as_bytes(), b"\0"] {
                bytes.extend_from_slice(part);
            }
        };
        for packages in [&self.packages, &self.states] {
            bytes.extend((packages.len() as u32).to_le_bytes());
            packages.iter().for_each(|(package, stored)| add(&mut bytes, package, stored));
        }
        bytes.extend((self.places.len() as u32).to_le_bytes());
        self.places.iter().for_each(|(place, stored)| add(&mut bytes, place, stored));
        fs::replace_cache(path, &bytes)
    }
}

/// The state of a file by size and date: reading headers of the machine at each compile would take too long.
fn stamped(path: &Path) -> State {
    let told = fs::stat(path).ok().flatten().map(|meta| Stamp::of(&meta).size_and_date());
    State::of(b'o', Sha::of(format!("{told:?}").as_bytes()))
}

/// Takes one thing after another from the front; `None` if it is not there.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self) -> Option<&'a str> {
        let end = memchr::memchr(0, self.0)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        str::from_utf8(text).ok()
    }

    fn map(&mut self) -> Option<BTreeMap<String, Stored>> {
        Some(self.entries()?.into_iter().map(|(name, stored)| (name.to_string(), stored)).collect())
    }

    fn entries(&mut self) -> Option<Vec<(&'a str, Stored)>> {
        let count = self.number()?;
        let entry = |_| {
            let ([kind, is_there], sha, since) = (self.bytes()?, self.bytes()?, self.number()?);
            let stored = Stored { state: State { kind, sha: Sha(sha) }, since, is_there: is_there == 1 };
            Some((self.text()?, stored))
        };
        (0..count).map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(content: u8) -> State {
        State::of(b'f', Sha([content; 32]))
    }

    #[test]
    fn another_commit_of_a_repository_is_noticed_and_another_crate_is_none() {
        let package = |name: &str, source: &str| LockedPackage {
            name: name.into(),
            version: "1.0.0".into(),
            source: source.into(),
            checksum: None,
        };
        let of_git = |commit: &str| package("a", &format!("git+https://example.invalid/a?branch=main#{commit}"));
        let mut sent = Sent::default();
        assert!(!sent.set_commits(&[of_git("0123")], false));
        assert!(!sent.set_commits(&[of_git("0123"), package("b", "registry+https://example.invalid/index")], false));
        assert!(!sent.set_commits(&[], false));
        assert!(sent.set_commits(&[of_git("4567")], false));
        assert!(Sent::default().set_commits(&[of_git("4567")], true));
    }

    #[test]
    fn a_file_elsewhere_that_changed_is_noticed_once_whatever_its_date() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::replace(&folder.path().join(name), text.as_bytes(), 0o644, Some(std::time::UNIX_EPOCH)).unwrap();
        };
        write("include/deep/a.h", "1");
        write("cc", "1");
        let mut sent = Sent::default();
        let add = |sent: &mut Sent| {
            sent.add_outside(["include", "cc"].map(|name| folder.path().join(name)).iter().map(|path| &**path))
        };
        add(&mut sent);
        assert!(!sent.forget_outside() && sent.states.len() == 2);
        for name in ["include/deep/a.h", "cc"] {
            write(name, "another one");
            add(&mut sent);
            assert!(sent.forget_outside() && sent.states.is_empty(), "{name}");
            add(&mut sent);
            assert!(!sent.forget_outside(), "{name}");
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent");
        assert_eq!(Sent::load(&path, "/workspace"), None);
        let stored = |is_there| Stored { state: state(1), since: 3, is_there };
        let sent = Sent {
            name: "n".into(),
            workspace: "/workspace".into(),
            count: 4,
            places: Places::of(vec![("/workspace/a b\nc", stored(true)), ("/gone", stored(false))]),
            packages: [("/workspace".into(), stored(true))].into(),
            states: [("x release /workspace".into(), stored(true))].into(),
        };
        sent.store(&path).unwrap();
        assert_eq!(Sent::load(&path, "/workspace"), Some(sent));
        assert_eq!(Sent::load(&path, "/elsewhere"), None);
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::replace(&path, &whole[..end], 0o644, None).unwrap();
            let read = Sent::load(&path, "/workspace");
            assert_eq!(read, None, "{end}");
        }
    }
}
