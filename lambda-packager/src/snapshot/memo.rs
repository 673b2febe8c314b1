//! A cached result of a slow program, with the files, variables and programs that it depends on.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::snapshot::programs::Programs;
use crate::snapshot::stamped::{Looked, Stamped, look};
use crate::snapshot::{Looks, Scope, Snapshot, take, unchanged};
use crate::sys::{PACKAGER, Sha, Stamp, env, fs};

/// The dependencies of a result. Paths are absolute, or relative to the base.
#[derive(Default)]
pub struct MemoDeps {
    pub files: Vec<String>,
    /// Folders. Only the names in them matter.
    pub folders: Vec<String>,
    /// Files and folders by their stamps alone: reading them would take too long.
    pub stamped: Vec<String>,
    /// Environment variables. Only digests of their values are stored.
    pub variables: Vec<String>,
    /// Programs. Their paths are compared, not `PATH`: cargo and rustup add folders to it.
    pub programs: Vec<String>,
}

/// A result on disk.
#[derive(Serialize, Deserialize)]
pub struct Memo<T> {
    packager: String,
    /// The inode of the file itself when it was written. A copy has another one. So a file that came with a checkout,
    /// which could make us read and mount any path, is not used.
    inode: u64,
    /// The home of the user who made it: it names files there, which another user may not even look at.
    home: Option<PathBuf>,
    /// The files and folders that the result depends on.
    pub files: Snapshot,
    /// Those that were not read.
    pub stamped: Stamped,
    variables: Vec<(String, Option<Sha>)>,
    programs: Programs,
    pub value: T,
}

impl<T: Serialize + DeserializeOwned> Memo<T> {
    /// The result in the file `path`, if it is still valid. `None` also if the file cannot be read.
    ///
    /// # Errors
    /// If a dependency exists but cannot be read: the slow program would report it as missing.
    pub fn load(path: &Path, base: &Path) -> Result<Option<Self>> {
        let Some(mut memo) = Self::read(path) else { return Ok(None) };
        let holds = memo.packager == PACKAGER
            && memo.home == env::home().ok()
            && memo.variables.iter().all(|(name, sha)| digest_of(name) == *sha)
            && memo.programs.holds();
        if !holds || !memo.stamped.holds(base)? {
            return Ok(None);
        }
        let names = memo.files.files.iter().map(|entry| entry.name.clone());
        let scope = Scope { files: names.collect(), ..Scope::default() };
        if unchanged::holds(&Looks::of_one(), &scope, base, &memo.files)? {
            if let Some(programs) = memo.programs.renewed() {
                memo.programs = programs;
                // If this fails, the next run is slower, but correct.
                let _ = memo.write(path);
            }
            return Ok(Some(memo));
        }
        // A stamp can change without the content, for example if a compiler gets a hard link, or if a file is as young as
        // this record. Store the new stamps, so that the next runs need not read the content again.
        let clock = path.parent().and_then(|folder| fs::clock_in(folder).ok());
        let now = take::take(&scope, base, Some(&memo.files), clock.unwrap_or_default())?;
        if !now.snapshot.changes_since(&memo.files).is_empty() {
            return Ok(None);
        }
        let mut memo = Self { files: now.snapshot, ..memo };
        if clock.is_some() {
            // If this fails, the next run is slower, but correct.
            let _ = memo.write(path);
        }
        Ok(Some(memo))
    }

    fn read(path: &Path) -> Option<Self> {
        let inode = Stamp::of(&fs::lstat(path).ok()??).inode;
        let memo: Self = serde_json::from_str(str::from_utf8(&fs::read_own(path).ok()??).ok()?).ok()?;
        (memo.inode == inode).then_some(memo)
    }

    /// Runs `run` and stores its result. `run` reads the dependencies at some moment in between. If one of them may have
    /// been written in between, it runs again; a result is stored once all dependencies are the same before and after.
    pub fn compute(mut run: impl FnMut() -> Result<Computed<T>>) -> Result<Self> {
        const TRIES: usize = 3;
        let mut before: Option<(Snapshot, Looked, Programs)> = None;
        for _ in 1..TRIES {
            let started_ns = fs::now_ns();
            let computed = run()?;
            let (now, looked, programs) = computed.look()?;
            let stamps =
                now.files.iter().map(|entry| &entry.stamp).chain(looked.iter().flatten().map(|seen| &seen.stamp));
            let untouched =
                programs.are_older_than(started_ns) && { stamps }.all(|stamp| stamp.is_older_than(started_ns));
            let is_same = |(files, stamps, found): (Snapshot, Looked, Programs)| {
                files.files == now.files && stamps == looked && found == programs
            };
            if untouched || before.is_some_and(is_same) {
                let path = computed.path.clone();
                let mut memo = computed.with(now, &looked, programs);
                memo.write(&path)?;
                return Ok(memo);
            }
            before = Some((now, looked, programs));
        }
        // Another process keeps writing. Use the result without storing it.
        let computed = run()?;
        let (now, looked, programs) = computed.look()?;
        Ok(computed.with(now, &looked, programs))
    }

