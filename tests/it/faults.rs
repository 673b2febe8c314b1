//! The fault matrix: what goes wrong around a build, what then happens, and what is left of it.
//!
//! One test, so that it can end with the table of all faults; `FAULTS=paused` runs those of that name.

mod compile;
mod engine;
mod files;
mod matrix;

use matrix::Matrix;

use crate::support::every_engine;

#[test]
fn every_fault_is_mended_or_told() {
    let matrix = Matrix::default();
    // Most faults are waited for, by the packager or by us: the lanes share the machine well.
    std::thread::scope(|scope| {
        for engine in every_engine() {
            let matrix = &matrix;
            scope.spawn(move || compile::faults(engine, matrix));
        }
        scope.spawn(|| engine::faults(&matrix));
        for hang in engine::HANGS {
            let matrix = &matrix;
            scope.spawn(move || engine::hanging(matrix, hang));
        }
        scope.spawn(|| engine::elsewhere(&matrix));
        scope.spawn(|| files::faults(&matrix));
    });
    matrix.print_and_judge();
}
