//! A record of files: stamps to compare at once, digests to compare where a stamp moved.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Component, Path};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::listing::{self, ListedFolder, Tree};
use super::{spread, unchanged};
use crate::error::Result;
use crate::fs::{self, Sha, Stamp};

/// What to look at: whole trees, and single files that may or may not exist.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub trees: Vec<Tree>,
    /// Relative to the base, or absolute. A folder here stands for the names in it.
    pub files: Vec<String>,
    /// Absolute paths that are no inputs wherever they lie: the target directory, the zip.
    pub excluded: Vec<std::path::PathBuf>,
}

/// The state of a scope at one moment. Where nothing moved, two snapshots share what they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// By the clock of the file system, before the first file was looked at.
    pub taken_at_ns: i64,
    pub trees: Arc<Vec<TreeRecord>>,
    pub files: Arc<Vec<Entry>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreeRecord {
    pub tree: Tree,
    pub folders: Vec<FolderRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FolderRecord {
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
pub(crate) struct Entry {
    /// Its name in its folder, or its path where it stands alone.
    pub name: String,
    pub kind: Kind,
    pub stamp: Stamp,
    pub sha: Sha,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
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

const NO_STAMP: Stamp = Stamp { size_bytes: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };
const NO_SHA: Sha = Sha([0; 32]);

/// What changed between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Relative to the base.
    pub path: String,
    pub what: What,
    pub before: Option<Sha>,
    pub after: Option<Sha>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Added,
    Removed,
    Content,
    /// Whether it may be executed.
    Mode,
}

/// A snapshot, and whether taking it meant to look further than at stamps.
#[derive(Debug)]
pub(crate) struct Taken {
    pub snapshot: Snapshot,
    /// The next gate will be faster if this snapshot is kept instead of the previous one.
    pub worth_keeping: bool,
}

/// Looks at all of `scope`, below `base`. What has the stamp of `previous`, and had it long enough
/// then, is not read again.
pub(crate) fn take(scope: &Scope, base: &Path, previous: Option<&Snapshot>, taken_at_ns: i64) -> Result<Taken> {
    if let Some(previous) = previous
        && unchanged::holds(scope, base, previous)?
    {
        return Ok(Taken { snapshot: Snapshot { taken_at_ns, ..previous.clone() }, worth_keeping: false });
    }
    // Other rules of what to ignore make other listings, though no name changed.
    let listed = match previous {
        Some(snapshot) if !ignore_rules_moved(snapshot, base)? => previous,
        _ => None,
    };
    let taken = look(scope, base, previous, listed, taken_at_ns)?;
    match listed {
        Some(listed) if leads_elsewhere(&taken.snapshot, listed) => look(scope, base, previous, None, taken_at_ns),
        _ => Ok(taken),
    }
}

/// Whether a name that was no folder has become one, or a link leads to another folder, or to one only
/// now: then the same names are another listing.
fn leads_elsewhere(now: &Snapshot, listed: &Snapshot) -> bool {
    let folders = |snapshot: &Snapshot| -> BTreeMap<String, (Kind, u64)> {
        let trees = snapshot.trees.iter().filter(|record| now.trees.iter().any(|other| other.tree == record.tree));
        let files =
            trees.flat_map(|record| &record.folders).flat_map(|folder| folder.files.iter().map(move |e| (folder, e)));
        let files = files.filter(|(_, entry)| matches!(entry.kind, Kind::FolderLink | Kind::Names));
        files.map(|(folder, entry)| (folder.path_of(entry), (entry.kind, entry.stamp.inode))).collect()
    };
    folders(now) != folders(listed)
}

/// Looks at everything, by the listings of `listed` where those still hold.
fn look(
    scope: &Scope,
    base: &Path,
    previous: Option<&Snapshot>,
    listed: Option<&Snapshot>,
    taken_at_ns: i64,
) -> Result<Taken> {
    let mut listings: Vec<(&Tree, Vec<ListedFolder>)> = Vec::new();
    let mut listed_again = false;
    for tree in &scope.trees {
        let before = listed.and_then(|snapshot| {
            let record = snapshot.trees.iter().find(|record| record.tree == *tree)?;
            Some((record, snapshot.taken_at_ns))
        });
        let kept = match before {
            Some((record, taken_at_ns)) => still_lists(record, base, taken_at_ns)?,
            None => None,
        };
        let listing = match kept {
            Some((listing, had_to_read)) => {
                listed_again |= had_to_read;
                listing
            }
            None => listing::list(tree, base, &scope.excluded)?,
        };
        listings.push((tree, listing));
    }

    let mut jobs = Vec::new();
    for (tree, listing) in &listings {
        let before = previous.and_then(|snapshot| snapshot.trees.iter().find(|record| record.tree == **tree));
        for folder in listing {
            let before = before.and_then(|record| record.folder(&folder.path));
            for name in &folder.files {
                let before = before.and_then(|folder| find(&folder.files, name));
                jobs.push(Job { folder: &folder.path, name, before });
            }
        }
    }
    for path in &scope.files {
        let before = previous.and_then(|snapshot| snapshot.files.iter().find(|entry| entry.name == *path));
        jobs.push(Job { folder: "", name: path, before });
    }
    let trusted_before_ns = previous.map_or(0, |snapshot| snapshot.taken_at_ns);
    let entries = examine_all(&jobs, base, trusted_before_ns)?;
    let mut worth_keeping = listed_again || entries.iter().any(|(_, read)| *read);
    drop(jobs);

    let mut entries = entries.into_iter().map(|(entry, _)| entry);
    let trees = listings.into_iter().map(|(tree, listing)| {
        let folders = listing.into_iter().map(|folder| {
            let count = folder.files.len();
            FolderRecord {
                path: folder.path,
                stamp: folder.stamp,
                others: folder.others,
                files: entries.by_ref().take(count).collect(),
            }
        });
        TreeRecord { tree: tree.clone(), folders: folders.collect() }
    });
    let trees = Arc::new(trees.collect());
    let snapshot = Snapshot { taken_at_ns, trees, files: Arc::new(entries.collect()) };
    worth_keeping |=
        previous.is_none_or(|previous| previous.trees != snapshot.trees || previous.files != snapshot.files);
    Ok(Taken { snapshot, worth_keeping })
}

fn ignore_rules_moved(previous: &Snapshot, base: &Path) -> Result<bool> {
    let folders = previous.trees.iter().flat_map(|record| &record.folders);
    let in_folders = folders.flat_map(|folder| folder.files.iter().map(|entry| (folder.path.as_str(), entry)));
    let alone = previous.files.iter().map(|entry| ("", entry));
    for (folder, entry) in in_folders.chain(alone).filter(|(_, entry)| is_ignore_rule(&entry.name)) {
        let now = seen(&base.join(folder).join(&entry.name))?;
        // One as young as the record may say something else under the same stamp.
        if now != (entry.kind, entry.stamp)
            || (entry.kind != Kind::Absent && !entry.stamp.is_older_than(previous.taken_at_ns))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Begins the name of a file that decides what is listed and is by itself no input.
pub(super) const RULE: &str = "./";

/// Whether git is told by this file what to ignore.
fn is_ignore_rule(name: &str) -> bool {
    [".gitignore", ".git/info/exclude"]
        .iter()
        .any(|rule| name.strip_suffix(rule).is_some_and(|before| before.is_empty() || before.ends_with('/')))
}

/// The recorded listing with its stamps of now, if every folder still has the same names in it, and
/// whether it took more than stamps to know.
fn still_lists(record: &TreeRecord, base: &Path, taken_at_ns: i64) -> Result<Option<(Vec<ListedFolder>, bool)>> {
    let mut had_to_read = false;
    let mut listing = Vec::with_capacity(record.folders.len());
    for folder in &record.folders {
        let path = base.join(&folder.path);
        let Some(meta) = fs::stat(&path)?.filter(std::fs::Metadata::is_dir) else {
            return Ok(None);
        };
        let stamp = Stamp::of(&meta);
        if stamp != folder.stamp || !stamp.is_older_than(taken_at_ns) {
            let mut names: Vec<&str> = folder.files.iter().map(|entry| entry.name.as_str()).collect();
            names.extend(folder.others.iter().map(String::as_str));
            names.sort_unstable();
            had_to_read = true;
            let mut now: Vec<String> = fs::raw_names_in(&path)?.into_iter().map(listing::lossy).collect();
            now.sort_unstable();
            if now != names {
                return Ok(None);
            }
        }
        listing.push(ListedFolder {
            path: folder.path.clone(),
            stamp,
            others: folder.others.clone(),
            files: folder.files.iter().map(|entry| entry.name.clone()).collect(),
        });
    }
    Ok(Some((listing, had_to_read)))
}

struct Job<'a> {
    folder: &'a str,
    name: &'a str,
    before: Option<&'a Entry>,
}

fn examine_all(jobs: &[Job], base: &Path, trusted_before_ns: i64) -> Result<Vec<(Entry, bool)>> {
    let pieces: Vec<&[Job]> = jobs.chunks(spread::PIECE).collect();
    let parts = spread::map(&pieces, jobs.len(), |piece| {
        piece.iter().map(|job| examine(job, base, trusted_before_ns)).collect::<Result<Vec<_>>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// The entry of one file, and whether it had to be read.
fn examine(job: &Job, base: &Path, trusted_before_ns: i64) -> Result<(Entry, bool)> {
    let path = base.join(job.folder).join(job.name);
    let entry = |kind, stamp, sha| Entry { name: job.name.to_string(), kind, stamp, sha };
    let (kind, stamp) = seen(&path)?;
    if matches!(kind, Kind::Absent | Kind::Other) {
        return Ok((entry(kind, stamp, NO_SHA), false));
    }
    if let Some(before) = job.before
        && before.kind == kind
        && before.stamp == stamp
        && stamp.is_older_than(trusted_before_ns)
    {
        return Ok((entry(kind, stamp, before.sha), false));
    }
    let sha = match kind {
        Kind::Link => {
            let mut content = fs::read_link(&path)?.into_os_string().into_encoded_bytes();
            if let Some(target) = fs::stat(&path)?.filter(Metadata::is_file) {
                content.extend([0, u8::from(is_executable(&target))]);
                content.extend(fs::sha_of_file(&path)?.0);
            }
            Sha::of(&content)
        }
        Kind::FolderLink => Sha::of(fs::read_link(&path)?.as_os_str().as_encoded_bytes()),
        Kind::Names => Sha::of(fs::raw_names_in(&path)?.join(OsStr::new("\0")).as_encoded_bytes()),
        _ => fs::sha_of_file(&path)?,
    };
    Ok((entry(kind, stamp, sha), true))
}

/// What is there, without reading it.
pub(super) fn seen(path: &Path) -> Result<(Kind, Stamp)> {
    let Some(meta) = fs::lstat(path)? else {
        return Ok((Kind::Absent, NO_STAMP));
    };
    let stamp = Stamp::of(&meta);
    Ok(if meta.is_file() {
        (if is_executable(&meta) { Kind::Executable } else { Kind::File }, stamp)
    } else if meta.is_dir() {
        (Kind::Names, stamp)
    } else if meta.is_symlink() {
        match fs::stat(path)? {
            Some(target) if target.is_dir() => (Kind::FolderLink, stamp_of_link(stamp, Stamp::of(&target))),
            Some(target) => (Kind::Link, stamp_of_link(stamp, Stamp::of(&target))),
            None => (Kind::Link, stamp),
        }
    } else {
        (Kind::Other, stamp)
    })
}

fn is_executable(meta: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o111 != 0
}

/// A stamp that moves when the link does and when what it leads to does.
fn stamp_of_link(link: Stamp, target: Stamp) -> Stamp {
    Stamp {
        size_bytes: target.size_bytes,
        mtime_ns: target.mtime_ns,
        ctime_ns: link.ctime_ns.max(target.ctime_ns),
        inode: link.inode.rotate_left(32) ^ target.inode,
    }
}

/// The entry `name` in a list sorted by name.
fn find<'a>(files: &'a [Entry], name: &str) -> Option<&'a Entry> {
    let at = files.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
    files.get(at)
}

impl TreeRecord {
    fn paths(&self) -> impl Iterator<Item = String> {
        self.folders.iter().flat_map(|folder| folder.files.iter().map(|entry| folder.path_of(entry)))
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

    fn folder(&self, path: &str) -> Option<&FolderRecord> {
        // Listed in the order of their paths.
        let at = self.folders.binary_search_by(|folder| folder.path.as_str().cmp(path)).ok()?;
        self.folders.get(at)
    }
}

impl FolderRecord {
    fn path_of(&self, entry: &Entry) -> String {
        join(&self.path, &entry.name)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}

impl Snapshot {
    /// Every file that exists, with its path relative to the base, in a fixed order.
    pub fn present(&self) -> impl Iterator<Item = (String, &Entry)> {
        let in_trees = self
            .trees
            .iter()
            .flat_map(|record| &record.folders)
            .flat_map(|folder| folder.files.iter().map(|entry| (folder.path_of(entry), entry)));
        let alone = self.files.iter().filter(|entry| !entry.name.starts_with(RULE));
        let alone = alone.map(|entry| (entry.name.clone(), entry));
        in_trees.chain(alone).filter(|(_, entry)| entry.kind != Kind::Absent)
    }

    /// Every entry by its path, absent ones left out; a file in two trees counts once.
    fn by_path(&self) -> std::collections::BTreeMap<String, &Entry> {
        self.present().collect()
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
            let before = old.get(path).map(|entry| entry.sha);
            changes.push(Change { path: path.clone(), what, before, after: Some(after.sha) });
        }
        for (path, before) in &old {
            if !new.contains_key(path) {
                changes.push(Change { path: path.clone(), what: What::Removed, before: Some(before.sha), after: None });
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
        let packages = self.trees.iter().filter(|record| record.tree.rule == listing::Rule::Package);
        let folders = packages.flat_map(|record| &record.folders);
        folders.flat_map(|folder| folder.files.iter().map(|entry| folder.path_of(entry))).collect()
    }
}
