//! Where programs are on `PATH`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sys::{Stamp, env, fs};

/// Programs by name, and where each was found.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Programs {
    found: Vec<(String, Option<PathBuf>)>,
    /// The folders of `PATH`, as they were when the programs were looked for: while they have the same names, the same
    /// programs are found in them. Without any, they are looked for again each time: dozens of names in each folder.
    folders: Vec<(PathBuf, Option<Stamp>)>,
}

impl Programs {
    pub fn find(names: Vec<String>) -> Self {
        if names.is_empty() {
            return Self::default();
        }
        let now_ns = fs::now_ns();
        let folders: Vec<_> = env::program_folders().into_iter().map(with_stamp).collect();
        let found: Vec<_> = names.into_iter().map(with_path).collect();
        let is_known = |(folder, stamp): &(PathBuf, Option<Stamp>)| {
            folder.is_absolute() && folder.to_str().is_some() && stamp.is_none_or(|stamp| stamp.is_older_than(now_ns))
        };
        // What is there and is no program may become one without a new name: with another mode, or where a link leads to.
        let hides_one = |(name, path): &(String, Option<PathBuf>)| {
            let mut before =
                folders.iter().map(|(folder, _)| folder.join(name)).take_while(|at| path.as_ref() != Some(at));
            before.any(|at| !fs::lstat(&at).is_ok_and(|meta| meta.is_none()))
        };
        let is_told_by_names = folders.iter().all(is_known) && !found.iter().any(hides_one);
        Self { found, folders: if is_told_by_names { folders } else { Vec::new() } }
    }

    /// Whether each is found where it was.
    pub fn holds(&self) -> bool {
        self.folders_hold() || self.found.iter().all(|(name, path)| env::find_program(name) == *path)
    }

    /// The same as they are found now, if other names came to the same folders: they tell it again then.
    pub fn renewed(&self) -> Option<Self> {
        let now = env::program_folders();
        let is_same = !self.folders.is_empty() && now.iter().eq(self.folders.iter().map(|(folder, _)| folder));
        let find = || Self::find(self.found.iter().map(|(name, _)| name.clone()).collect());
        (is_same && !self.folders_hold()).then(find).filter(|now| now.found == self.found && !now.folders.is_empty())
    }

    fn folders_hold(&self) -> bool {
        let now = env::program_folders().into_iter().map(with_stamp);
        !self.folders.is_empty() && now.eq(self.folders.iter().cloned())
    }

    /// Whether nothing came to a folder of `PATH` since then: what was found was there then.
    pub fn are_older_than(&self, started_ns: i64) -> bool {
        let is_older =
            |(_, stamp): &(PathBuf, Option<Stamp>)| stamp.is_none_or(|stamp| stamp.is_older_than(started_ns));
        self.found.is_empty() || (!self.folders.is_empty() && self.folders.iter().all(is_older))
    }
}

fn with_stamp(folder: PathBuf) -> (PathBuf, Option<Stamp>) {
    let stamp = fs::stat(&folder).ok().flatten().map(|meta| Stamp::of(&meta));
    (folder, stamp)
}

fn with_path(name: String) -> (String, Option<PathBuf>) {
    let path = env::find_program(&name);
    (name, path)
}
