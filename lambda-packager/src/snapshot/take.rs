//! Takes a snapshot. A folder is listed and a file is read only if the previous snapshot has no valid entry for it.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::snapshot::probe::is_executable;
use crate::snapshot::{
    Entry, FolderRecord, Kind, ListedFolder, Looks, RULE, Rule, Scope, Snapshot, Tree, TreeRecord, listing, parallel,
    unchanged,
};
use crate::sys::{Sha, fs};

/// A snapshot, and whether it needed more than stamps.
pub struct Taken {
    pub snapshot: Snapshot,
    /// The next check is faster if this snapshot is stored in place of the previous one.
    pub worth_keeping: bool,
}

const NO_SHA: Sha = Sha([0; 32]);

/// Records all of `scope`, below `base`. A file with the same stamp as in `previous` is not read again, if it was old
/// enough then.
pub fn take(scope: &Scope, base: &Path, previous: Option<&Snapshot>, taken_at_ns: i64) -> Result<Taken> {
    take_with(&Looks::of_one(), scope, base, previous, taken_at_ns)
}

/// The same as one of several snapshots, each of which began before the first of `looks`.
pub fn take_with(
    looks: &Looks,
    scope: &Scope,
    base: &Path,
    previous: Option<&Snapshot>,
    taken_at_ns: i64,
) -> Result<Taken> {
    if let Some(previous) = previous
        && unchanged::holds(looks, scope, base, previous)?
    {
        return Ok(Taken { snapshot: Snapshot { taken_at_ns, ..previous.clone() }, worth_keeping: false });
    }
    // A change of the ignore rules changes the listings, though no name changed.
    let listed = match previous {
        Some(snapshot) if !ignore_rules_changed(looks, scope, snapshot, base)? => previous,
        _ => None,
    };
    let taken = look(looks, scope, base, previous, listed, taken_at_ns)?;
    match listed {
        Some(listed) if folders_changed(&taken.snapshot, listed) => {
            look(looks, scope, base, previous, None, taken_at_ns)
        }
        _ => Ok(taken),
    }
}

/// Whether a file became a folder, or a link now leads to another folder. Then the names are the same, but not the
/// listing.
fn folders_changed(now: &Snapshot, listed: &Snapshot) -> bool {
    let folders = |snapshot: &Snapshot| -> Vec<(String, Kind, u64)> {
        let trees = snapshot.trees.iter().filter(|record| now.trees.iter().any(|other| other.tree == record.tree));
        let files =
            trees.flat_map(|record| &record.folders).flat_map(|folder| folder.files.iter().map(move |e| (folder, e)));
        let files = files.filter(|(_, entry)| matches!(entry.kind, Kind::FolderLink | Kind::Names));
        files.map(|(folder, entry)| (folder.path_of(entry), entry.kind, entry.stamp.inode)).collect()
    };
    folders(now) != folders(listed)
}

