//! A record of files: stamps for a fast comparison, and digests for files whose stamp changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer, ser};

use crate::snapshot::listing::join;
use crate::snapshot::{Rule, Tree};
use crate::sys::{Sha, Stamp};

/// The prefix of the name of a file that decides what is listed and is not an input itself.
pub const RULE: &str = "./";

/// The state of a scope at one moment. If nothing changed, two snapshots share their content.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// By the clock of the file system, before the first file was examined.
    pub taken_at_ns: i64,
    pub trees: Arc<Vec<TreeRecord>>,
    pub files: Arc<Vec<Entry>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRecord {
    pub tree: Tree,
    pub folders: Vec<FolderRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderRecord {
    /// Relative to the base.
    pub path: String,
    #[serde(serialize_with = "on_one_line")]
    pub stamp: Stamp,
    /// Names in it that are not inputs themselves: folders and ignored files.
    #[serde(serialize_with = "on_one_line")]
    pub others: Vec<String>,
    pub files: Vec<Entry>,
}

/// A file, or a path where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Row")]
pub struct Entry {
    /// Its name in its folder. For a single file, its path.
    pub name: String,
    pub kind: Kind,
    pub stamp: Stamp,
    pub sha: Sha,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    File,
    #[serde(rename = "exec")]
    Executable,
    /// A link to a file. Its digest is over the path in it, the content of the file, and whether the file is executable.
    Link,
    /// A link to a folder. Its digest is over the path in it. The folder is listed separately.
    FolderLink,
    /// A folder. Its digest is over the names in it.
    Names,
    /// A socket, a pipe or a device. It is not read.
    Other,
    Absent,
}

/// As in a fingerprint and in a verdict.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

impl Entry {
    pub fn state(&self) -> State {
        State { kind: self.kind, sha: self.sha }
    }
}

/// An entry as one line of JSON: name, kind, size, mtime, ctime, inode, digest.
type Row = (String, Kind, u64, i64, i64, u64, Sha);

impl From<Row> for Entry {
    fn from((name, kind, size_bytes, mtime_ns, ctime_ns, inode, sha): Row) -> Self {
        let stamp = Stamp { size_bytes, mtime_ns, ctime_ns, inode };
        Self { name, kind, stamp, sha }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Stamp { size_bytes, mtime_ns, ctime_ns, inode } = self.stamp;
        on_one_line(&(&self.name, self.kind, size_bytes, mtime_ns, ctime_ns, inode, self.sha), serializer)
    }
}

/// Writes one line also in pretty JSON, so that people can read a manifest and a diff can show its files.
fn on_one_line<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::value::to_raw_value(value).map_err(ser::Error::custom)?.serialize(serializer)
}

/// The properties of an input that the zip's bytes can depend on.
#[derive(Debug, Clone, Copy)]
pub struct State {
    pub kind: Kind,
    pub sha: Sha,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.sha)
    }
}

impl TreeRecord {
    pub fn paths(&self) -> Vec<String> {
        let paths = self.folders.iter().flat_map(|folder| folder.files.iter().map(|entry| folder.path_of(entry)));
        paths.collect()
    }

    /// Recorded paths that are not in this tree: folders outside of it, and names that lead out of their folder.
    pub fn foreign_paths(&self) -> impl Iterator<Item = &str> {
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
        // The folders are in the order of their paths.
        let at = self.folders.binary_search_by(|folder| folder.path.as_str().cmp(path)).ok()?;
        self.folders.get(at)
    }
}

impl FolderRecord {
    pub fn path_of(&self, entry: &Entry) -> String {
        join(&self.path, &entry.name)
    }
}

