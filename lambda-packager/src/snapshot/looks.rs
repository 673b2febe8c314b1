//! What a run saw of each path: however many snapshots it takes, a file is looked at once and read once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::snapshot::Kind;
use crate::snapshot::probe::seen;
use crate::sys::{Sha, Stamp, fs};

/// Enough that threads seldom wait for each other.
const SHARDS: usize = 64;

/// The looks at files, shared by the snapshots that are given them. A snapshot may begin before the first of these looks, but
/// not after it: a file that changes in between has another stamp than it had then, which the next check sees.
pub struct Looks(Option<Shared>);

struct Shared {
    hasher: RandomState,
    shards: [Mutex<HashMap<PathBuf, Arc<Mutex<Look>>>>; SHARDS],
}

/// What was found out about a path so far.
#[derive(Default)]
struct Look {
    seen: Option<(Kind, Stamp)>,
    /// Of a folder, behind links; `None` if it is none.
    folder: Option<Option<Stamp>>,
    sha: Option<Sha>,
}

impl Looks {
    /// For one snapshot, which looks at no path twice: nothing is remembered.
    pub fn of_one() -> Self {
        Self(None)
    }

    /// For several snapshots.
    pub fn of_several() -> Self {
        Self(Some(Shared { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }))
    }

    /// The kind and the stamp of a path.
    pub fn seen(&self, path: &Path) -> Result<(Kind, Stamp)> {
        self.once(path, |look| &mut look.seen, || seen(path))
    }

    /// The stamp of a folder, or of that to which a link leads; `None` if there is none.
    pub fn folder(&self, path: &Path) -> Result<Option<Stamp>> {
        let stat = || Ok(fs::stat(path)?.filter(std::fs::Metadata::is_dir).as_ref().map(Stamp::of));
        self.once(path, |look| &mut look.folder, stat)
    }

    /// The digest of what is there, which `read` makes.
    pub fn sha(&self, path: &Path, read: impl FnOnce() -> Result<Sha>) -> Result<Sha> {
        self.once(path, |look| &mut look.sha, read)
    }

    /// Who comes meanwhile waits for the answer.
    fn once<T: Copy>(
        &self,
        path: &Path,
        part: impl Fn(&mut Look) -> &mut Option<T>,
        find_out: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(shared) = &self.0 else { return find_out() };
        let look = shared.look(path);
        let mut look = locked(&look);
        let part = part(&mut look);
        match *part {
            Some(known) => Ok(known),
            None => Ok(*part.insert(find_out()?)),
        }
    }
}

impl Shared {
    fn look(&self, path: &Path) -> Arc<Mutex<Look>> {
        let at = self.hasher.hash_one(path) as usize % SHARDS;
        let mut shard = locked(&self.shards[at]);
        if let Some(look) = shard.get(path) {
            return look.clone();
        }
        shard.entry(path.to_path_buf()).or_default().clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::parallel;

    #[test]
    fn many_threads_find_out_once() {
        let (looks, count) = (Looks::of_several(), std::sync::atomic::AtomicUsize::new(0));
        let paths: Vec<PathBuf> = (0..10_000).map(|at| PathBuf::from(format!("/{}", at % 100))).collect();
        let read = || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Sha::of(b""))
        };
        parallel::map(&paths, usize::MAX, |path| looks.sha(path, read)).unwrap();
        assert_eq!(count.into_inner(), 100);
    }
}
