//! A function that has to be built.

use std::fs::File;

use crate::packaged::Verdict;
use crate::pipeline::{Gate, Task};

/// A function to build, after its check.
pub struct Miss<'a> {
    pub task: &'a Task<'a>,
    pub gate: Gate,
    pub verdict: Verdict,
    /// Its log, which has its verdict.
    pub log: File,
}

impl Miss<'_> {
    /// The logs of `misses`, for what is reported about all of them.
    pub fn logs(misses: &[Self]) -> Vec<File> {
        misses.iter().filter_map(|miss| miss.log.try_clone().ok()).collect()
    }
}