impl Snapshot {
    /// All that is in any of them.
    pub fn of_all<'a>(snapshots: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut snapshots = snapshots.into_iter();
        let first = snapshots.next().cloned().unwrap_or_default();
        snapshots.fold(first, |all, other| {
            if Arc::ptr_eq(&all.trees, &other.trees) && Arc::ptr_eq(&all.files, &other.files) {
                return all;
            }
            let trees: BTreeMap<&Tree, &TreeRecord> =
                all.trees.iter().chain(other.trees.iter()).map(|record| (&record.tree, record)).collect();
            let files: BTreeMap<&str, &Entry> =
                all.files.iter().chain(other.files.iter()).map(|entry| (entry.name.as_str(), entry)).collect();
            Self {
                taken_at_ns: all.taken_at_ns,
                trees: Arc::new(trees.into_values().cloned().collect()),
                files: Arc::new(files.into_values().cloned().collect()),
            }
        })
    }

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

    /// The file `path`, if it exists.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let in_trees = self.trees.iter().filter_map(|record| record.folder(folder));
        let mut found = in_trees.flat_map(|folder| &folder.files).filter(|entry| entry.name == name);
        let entry = found.next().or_else(|| self.files.iter().find(|entry| entry.name == path))?;
        Some(entry).filter(|entry| entry.kind != Kind::Absent)
    }

    /// The paths for a watcher of mtimes, which looks at everything in a folder: a whole folder if no folder in it is left
    /// out, so that an added file is seen, even if a file is left out; otherwise each file.
    pub fn watch_list(&self, is_dir: impl Fn(&str) -> bool) -> Vec<String> {
        let mut paths = Vec::new();
        let mut whole = BTreeSet::new();
        // A package in a package is a tree of its own. Sorted by path, a folder comes before its subfolders.
        let mut folders: Vec<&FolderRecord> = self.trees.iter().flat_map(|record| &record.folders).collect();
        folders.sort_by(|a, b| a.path.cmp(&b.path));
        for folder in folders.into_iter().rev() {
            let mut names = folder.others.iter().map(|name| join(&folder.path, name));
            if names.all(|name| whole.contains(&name) || !is_dir(&name)) {
                whole.insert(folder.path.clone());
            }
        }
        for record in self.trees.iter() {
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

    /// The paths of all files in packages and beside them. Folders that a build script named are left out: they are discovered inputs.
    pub fn paths_in_trees(&self) -> BTreeSet<String> {
        let listed = self.trees.iter().filter(|record| record.tree.rule != Rule::Everything);
        listed.flat_map(TreeRecord::paths).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn entry(name: &str, kind: Kind, content: &str, ctime_ns: i64) -> Entry {
        let stamp = Stamp { size_bytes: 1, mtime_ns: 1, ctime_ns, inode: 1 };
        Entry { name: name.into(), kind, stamp, sha: Sha::of(content.as_bytes()) }
    }

    pub fn tree(folders: &[(&str, &[&str], Vec<Entry>)]) -> TreeRecord {
        let folder = |(path, others, files): &(&str, &[&str], Vec<Entry>)| FolderRecord {
            path: path.to_string(),
            stamp: Stamp { size_bytes: 1, mtime_ns: 1, ctime_ns: 1, inode: 1 },
            others: others.iter().map(|name| name.to_string()).collect(),
            files: files.clone(),
        };
        let tree = Tree::new(folders[0].0, Rule::Package);
        TreeRecord { tree, folders: folders.iter().map(folder).collect() }
    }

    pub fn snapshot(trees: Vec<TreeRecord>, files: Vec<Entry>) -> Snapshot {
        Snapshot { taken_at_ns: 100, trees: Arc::new(trees), files: Arc::new(files) }
    }

    #[test]
    fn whole_folders_are_watched_where_everything_is_an_input() {
        let file = |name: &str| entry(name, Kind::File, "", 1);
        let record = tree(&[
            ("p", &["src", "target"], vec![file("Cargo.toml")]),
            ("p/src", &["bin"], vec![file("main.rs")]),
            ("p/src/bin", &[".ignored"], vec![file("x.rs")]),
        ]);
        let all = snapshot(vec![record], vec![file("Cargo.lock"), entry("none", Kind::Absent, "", 1)]);
        let folders = ["p/src", "p/target", "p/src/bin"];
        assert_eq!(all.watch_list(|name| folders.contains(&name)), ["p/Cargo.toml", "p/src", "Cargo.lock"]);
        assert_eq!(Vec::from_iter(all.paths_in_trees()), ["p/Cargo.toml", "p/src/bin/x.rs", "p/src/main.rs"]);
        // A package in another one is an input too, and something may come beside it.
        let outer = tree(&[("p", &["inner"], vec![file("Cargo.toml")])]);
        let inner = tree(&[("p/inner", &[], vec![file("Cargo.toml")])]);
        let both = snapshot(vec![outer, inner], Vec::new());
        assert_eq!(both.watch_list(|name| name == "p/inner"), ["p"]);
    }

    #[test]
    fn a_file_is_found_by_its_path_if_it_exists() {
        let file = |name: &str| entry(name, Kind::File, name, 1);
        let record = tree(&[("p", &["src"], vec![file("Cargo.toml")]), ("p/src", &[], vec![file("main.rs")])]);
        let all = snapshot(vec![record], vec![file("Cargo.lock"), file("q/x"), entry("none", Kind::Absent, "", 1)]);
        for (path, name) in [("p/Cargo.toml", "Cargo.toml"), ("p/src/main.rs", "main.rs"), ("q/x", "q/x")] {
            assert_eq!(all.get(path), Some(&file(name)), "{path}");
        }
        assert!(["none", "main.rs", "p/src", "p/src/none", "q"].iter().all(|path| all.get(path).is_none()));
    }

    #[test]
    fn paths_that_lead_out_of_their_tree_are_found() {
        let bad = ["../x", "a/b", "/etc/passwd", ".."].map(|name| entry(name, Kind::File, "", 1));
        let record =
            tree(&[("p", &[], vec![]), ("p/../q", &[], bad.to_vec()), ("pq", &[], vec![]), ("p/q", &[], vec![])]);
        let found: Vec<_> = record.foreign_paths().collect();
        assert_eq!(found, ["p/../q", "../x", "a/b", "/etc/passwd", "..", "pq"]);
    }
}
