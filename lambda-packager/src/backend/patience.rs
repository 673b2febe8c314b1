//! Waiting for an engine that should be there: it may be restarting.

use crate::config::{Config, EngineChoice};
use crate::engine::{Engine, EngineError};
use crate::report::Reporter;

/// Whether to wait for an engine that does not answer: the settings name it, or the last build used the one that is called
/// `last`.
pub fn is_expected(engine: &Engine, config: &Config, last: Option<&str>) -> bool {
    config.engine != EngineChoice::Auto || last == Some(engine.kind.program())
}

/// What `ask` returns, which is called once more when the engine answers again.
///
/// # Errors
/// It does not answer in time, or the error of `ask`.
pub fn with_patience<T>(
    engine: &Engine,
    report: &mut Reporter,
    mut ask: impl FnMut(&mut Reporter) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    match ask(report) {
        Err(EngineError::Unreachable(error)) => {
            report.note(&format!("{error}; trying again for {} s", engine.patience().as_secs()));
            engine.wait_until_it_answers()?;
            ask(report)
        }
        result => result,
    }
}