/// Records everything. Uses the listings of `listed` that are still valid.
fn look(
    looks: &Looks,
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
        let kept =
            before.map(|(record, taken_at_ns)| still_lists(looks, record, base, taken_at_ns)).transpose()?.flatten();
        let listing = match kept {
            Some((listing, had_to_read)) => {
                listed_again |= had_to_read;
                listing
            }
            None => listing::list(tree, base, &scope.excluded, &scope.packages)?,
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
    let entries = examine_all(looks, &jobs, base, trusted_before_ns)?;
    let mut worth_keeping = listed_again || entries.iter().any(|(_, read)| *read);
    drop(jobs);

    let mut entries = entries.into_iter().map(|(entry, _)| entry);
    let trees = listings.into_iter().map(|(tree, listing)| {
        let folders = listing.into_iter().map(|folder| {
            let ListedFolder { path, stamp, others, files } = folder;
            FolderRecord { path, stamp, others, files: entries.by_ref().take(files.len()).collect() }
        });
        TreeRecord { tree: tree.clone(), folders: folders.collect() }
    });
    let trees = Arc::new(trees.collect());
    let snapshot = Snapshot { taken_at_ns, trees, files: Arc::new(entries.collect()) };
    worth_keeping |=
        previous.is_none_or(|previous| previous.trees != snapshot.trees || previous.files != snapshot.files);
    Ok(Taken { snapshot, worth_keeping })
}

fn ignore_rules_changed(looks: &Looks, scope: &Scope, previous: &Snapshot, base: &Path) -> Result<bool> {
    // Other files have rules now. Those of another user are not even looked at.
    let rules = scope.files.iter().filter(|name| is_ignore_rule(name));
    if !rules.eq(previous.files.iter().map(|entry| &entry.name).filter(|name| is_ignore_rule(name))) {
        return Ok(true);
    }
    let folders = previous.trees.iter().flat_map(|record| &record.folders);
    let in_folders = folders.flat_map(|folder| folder.files.iter().map(|entry| (folder.path.as_str(), entry)));
    let alone = previous.files.iter().map(|entry| ("", entry));
    for (folder, entry) in in_folders.chain(alone).filter(|(_, entry)| is_ignore_rule(&entry.name)) {
        let now = looks.seen(&base.join(folder).join(&entry.name))?;
        // A file as young as the record may have changed without a new stamp.
        if now != (entry.kind, entry.stamp)
            || (entry.kind != Kind::Absent && !entry.stamp.is_older_than(previous.taken_at_ns))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this file decides what git ignores.
fn is_ignore_rule(name: &str) -> bool {
    name.starts_with(RULE)
        || name.strip_suffix(".gitignore").is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// The recorded listing with the current stamps, and whether a folder had to be read. `None` if a folder has other names
/// in it.
fn still_lists(
    looks: &Looks,
    record: &TreeRecord,
    base: &Path,
    taken_at_ns: i64,
) -> Result<Option<(Vec<ListedFolder>, bool)>> {
    let mut had_to_read = false;
    let mut listing = Vec::with_capacity(record.folders.len());
    for folder in &record.folders {
        let path = base.join(&folder.path);
        let Some(stamp) = looks.folder(&path)? else { return Ok(None) };
        if stamp != folder.stamp || !stamp.is_older_than(taken_at_ns) {
            let mut names: Vec<&str> = folder.files.iter().map(|entry| entry.name.as_str()).collect();
            names.extend(folder.others.iter().map(String::as_str));
            names.sort_unstable();
            had_to_read = true;
            // A file that does not match may have become a folder of the same name, in which some do.
            if matches!(record.tree.rule, Rule::Matching(_)) {
                return Ok(None);
            }
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

fn examine_all(looks: &Looks, jobs: &[Job], base: &Path, trusted_before_ns: i64) -> Result<Vec<(Entry, bool)>> {
    let pieces: Vec<&[Job]> = jobs.chunks(parallel::PIECE).collect();
    let parts = parallel::map(&pieces, jobs.len(), |piece| {
        piece.iter().map(|job| examine(looks, job, base, trusted_before_ns)).collect::<Result<Vec<_>>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// The entry of one file, and whether it had to be read.
fn examine(looks: &Looks, job: &Job, base: &Path, trusted_before_ns: i64) -> Result<(Entry, bool)> {
    let path = base.join(job.folder).join(job.name);
    let entry = |kind, stamp, sha| Entry { name: job.name.to_string(), kind, stamp, sha };
    let (kind, stamp) = looks.seen(&path)?;
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
    let sha = looks.sha(&path, || read(&path, kind))?;
    Ok((entry(kind, stamp, sha), true))
}

/// The digest of what is at a path.
fn read(path: &Path, kind: Kind) -> Result<Sha> {
    Ok(match kind {
        Kind::Link => {
            let mut content = fs::read_link(path)?.into_os_string().into_encoded_bytes();
            if let Some(target) = fs::stat(path)?.filter(Metadata::is_file) {
                content.extend([0, u8::from(is_executable(&target))]);
                content.extend(fs::sha_of_file(path)?.0);
            }
            Sha::of(&content)
        }
        Kind::FolderLink => Sha::of(fs::read_link(path)?.as_os_str().as_encoded_bytes()),
        Kind::Names => Sha::of(fs::raw_names_in(path)?.join(OsStr::new("\0")).as_encoded_bytes()),
        _ => fs::sha_of_file(path)?,
    })
}

/// The entry `name` in a list sorted by name.
fn find<'a>(files: &'a [Entry], name: &str) -> Option<&'a Entry> {
    let at = files.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
    files.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::probe::seen;
    use crate::sys::Stamp;

    /// A second after now.
    fn later(folder: &Path) -> i64 {
        fs::clock_in(folder).unwrap() + 1_000_000_000
    }

    #[test]
    fn a_snapshot_is_valid_until_one_of_many_files_folders_or_single_paths_changes() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let base = dir.path();
        for index in 0..1500 {
            let folder = base.join(format!("tree/{}", index / 300));
            fs::create_dirs(&folder).unwrap();
            fs::create(&folder.join(index.to_string())).unwrap();
        }
        let alone = outside.path().join("alone");
        let scope = Scope {
            trees: vec![Tree::new("tree", Rule::Everything)],
            // A relative name after an absolute one still starts at the base.
            files: vec![alone.to_string_lossy().into_owned(), "beside".into()],
            ..Scope::default()
        };
        let look = || take(&scope, base, None, later(base)).unwrap().snapshot;
        let recorded = look();
        assert!(unchanged::holds(&Looks::of_one(), &scope, base, &recorded).unwrap());
        let too_young = Snapshot { taken_at_ns: fs::clock_in(base).unwrap() - 1_000_000_000, ..recorded.clone() };
        assert!(!unchanged::holds(&Looks::of_one(), &scope, base, &too_young).unwrap());
        let narrower = Scope { files: vec!["beside".into()], ..Scope::default() };
        assert!(!unchanged::holds(&Looks::of_one(), &narrower, base, &recorded).unwrap());
        for moved in [base.join("tree/4/1499"), base.join("tree/2/new"), base.join("beside"), alone] {
            let recorded = look();
            fs::replace(&moved, b"xy", 0o644, None).unwrap();
            assert!(!unchanged::holds(&Looks::of_one(), &scope, base, &recorded).unwrap(), "{}", moved.display());
        }
    }

    #[test]
    fn several_snapshots_look_at_a_file_once_and_read_it_once() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        let write = |name: &str, text: &str| fs::replace(&base.join(name), text.as_bytes(), 0o644, None).unwrap();
        write("shared/a", "before");
        write("top", "before");
        let trees = vec![Tree::new("shared", Rule::Everything)];
        let scope = Scope { trees, files: vec!["top".into()], ..Scope::default() };
        let look = |looks: &Looks| take_with(looks, &scope, base, None, 0).unwrap().snapshot;
        let (several, one) = (Looks::of_several(), Looks::of_one());
        let first = look(&several);
        // What was looked at again would be seen.
        write("shared/a", "after, and longer");
        write("top", "after, and longer");
        let second = look(&several);
        assert!(second.changes_since(&first).is_empty());
        assert_eq!(second.by_path(), first.by_path());
        assert_eq!(look(&one).changes_since(&first).len(), 2);
    }

    #[test]
    fn an_entry_is_reused_only_if_its_stamp_is_the_same_and_old_enough() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        fs::replace(&base.join("a"), b"a", 0o644, None).unwrap();
        let (kind, stamp) = seen(&base.join("a")).unwrap();
        // A digest that no content has shows whether the file was read.
        let before = Entry { name: "a".into(), kind, stamp, sha: NO_SHA };
        let read = |before: Entry, trusted_before_ns| {
            let job = Job { folder: "", name: "a", before: Some(&before) };
            let (entry, read) = examine(&Looks::of_one(), &job, base, trusted_before_ns).unwrap();
            assert_eq!(entry.sha, if read { Sha::of(b"a") } else { NO_SHA });
            read
        };
        assert!(!read(before.clone(), later(base)));
        assert!(read(before.clone(), stamp.ctime_ns));
        assert!(read(Entry { kind: Kind::Executable, ..before.clone() }, later(base)));
        assert!(read(Entry { stamp: Stamp { inode: 0, ..stamp }, ..before }, later(base)));
    }

    #[test]
    fn ignore_rules_are_known_by_their_whole_name() {
        let rules = [".gitignore", "a/.gitignore", "./../.git/index", "a.gitignore", "gitignore", "../.git/index"];
        assert_eq!(rules.map(is_ignore_rule), [true, true, true, false, false, false]);
    }

    #[test]
    fn a_file_below_a_glob_is_seen_when_it_comes_and_goes_and_other_globs_make_another_listing() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        let write = |name: &str| fs::replace(&base.join(name), b"", 0o644, None).unwrap();
        ["web/a.css", "web/a.js", "web/deep/b.css"].iter().for_each(|name| write(name));
        let scope = |pattern: &str, exclude: &[&str]| {
            let exclude: Vec<String> = exclude.iter().map(|pattern| pattern.to_string()).collect();
            let tree = Tree::new("web", Rule::Matching(pattern.into())).without(&exclude);
            Scope { trees: vec![tree], ..Scope::default() }
        };
        let files = |scope: &Scope, previous: Option<&Snapshot>| {
            let snapshot = take(scope, base, previous, later(base)).unwrap().snapshot;
            let paths: Vec<String> = snapshot.present().into_iter().map(|(path, _)| path).collect();
            (paths.join(" "), snapshot)
        };
        let styles = scope("web/**/*.css", &[]);
        let (paths, first) = files(&styles, None);
        assert_eq!(paths, "web/a.css web/deep/b.css");
        assert!(unchanged::holds(&Looks::of_one(), &styles, base, &first).unwrap());
        write("web/deep/c.css");
        assert!(!unchanged::holds(&Looks::of_one(), &styles, base, &first).unwrap());
        let (paths, second) = files(&styles, Some(&first));
        assert_eq!(paths, "web/a.css web/deep/b.css web/deep/c.css");
        // A name that matched nothing becomes a folder that holds a match.
        fs::remove_tree(&base.join("web/a.js")).unwrap();
        write("web/a.js/d.css");
        assert_eq!(files(&styles, Some(&second)).0, "web/a.css web/a.js/d.css web/deep/b.css web/deep/c.css");
        fs::remove_tree(&base.join("web/a.js")).unwrap();
        write("web/a.js");
        fs::remove_tree(&base.join("web/deep/b.css")).unwrap();
        let (paths, third) = files(&styles, Some(&second));
        assert_eq!(paths, "web/a.css web/deep/c.css");
        for (other, expected) in [
            (scope("web/*.css", &[]), "web/a.css"),
            (scope("web/**/*.css", &["web/deep"]), "web/a.css"),
            (scope("web/**", &[]), "web/a.css web/a.js web/deep/c.css"),
        ] {
            assert!(!unchanged::holds(&Looks::of_one(), &other, base, &third).unwrap());
            assert_eq!(files(&other, Some(&third)).0, expected);
        }
    }
}