    fn write(&mut self, path: &Path) -> Result<()> {
        let text = |inode| {
            self.inode = inode;
            let text = serde_json::to_vec(self)
                .map_err(|e| Error::config("cannot store the cached record of the workspace").source(e))?;
            Ok(text.into())
        };
        fs::Staged::write_with_inode(path, text, 0o644, None)?.commit()
    }
}

/// A result, its dependencies, and the path of its file.
pub struct Computed<T> {
    pub value: T,
    pub deps: MemoDeps,
    pub path: PathBuf,
    pub base: PathBuf,
}

impl<T: Serialize + DeserializeOwned> Computed<T> {
    /// The files and folders that it depends on, as they are now.
    fn files(&self) -> Result<Snapshot> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dirs(folder)?;
        let now = fs::clock_in(folder)?;
        let files = self.deps.files.iter().chain(&self.deps.folders).cloned().collect();
        Ok(take::take(&Scope { files, ..Scope::default() }, &self.base, None, now)?.snapshot)
    }

    /// All that it depends on, as it is now.
    fn look(&self) -> Result<(Snapshot, Looked, Programs)> {
        let programs = Programs::find(self.deps.programs.clone());
        Ok((self.files()?, look(&self.deps.stamped, &self.base)?, programs))
    }

    fn with(self, files: Snapshot, looked: &Looked, programs: Programs) -> Memo<T> {
        let Self { value, deps, .. } = self;
        let stamped = Stamped::of(&deps.stamped, looked);
        let variables = deps.variables.into_iter().map(|name| (name.clone(), digest_of(&name))).collect();
        let packager = PACKAGER.into();
        Memo { inode: 0, home: env::home().ok(), programs, packager, files, stamped, variables, value }
    }
}

fn digest_of(variable: &str) -> Option<Sha> {
    env::var_os(variable).map(|value| Sha::of(value.as_encoded_bytes()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_result_is_computed_again_if_a_dependency_changed_and_is_not_stored_if_that_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (path, input) = (dir.path().join("state/memo.json"), dir.path().join("input"));
        let runs = Cell::new(0);
        // Each run reads the input; in the first `writes` runs, the input is then changed.
        let compute = |writes: usize| {
            runs.set(0);
            Memo::compute(|| {
                let value = String::from_utf8(fs::read(&input).unwrap()).unwrap();
                if runs.get() < writes {
                    fs::replace(&input, format!("{value}+").as_bytes(), 0o644, None).unwrap();
                }
                runs.set(runs.get() + 1);
                let deps = MemoDeps { files: vec!["input".into()], ..MemoDeps::default() };
                Ok(Computed { value, deps, path: path.clone(), base: dir.path().into() })
            })
            .unwrap()
            .value
        };
        let known = || Memo::<String>::load(&path, dir.path()).unwrap().map(|memo| memo.value);
        fs::replace(&input, b"a", 0o644, None).unwrap();
        assert_eq!((compute(1).as_str(), runs.get()), ("a+", 2));
        assert_eq!(known().as_deref(), Some("a+"));
        assert_eq!((compute(9).as_str(), runs.get()), ("a+++", 3));
        assert_eq!(known(), None);
    }

    #[test]
    fn a_copy_of_the_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memo.json");
        let computed =
            || Ok(Computed { value: 7, deps: MemoDeps::default(), path: path.clone(), base: dir.path().into() });
        let known = || Memo::<i32>::load(&path, dir.path()).unwrap().map(|memo| memo.value);
        Memo::compute(computed).unwrap();
        assert_eq!(known(), Some(7));
        let copy = fs::read(&path).unwrap();
        fs::replace(&path, &copy, 0o644, None).unwrap();
        assert_eq!(known(), None);
    }

    #[test]
    fn what_another_user_left_is_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memo.json");
        // To look at what it depends on would be an error: no path has this character.
        let computed = Computed { value: 7, deps: MemoDeps::default(), path: path.clone(), base: dir.path().into() };
        let mut memo = computed.with(Snapshot::default(), &Vec::new(), Programs::default());
        memo.stamped = Stamped::of(&["a\0".to_string()], &vec![None]);
        memo.write(&path).unwrap();
        assert!(Memo::<i32>::load(&path, dir.path()).is_err());
        memo.home = Some("/home/another".into());
        memo.write(&path).unwrap();
        assert!(Memo::<i32>::load(&path, dir.path()).unwrap().is_none());
    }

    #[test]
    fn a_dependency_with_a_new_stamp_and_the_old_content_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, input) = (dir.path().join("state/memo.json"), dir.path().join("input"));
        fs::replace(&input, b"a", 0o644, None).unwrap();
        let deps = || MemoDeps { files: vec!["input".into()], ..MemoDeps::default() };
        Memo::compute(|| Ok(Computed { value: 7, deps: deps(), path: path.clone(), base: dir.path().into() })).unwrap();
        let known = || Memo::<i32>::load(&path, dir.path()).unwrap().map(|memo| memo.value);
        let stamp = || {
            let memo: Memo<i32> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            memo.files.files[0].stamp
        };
        let before = stamp();
        fs::replace(&input, b"a", 0o644, None).unwrap();
        assert_eq!(known(), Some(7));
        assert_ne!(stamp(), before);
        fs::replace(&input, b"b", 0o644, None).unwrap();
        assert_eq!(known(), None);
    }
}
