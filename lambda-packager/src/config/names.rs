//! Names of packages or functions, by which a setting selects some of them.

use serde::{Deserialize, Deserializer, Serialize};

use crate::sys::Glob;

/// Names and globs; `!` before one leaves out what it matches. Text stands for a list of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Names(Vec<String>);

/// The mark of a name that is left out.
const NOT: char = '!';

impl Names {
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The names of the functions that the targets are which flags of cargo select: `--bin` and `--example` with their names, and
    /// `--bins` and `--examples`. None where all that is packaged by default is meant.
    pub fn of_targets(bin: &[String], bins: bool, example: &[String], examples: bool) -> Vec<String> {
        let mut names = bin.to_vec();
        names.extend(example.iter().map(|name| format!("examples/{name}")));
        names.extend(examples.then(|| "examples/*".to_string()));
        names.extend((bins && !names.is_empty()).then(|| "*".to_string()));
        names
    }

    /// Whether what has these names is selected: by any that is not left out, or if all are, by none of them.
    pub fn select(&self, names: &[&str]) -> bool {
        let mut wanted = self.wanted().peekable();
        let is_wanted = wanted.peek().is_none() || wanted.any(|pattern| matches(pattern, names));
        is_wanted && !self.leaves_out(names)
    }

    /// Whether what has these names is left out by any of them.
    pub fn leaves_out(&self, names: &[&str]) -> bool {
        self.0.iter().filter_map(|name| name.strip_prefix(NOT)).any(|pattern| matches(pattern, names))
    }

    /// Whether they leave out and select nothing else: they narrow what is meant without them.
    pub fn only_leaves_out(&self) -> bool {
        self.wanted().next().is_none()
    }

    /// The names and globs, without those that are left out.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|name| !name.starts_with(NOT))
    }

    /// These, and then the `others`.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// All of them without their marks.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| name.strip_prefix(NOT).unwrap_or(name))
    }
}

fn matches(pattern: &str, names: &[&str]) -> bool {
    let pattern = Glob::new(pattern);
    names.iter().any(|name| pattern.matches(name))
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a name or a list of names")]
        enum Written {
            One(String),
            Many(Vec<String>),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::One(name) => Self(vec![name]),
            Written::Many(names) => Self(names),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_of_cargo_for_targets_select_functions() {
        let of = |bin: &[&str], bins, example: &[&str], examples| {
            let texts = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
            Names::of_targets(&texts(bin), bins, &texts(example), examples).join(" ")
        };
        assert_eq!(of(&["a", "b*"], false, &[], false), "a b*");
        assert_eq!(of(&[], true, &[], false), "");
        assert_eq!(of(&["b"], false, &["e*"], false), "b examples/e*");
        assert_eq!(of(&[], true, &[], true), "examples/* *");
    }

    #[test]
    fn names_globs_and_what_is_left_out_select() {
        let all = ["api", "api-v2", "worker"];
        for (written, expected) in [
            (json!("api"), vec!["api"]),
            (json!(["api*", "worker"]), vec!["api", "api-v2", "worker"]),
            (json!(["*", "!api*"]), vec!["worker"]),
            (json!(["!worker"]), vec!["api", "api-v2"]),
            (json!("w"), vec![]),
        ] {
            let names: Names = serde_json::from_value(written.clone()).unwrap();
            let selected: Vec<_> = all.into_iter().filter(|name| names.select(&[name, "id"])).collect();
            assert_eq!(selected, expected, "{written}");
        }
        let error = serde_json::from_value::<Names>(json!(7)).unwrap_err().to_string();
        assert_eq!(error, "a name or a list of names");
    }
}
