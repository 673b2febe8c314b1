//! The same work on many files, by as many threads as it is worth.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::Result;

/// Below this many files a thread costs more than it saves.
const FILES_PER_THREAD: usize = 500;
/// How many files a thread takes at a time: few enough that none waits long for the last.
pub(super) const PIECE: usize = 64;

/// Does `work` for each item; the results in the order of the items. `files` is how many files they
/// are about. An error ends the whole.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    files: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    // To ask how many processors there are takes a dozen files of the system: not for a handful.
    let threads = match files / FILES_PER_THREAD {
        0 | 1 => 1,
        enough => thread::available_parallelism().map_or(1, usize::from).min(enough),
    };
    if threads == 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            match work(item) {
                Ok(result) => done.push((at, result)),
                Err(error) => {
                    next.store(items.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    let parts = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut parts = vec![run()];
        parts.extend(
            others.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
        );
        parts
    });
    let mut all = Vec::with_capacity(items.len());
    for part in parts {
        all.extend(part?);
    }
    all.sort_unstable_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn results_come_in_the_order_of_the_items_however_many_threads() {
        let items: Vec<usize> = (0..10_000).collect();
        for files in [0, 1_000_000] {
            let squares = map(&items, files, |item| Ok(item * item)).unwrap();
            assert!(squares.iter().enumerate().all(|(at, square)| *square == at * at));
        }
    }

    #[test]
    fn an_error_ends_it() {
        let items: Vec<usize> = (0..10_000).collect();
        let work = |item: &usize| if *item == 77 { Err(Error::config("77")) } else { Ok(()) };
        assert_eq!(map(&items, 1_000_000, work).unwrap_err().to_string(), "77");
    }
}
