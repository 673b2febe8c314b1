//! A record of files: stamps to compare at once, digests to compare where a stamp moved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::snapshot::listing::{Rule, Tree};
use crate::snapshot::scope::Scope;
use crate::sys::fs::Stamp;
use crate::sys::sha256::Sha;

/// Begins the name of a file that decides what is listed and is by itself no input.
pub const RULE: &str = "./";

/// The state of a scope at one moment. Where nothing moved, two snapshots share what they hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// By the clock of the file system, before the first file was looked at.
    pub taken_at_ns: i64,
    pub trees: Arc<Vec<TreeRecord>>,
    pub files: Arc<Vec<Entry>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRecord {
    pub tree: Tree,
    pub folders: Vec<FolderRecord>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderRecord {
    /// Relative to the base.
    pub path: String,
    pub stamp: Stamp,
    /// Names in it that are no inputs by themselves: folders, and what is ignored.
    pub others: Vec<String>,
    pub files: Vec<Entry>,
}

/// A file, or the lack of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Entry {
    /// Its name in its folder, or its path where it stands alone.
    pub name: String,
    pub kind: Kind,
    pub stamp: Stamp,
    pub sha: Sha,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    #[serde(rename = "file")]
    File,
    #[serde(rename = "exec")]
    Executable,
    /// Its digest is over the path it holds, and the content that it leads to and whether that may be
    /// executed.
    #[serde(rename = "link")]
    Link,
    /// A link to a folder. Its digest is over the path it holds; the folder is listed by itself.
    #[serde(rename = "folder-link")]
    FolderLink,
    /// Its digest is over the names in it.
    #[serde(rename = "names")]
    Names,
    /// A socket, a pipe, a device: nothing to read.
    #[serde(rename = "other")]
    Other,
    #[serde(rename = "absent")]
    Absent,
}

impl Kind {
    /// What a fingerprint and a verdict call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Executable => "exec",
            Self::Link => "link",
            Self::FolderLink => "folder-link",
            Self::Names => "names",
            Self::Other => "other",
            Self::Absent => "absent",
        }
    }
}

impl Entry {
    pub fn state(&self) -> State {
        State { kind: self.kind, sha: self.sha }
    }
}

/// An entry on one line of JSON: name, kind, size, mtime, ctime, inode, digest.
type Row = (String, Kind, u64, i64, i64, u64, Sha);

impl From<Row> for Entry {
    fn from((name, kind, size_bytes, mtime_ns, ctime_ns, inode, sha): Row) -> Self {
        let stamp = Stamp { size_bytes, mtime_ns, ctime_ns, inode };
        Self { name, kind, stamp, sha }
    }
}

impl From<Entry> for Row {
    fn from(entry: Entry) -> Self {
        let Stamp { size_bytes, mtime_ns, ctime_ns, inode } = entry.stamp;
        (entry.name, entry.kind, size_bytes, mtime_ns, ctime_ns, inode, entry.sha)
    }
}

/// What changed between two snapshots.
#[derive(Debug)]
pub struct Change {
    /// Relative to the base.
    pub path: String,
    pub what: What,
    /// None where there was nothing.
    pub before: Option<State>,
    /// None where there is nothing any more.
    pub after: Option<State>,
}

/// What an input is, as far as the zip's bytes can depend on it.
#[derive(Debug, Clone, Copy)]
pub struct State {
    pub kind: Kind,
    pub sha: Sha,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.sha)
    }
}

#[derive(Debug)]
pub enum What {
    Added,
    Removed,
    Content,
    /// Whether it may be executed.
    Mode,
}

impl TreeRecord {
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for folder in &self.folders {
            paths.extend(folder.files.iter().map(|entry| folder.path_of(entry)));
        }
        paths
    }

    /// What is recorded as in this tree and cannot be: folders elsewhere, names that lead elsewhere.
    pub fn astray(&self) -> impl Iterator<Item = &str> {
        let inner = |path: &str| Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let below = move |path: &str| match path.strip_prefix(self.tree.path.as_str()) {
            Some("") => true,
            Some(rest) if self.tree.path.is_empty() => inner(rest),
            Some(rest) => rest.strip_prefix('/').is_some_and(inner),
            None => false,
        };
        let name = move |name: &str| !name.contains('/') && inner(name);
        self.folders.iter().flat_map(move |folder| {
            let folder_itself = Some(folder.path.as_str()).filter(|path| !below(path));
            let names = folder.files.iter().map(|entry| entry.name.as_str());
            folder_itself.into_iter().chain(names.filter(move |text| !name(text)))
        })
    }

    pub fn folder(&self, path: &str) -> Option<&FolderRecord> {
        // Listed in the order of their paths.
        let at = self.folders.binary_search_by(|folder| folder.path.as_str().cmp(path)).ok()?;
        self.folders.get(at)
    }
}

