//! What the file system says about a file without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The metadata that shows a change of a file without reading it. Every change of the content changes at least the ctime,
/// unless it happens in the same clock tick as the stamp (see [`Stamp::is_older_than`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub size_bytes: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
}

/// Timestamps move in steps: the kernel's tick on most file systems, up to two seconds on some.
const TICK_NS: i64 = 20_000_000;
const COARSE_TICK_NS: i64 = 2_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

impl Stamp {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            size_bytes: meta.size(),
            mtime_ns: meta.mtime().wrapping_mul(SECOND_NS) + meta.mtime_nsec(),
            ctime_ns: meta.ctime().wrapping_mul(SECOND_NS) + meta.ctime_nsec(),
            inode: meta.ino(),
        }
    }

    /// What copies of one installation have in common; their other fields differ.
    pub fn size_and_date(&self) -> (u64, i64) {
        (self.size_bytes, self.mtime_ns)
    }

    /// Whether a later change is always visible in the stamp: git's "racy" rule. A file that was written in the same clock
    /// tick as the record could be written again without a new stamp.
    pub fn is_older_than(&self, taken_at_ns: i64) -> bool {
        let whole_seconds = self.mtime_ns % SECOND_NS == 0 && self.ctime_ns % SECOND_NS == 0;
        let tick = if whole_seconds { COARSE_TICK_NS } else { TICK_NS };
        self.mtime_ns.max(self.ctime_ns).saturating_add(tick) < taken_at_ns
    }
}

/// Now, in nanoseconds since the epoch.
pub fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

/// Nanoseconds since the epoch as a time.
pub fn time_of(ns: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_as_young_as_the_record_is_not_old_enough() {
        let stamp = |mtime_ns, ctime_ns| Stamp { size_bytes: 1, mtime_ns, ctime_ns, inode: 1 };
        let now = 1_700_000_000_123_456_789;
        assert!(!stamp(now, now).is_older_than(now));
        assert!(!stamp(now - TICK_NS, now - TICK_NS).is_older_than(now));
        assert!(stamp(now - 2 * TICK_NS, now - 2 * TICK_NS).is_older_than(now));
        // An old mtime does not hide a young ctime.
        assert!(!stamp(0, now).is_older_than(now));
        // Whole seconds on both: a coarse file system.
        let second = 1_700_000_000 * SECOND_NS;
        assert!(!stamp(second, second).is_older_than(second + SECOND_NS));
        assert!(stamp(second, second).is_older_than(second + 3 * SECOND_NS));
    }
}
