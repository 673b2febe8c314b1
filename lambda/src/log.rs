//! The log: lines on stdout, as Lambda's advanced logging controls ask for them in the environment
//! (AWS Lambda developer guide, "Configuring advanced logging controls").
//!
//! `lambda_http` offers such a log too. It leaves out the time, without which Lambda takes every
//! JSON line for INFO, and its `RUST_LOG` filter brings a regex engine: a fifth of the binary.

use std::env;

use tracing_subscriber::filter::LevelFilter;

/// Starts the log. Call it once.
pub(crate) fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default();
    let format = env::var("AWS_LAMBDA_LOG_FORMAT").unwrap_or_default();
    let log = tracing_subscriber::fmt().with_max_level(max_level(&level)).with_target(false);
    if format.eq_ignore_ascii_case("json") {
        // The runtime opens one span; listing it as well would say everything twice.
        log.json().with_span_list(false).init();
    } else {
        // CloudWatch notes the time of each line of text itself.
        log.without_time().init();
    }
}

/// Lambda's levels are tracing's, and FATAL above them.
fn max_level(name: &str) -> LevelFilter {
    match name {
        // Not set. Tracing would read it as ERROR.
        "" => LevelFilter::INFO,
        _ if name.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
        _ => name.parse().unwrap_or(LevelFilter::INFO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_lambdas_and_info_for_any_other() {
        assert_eq!(max_level("TRACE"), LevelFilter::TRACE);
        assert_eq!(max_level("warn"), LevelFilter::WARN);
        assert_eq!(max_level("FATAL"), LevelFilter::ERROR);
        assert_eq!(max_level(""), LevelFilter::INFO);
        assert_eq!(max_level("LOUD"), LevelFilter::INFO);
    }
}
