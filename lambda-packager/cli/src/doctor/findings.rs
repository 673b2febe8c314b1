//! What `doctor` found, and how it is printed.

use std::fmt::Display;

use lambda_packager::internal::Error;
use serde_json::json;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Ok,
    Warning,
    Error,
}

#[derive(PartialEq)]
struct Finding {
    level: Level,
    what: String,
    fix: Option<String>,
}

#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Functions share much: what was found for one of them already is not told again.
    fn push(&mut self, finding: Finding) {
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    pub fn ok(&mut self, what: impl Display) {
        self.push(Finding { level: Level::Ok, what: what.to_string(), fix: None });
    }

    pub fn add(&mut self, level: Level, what: impl Display, fix: impl Display) {
        self.push(Finding { level, what: what.to_string(), fix: Some(fix.to_string()) });
    }

    /// Adds an error with its cause and its hint.
    pub fn add_error(&mut self, level: Level, error: impl Into<Error>) {
        let error = error.into();
        self.push(Finding { level, what: with_cause(&error), fix: error.hint().map(String::from) });
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.level == Level::Error)
    }

    pub fn lines(&self, as_json: bool) -> Vec<String> {
        let line = |Finding { level, what, fix }: &Finding| {
            let level = match level {
                Level::Ok => "ok",
                Level::Warning => "warning",
                Level::Error => "error",
            };
            match fix {
                _ if as_json => json!({"v": 1, "level": level, "what": what, "fix": fix}).to_string(),
                Some(fix) => format!("{level:8} {what}\n         fix: {fix}"),
                None => format!("{level:8} {what}"),
            }
        };
        self.0.iter().map(line).collect()
    }
}

/// The message of an error, with the first line of its cause.
pub fn with_cause(error: &Error) -> String {
    let cause = std::error::Error::source(error)
        .map_or(String::new(), |cause| format!(" ({})", cause.to_string().lines().next().unwrap_or_default()));
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_its_line_for_people_and_for_programs() {
        let mut findings = Findings::default();
        findings.ok("docker 1 answers");
        findings.ok("docker 1 answers");
        findings.add(Level::Warning, "9 MiB free", "free some space");
        assert!(!findings.has_errors());
        findings.add_error(Level::Error, Error::config("no").source("one\ntwo".to_string()).hint_with("yes"));
        assert!(findings.has_errors());
        let people = [
            "ok       docker 1 answers",
            "warning  9 MiB free\n         fix: free some space",
            "error    no (one)\n         fix: yes",
        ];
        assert_eq!(findings.lines(false), people);
        let program = serde_json::from_str::<serde_json::Value>(&findings.lines(true)[2]).unwrap();
        assert_eq!(program, json!({"v": 1, "level": "error", "what": "no (one)", "fix": "yes"}));
    }
}
