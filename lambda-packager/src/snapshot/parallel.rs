//! The same work on many files, with as many threads as are useful.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::Result;

/// With fewer files, a thread costs more than it saves.
const FILES_PER_THREAD: usize = 500;
/// The number of files that a thread takes at a time. Small, so that no thread waits long for the last one.
pub const PIECE: usize = 64;

/// Does `work` for each item. The results are in the order of the items. `files` is the number of files of all items.
/// After an error, no further work starts.
pub fn map<T: Sync, R: Send + Sync>(
    items: &[T],
    files: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let results: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
    each(items.len(), files, &|at| {
        let result = work(&items[at])?;
        results[at].get_or_init(|| result);
        Ok(())
    })?;
    Ok(results.into_iter().filter_map(OnceLock::into_inner).collect())
}

/// Does `work` for each number below `count`. Not generic, so that it is compiled only once.
fn each(count: usize, files: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    // To get the number of processors, the standard library reads a dozen system files. Skip that for few files.
    let threads = match files / FILES_PER_THREAD {
        0 | 1 => 1,
        enough => thread::available_parallelism().map_or(1, usize::from).min(enough),
    };
    if threads == 1 {
        return (0..count).try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let run = || -> Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(());
            }
            work(at).inspect_err(|_| next.store(count, Ordering::Relaxed))?;
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for thread in others {
            let part = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done = done.and(part);
        }
        done
    })
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
