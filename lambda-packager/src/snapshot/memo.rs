//! Something learned once by asking a slow program, and what must stay as it is for it to hold.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::snapshot::record::Snapshot;
use crate::snapshot::scope::Scope;
use crate::snapshot::{take, unchanged};
use crate::sys::fs::Stamp;
use crate::sys::sha256::Sha;
use crate::sys::{env, fs};

/// What a fact depends on; paths are absolute or relative to the base.
#[derive(Default)]
pub struct Guard {
    pub files: Vec<String>,
    /// Folders by the names in them.
    pub folders: Vec<String>,
    /// Environment variables by a digest of their values.
    pub variables: Vec<String>,
    /// Programs by where they are found. `PATH` itself says less: cargo and rustup add to it.
    pub programs: Vec<String>,
}

/// A fact on disk.
#[derive(Serialize, Deserialize)]
pub struct Memo<T> {
    packager: String,
    /// Its own, as it was written: one that came with a checkout, to make us read and mount what its
    /// author likes, has another.
    inode: u64,
    guards: Snapshot,
    variables: Vec<(String, Option<Sha>)>,
    programs: Vec<(String, Option<PathBuf>)>,
    value: T,
}

impl<T: Serialize + DeserializeOwned> Memo<T> {
    /// What is remembered at `path`, if it still holds. Anything unreadable counts as forgotten.
    ///
    /// # Errors
    /// Where something that it depends on is there and cannot be read: who is asked instead would say
    /// that it is missing.
    pub fn load(path: &Path, base: &Path) -> Result<Option<T>> {
        let Some(facts) = Self::read(path) else { return Ok(None) };
        let holds = facts.packager == env!("CARGO_PKG_VERSION")
            && facts.variables.iter().all(|(name, sha)| digest_of(name) == *sha)
            && facts.programs.iter().all(|(name, path)| env::find_program(name) == *path);
        if !holds {
            return Ok(None);
        }
        let names = facts.guards.files.iter().map(|entry| entry.name.clone());
        let scope = Scope { files: names.collect(), ..Scope::default() };
        if unchanged::holds(&scope, base, &facts.guards)? {
            return Ok(Some(facts.value));
        }
        // Stamps move without content: a compiler that gained a hard link, a file as young as this record.
        // Kept under its new stamps, it is not read again by every run from here on.
        let clock = path.parent().and_then(|folder| fs::clock_in(folder).ok());
        let now = take::take(&scope, base, Some(&facts.guards), clock.unwrap_or_default())?;
        if !now.snapshot.changes_since(&facts.guards).is_empty() {
            return Ok(None);
        }
        let mut facts = Self { guards: now.snapshot, ..facts };
        if clock.is_some() {
            // Where it cannot be written, it stays as slow as it is.
            let _ = facts.write(path);
        }
        Ok(Some(facts.value))
    }

    fn read(path: &Path) -> Option<Self> {
        let inode = Stamp::of(&fs::lstat(path).ok()??).inode;
        let facts: Self = serde_json::from_str(str::from_utf8(&fs::read_own(path).ok()??).ok()?).ok()?;
        (facts.inode == inode).then_some(facts)
    }

    /// Asks, and remembers the answer where `ask` says. What is asked reads the guards itself, at some
    /// moment in between: if one may have been written meanwhile, it is asked again, and an answer
    /// counts once all guards are the same before and after it.
    pub fn compute(mut ask: impl FnMut() -> Result<Computed<T>>) -> Result<T> {
        const TRIES: usize = 3;
        let mut before: Option<Snapshot> = None;
        for _ in 1..TRIES {
            let started_ns = now_ns();
            let learned = ask()?;
            let guards = learned.guards()?;
            let untouched = guards.files.iter().all(|entry| entry.stamp.is_older_than(started_ns));
            if untouched || before.is_some_and(|before| before.files == guards.files) {
                return learned.store(guards);
            }
            before = Some(guards);
        }
        // Somebody goes on writing: this holds for now, and the next run asks again.
        Ok(ask()?.value)
    }

    fn write(&mut self, path: &Path) -> Result<()> {
        let text = |inode| {
            self.inode = inode;
            let text = serde_json::to_vec(self)
                .map_err(|e| Error::config("cannot store what was remembered about the workspace").source(e))?;
            Ok(text.into())
        };
        fs::Staged::write_knowing(path, text, 0o644, None)?.commit()
    }
}

