//! The differences between two snapshots.

use std::collections::{BTreeMap, BTreeSet};

use crate::snapshot::{Entry, Scope, Snapshot, State, Tree, TreeRecord};

/// A difference between two snapshots.
#[derive(Debug)]
pub struct Change {
    /// Relative to the base.
    pub path: String,
    pub what: What,
    /// `None` if there was no file.
    pub before: Option<State>,
    /// `None` if there is no file any more.
    pub after: Option<State>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum What {
    Added,
    Removed,
    Content,
    /// The file became executable, or stopped being executable.
    Mode,
}

impl Snapshot {
    /// Every existing entry by its path. A file in two trees counts once.
    pub fn by_path(&self) -> BTreeMap<String, &Entry> {
        self.present().into_iter().collect()
    }

    /// The differences in content from `before`.
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

    /// The paths of `scope` that were written since `before`; `self` is the later snapshot.
    pub fn moved_since(&self, before: &Self, scope: &Scope) -> Vec<String> {
        let (old, new) = (before.by_path(), self.by_path());
        let known = |tree: &Tree| before.trees.iter().any(|record| record.tree == *tree);
        let looked_for: BTreeSet<String> = (self.trees.iter().filter(|record| known(&record.tree)))
            .flat_map(TreeRecord::paths)
            .chain(before.files.iter().map(|entry| entry.name.clone()))
            .collect();
        let written = new.iter().filter(|(path, entry)| match old.get(*path) {
            // If a file was written within one tick of a coarse clock, only its content differs.
            Some(before) => before.stamp != entry.stamp || before.kind != entry.kind || before.sha != entry.sha,
            None if looked_for.contains(*path) => true,
            // It was not examined before; its ctime shows whether it was written since.
            None => entry.stamp.ctime_ns >= before.taken_at_ns,
        });
        let in_trees = before.trees.iter().filter(|record| scope.trees.contains(&record.tree));
        let alone = before.files.iter().map(|entry| &entry.name).filter(|name| scope.files.contains(*name));
        let asked_again: BTreeSet<String> = in_trees.flat_map(TreeRecord::paths).chain(alone.cloned()).collect();
        let removed = old.keys().filter(|path| asked_again.contains(*path) && !new.contains_key(*path));
        written.map(|(path, _)| path).chain(removed).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::record::tests::{entry, snapshot, tree};
    use crate::snapshot::{Kind, Rule};

    #[test]
    fn differences_by_kind_content_and_stamp() {
        use Kind::{Absent, Executable, File};
        let trees = vec![Tree::new("p", Rule::Package)];
        let scope = Scope { trees, files: vec!["alone".into()], ..Scope::default() };
        type State = Option<(Kind, &'static str, i64)>;
        // Before, after, the change in content, and whether the file was written since.
        let cases: [(State, State, Option<What>, bool); 10] = [
            (Some((File, "a", 1)), Some((File, "a", 1)), None, false),
            (Some((File, "a", 1)), Some((File, "a", 2)), None, true),
            (Some((File, "a", 1)), Some((File, "b", 1)), Some(What::Content), true),
            (Some((File, "a", 1)), Some((Executable, "a", 2)), Some(What::Mode), true),
            (Some((File, "a", 1)), Some((Executable, "b", 2)), Some(What::Content), true),
            (Some((File, "a", 1)), Some((Absent, "", 0)), Some(What::Removed), true),
            (Some((File, "a", 1)), None, Some(What::Removed), true),
            (Some((Absent, "", 0)), Some((File, "a", 1)), Some(What::Added), true),
            (None, Some((File, "a", 99)), Some(What::Added), false),
            (None, Some((File, "a", 100)), Some(What::Added), true),
        ];
        for (before, after, change, written) in cases {
            let of = |state: State| state.map(|(kind, content, ctime)| entry("alone", kind, content, ctime));
            let [old, new] = [before, after].map(|state| snapshot(vec![], Vec::from_iter(of(state))));
            let changes: Vec<What> = new.changes_since(&old).into_iter().map(|change| change.what).collect();
            assert_eq!(changes, Vec::from_iter(change), "{before:?} -> {after:?}");
            assert_eq!(!new.moved_since(&old, &scope).is_empty(), written, "{before:?} -> {after:?}");
        }
        // In a tree that was recorded before, a new file was not there, whatever its ctime says.
        let in_tree = |files| snapshot(vec![tree(&[("p", &[], files)])], vec![]);
        let (old, new) = (in_tree(vec![]), in_tree(vec![entry("x", File, "a", 1)]));
        assert_eq!(new.moved_since(&old, &scope), ["p/x"]);
        assert_eq!(old.moved_since(&new, &scope), ["p/x"]);
    }
}