impl FolderRecord {
    pub fn path_of(&self, entry: &Entry) -> String {
        join(&self.path, &entry.name)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}

impl Snapshot {
    /// Every file that exists, with its path relative to the base, in a fixed order.
    pub fn present(&self) -> Vec<(String, &Entry)> {
        let mut all = Vec::new();
        for folder in self.trees.iter().flat_map(|record| &record.folders) {
            all.extend(folder.files.iter().map(|entry| (folder.path_of(entry), entry)));
        }
        let alone = self.files.iter().filter(|entry| !entry.name.starts_with(RULE));
        all.extend(alone.map(|entry| (entry.name.clone(), entry)));
        all.retain(|(_, entry)| entry.kind != Kind::Absent);
        all
    }

    /// Every entry by its path, absent ones left out; a file in two trees counts once.
    fn by_path(&self) -> BTreeMap<String, &Entry> {
        let mut entries = BTreeMap::new();
        for (path, entry) in self.present() {
            entries.insert(path, entry);
        }
        entries
    }

    /// What differs in content from `before`.
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        if self.trees == before.trees && self.files == before.files {
            return Vec::new();
        }
        let (old, new) = (before.by_path(), self.by_path());
        let mut changes = Vec::new();
        for (path, after) in &new {
            let what = match old.get(path) {
                None => What::Added,
                Some(before) if before.sha != after.sha => What::Content,
                Some(before) if before.kind != after.kind => What::Mode,
                Some(_) => continue,
            };
            let before = old.get(path).map(|entry| entry.state());
            changes.push(Change { path: path.clone(), what, before, after: Some(after.state()) });
        }
        for (path, before) in &old {
            if !new.contains_key(path) {
                let before = Some(before.state());
                changes.push(Change { path: path.clone(), what: What::Removed, before, after: None });
            }
        }
        changes
    }

    /// The paths of `scope` that were written between `before` and now, its repetition.
    pub fn moved_since(&self, before: &Self, scope: &Scope) -> Vec<String> {
        let (old, new) = (before.by_path(), self.by_path());
        let known = |tree: &Tree| before.trees.iter().any(|record| record.tree == *tree);
        let looked_for: BTreeSet<String> = (self.trees.iter().filter(|record| known(&record.tree)))
            .flat_map(TreeRecord::paths)
            .chain(before.files.iter().map(|entry| entry.name.clone()))
            .collect();
        let written = new.iter().filter(|(path, entry)| match old.get(*path) {
            // What was written within one tick of a coarse clock shows in the content only.
            Some(before) => before.stamp != entry.stamp || before.kind != entry.kind || before.sha != entry.sha,
            None if looked_for.contains(*path) => true,
            // Looked at for the first time, it may still be as it was.
            None => entry.stamp.ctime_ns >= before.taken_at_ns,
        });
        let in_trees = before.trees.iter().filter(|record| scope.trees.contains(&record.tree));
        let alone = before.files.iter().map(|entry| &entry.name).filter(|name| scope.files.contains(*name));
        let asked_again: BTreeSet<String> = in_trees.flat_map(TreeRecord::paths).chain(alone.cloned()).collect();
        let removed = old.keys().filter(|path| asked_again.contains(*path) && !new.contains_key(*path));
        written.map(|(path, _)| path).chain(removed).cloned().collect()
    }

    /// What a watcher of mtimes has to watch: whole folders where all in them is an input, so that
    /// an added file is seen; elsewhere each file.
    pub fn watch_list(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for record in self.trees.iter() {
            let names =
                |folder: &FolderRecord| folder.others.iter().map(|name| join(&folder.path, name)).collect::<Vec<_>>();
            let mut whole = BTreeSet::new();
            // Sorted by path, what is in a folder comes after it.
            for folder in record.folders.iter().rev() {
                if names(folder).iter().all(|name| whole.contains(name)) {
                    whole.insert(folder.path.clone());
                }
            }
            for folder in &record.folders {
                let covered =
                    Path::new(&folder.path).ancestors().skip(1).any(|above| whole.contains(&*above.to_string_lossy()));
                if covered {
                    continue;
                }
                if whole.contains(&folder.path) {
                    paths.push(folder.path.clone());
                } else {
                    paths.extend(folder.files.iter().map(|entry| folder.path_of(entry)));
                }
            }
        }
        let alone = self.files.iter().filter(|entry| entry.kind != Kind::Absent);
        paths.extend(alone.map(|entry| entry.name.clone()));
        paths
    }

    /// The paths of all files that packages are listed with. Folders that a build script named are
    /// left out: they are extras themselves.
    pub fn paths_in_trees(&self) -> BTreeSet<String> {
        let packages = self.trees.iter().filter(|record| record.tree.rule == Rule::Package);
        packages.flat_map(TreeRecord::paths).collect()
    }
}