/// An answer, what it depends on, and where it is kept.
pub struct Computed<T> {
    pub value: T,
    pub guard: Guard,
    pub path: PathBuf,
    pub base: PathBuf,
}

impl<T: Serialize + DeserializeOwned> Computed<T> {
    fn guards(&self) -> Result<Snapshot> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dirs(folder)?;
        let now = fs::clock_in(folder)?;
        let files = self.guard.files.iter().chain(&self.guard.folders).cloned().collect();
        Ok(take::take(&Scope { files, ..Scope::default() }, &self.base, None, now)?.snapshot)
    }

    fn store(self, guards: Snapshot) -> Result<T> {
        let Self { value, guard, path, .. } = self;
        let variables = guard.variables.into_iter().map(|name| (name.clone(), digest_of(&name))).collect();
        let programs = guard.programs.into_iter().map(|name| (name.clone(), env::find_program(&name))).collect();
        let packager = env!("CARGO_PKG_VERSION").into();
        let mut facts = Memo { inode: 0, programs, packager, guards, variables, value };
        facts.write(&path)?;
        Ok(facts.value)
    }
}

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

fn digest_of(variable: &str) -> Option<Sha> {
    env::var_os(variable).map(|value| Sha::of(value.as_encoded_bytes()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_answer_that_a_guard_outran_is_asked_for_again_and_then_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (path, guard) = (dir.path().join("state/facts.json"), dir.path().join("guard"));
        let asked = Cell::new(0);
        // What is asked reads the guard, and then somebody writes it, as often as `writes` says.
        let learn = |writes: usize| {
            asked.set(0);
            Memo::compute(|| {
                let value = String::from_utf8(fs::read(&guard).unwrap()).unwrap();
                if asked.get() < writes {
                    fs::replace(&guard, format!("{value}+").as_bytes(), 0o644, None).unwrap();
                }
                asked.set(asked.get() + 1);
                let guard = Guard { files: vec!["guard".into()], ..Guard::default() };
                Ok(Computed { value, guard, path: path.clone(), base: dir.path().into() })
            })
            .unwrap()
        };
        fs::replace(&guard, b"a", 0o644, None).unwrap();
        assert_eq!((learn(1).as_str(), asked.get()), ("a+", 2));
        assert_eq!(Memo::<String>::load(&path, dir.path()).unwrap().as_deref(), Some("a+"));
        assert_eq!((learn(9).as_str(), asked.get()), ("a+++", 3));
        assert_eq!(Memo::<String>::load(&path, dir.path()).unwrap(), None);
    }

    #[test]
    fn a_copy_is_no_fact_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("facts.json");
        let learned =
            || Ok(Computed { value: 7, guard: Guard::default(), path: path.clone(), base: dir.path().into() });
        Memo::compute(learned).unwrap();
        assert_eq!(Memo::<i32>::load(&path, dir.path()).unwrap(), Some(7));
        let copy = fs::read(&path).unwrap();
        fs::replace(&path, &copy, 0o644, None).unwrap();
        assert_eq!(Memo::<i32>::load(&path, dir.path()).unwrap(), None);
    }

    #[test]
    fn a_guard_with_a_new_stamp_and_the_old_content_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, guard) = (dir.path().join("state/facts.json"), dir.path().join("guard"));
        fs::replace(&guard, b"a", 0o644, None).unwrap();
        let guards = || Guard { files: vec!["guard".into()], ..Guard::default() };
        Memo::compute(|| Ok(Computed { value: 7, guard: guards(), path: path.clone(), base: dir.path().into() }))
            .unwrap();
        let stamp = || {
            let facts: Memo<i32> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            facts.guards.files[0].stamp
        };
        let before = stamp();
        fs::replace(&guard, b"a", 0o644, None).unwrap();
        assert_eq!(Memo::<i32>::load(&path, dir.path()).unwrap(), Some(7));
        assert_ne!(stamp(), before);
        fs::replace(&guard, b"b", 0o644, None).unwrap();
        assert_eq!(Memo::<i32>::load(&path, dir.path()).unwrap(), None);
    }
}
