//! Properties that are held against generated cases, and how a failure is brought again.

use std::cell::RefCell;
use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use super::is_full;

/// With few cases they are always the same: whether a change passes is no matter of luck. This seed once found a fault.
const FEW: u64 = 994_045_166;

/// Holds `case` against `cases` values of `strategy`. What failed is made simpler in at most `simpler` attempts: none
/// where a case begins with what the one before it left.
pub fn property<S: Strategy>(
    cases: u32,
    simpler: u32,
    strategy: S,
    case: impl FnMut(S::Value) -> Result<(), TestCaseError>,
) {
    let mut config = Config { cases, max_shrink_iters: simpler, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random && !is_full() {
        config.rng_seed = RngSeed::Fixed(FEW);
    } else if config.rng_seed == RngSeed::Random {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        config.rng_seed = RngSeed::Fixed(u64::from(now.subsec_nanos()));
    }
    let seed = config.rng_seed;
    let case = RefCell::new(case);
    if let Err(e) = TestRunner::new(config).run(&strategy, |value| (case.borrow_mut())(value)) {
        panic!("{e}\nPROPTEST_RNG_SEED={seed} brings the same cases again");
    }
}

/// The same with few cases: each of `rows` once, in this order. With all cases there are so many values of `strategy`.
pub fn rows<V: Debug + Clone>(
    rows: impl IntoIterator<Item = V>,
    all: u32,
    strategy: impl Strategy<Value = V>,
    mut case: impl FnMut(V) -> Result<(), TestCaseError>,
) {
    if is_full() {
        return property(all, 0, strategy, case);
    }
    for row in rows {
        case(row.clone()).unwrap_or_else(|e| panic!("{row:?}: {e}"));
    }
}
