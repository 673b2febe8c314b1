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

    /// Whether what has these names is selected: by any that is not left out, or if all are, by none of them.
    pub fn select(&self, names: &[&str]) -> bool {
        let matches = |pattern: &str| names.iter().any(|name| Glob::new(pattern).matches(name));
        let (out, wanted): (Vec<_>, Vec<_>) = self.0.iter().partition(|name| name.starts_with(NOT));
        let mut out = out.iter().filter_map(|name| name.strip_prefix(NOT));
        (wanted.is_empty() || wanted.iter().any(|name| matches(name))) && !out.any(matches)
    }

    /// The names and globs, without those that are left out.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|name| !name.starts_with(NOT))
    }

    /// All of them without their marks.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| name.strip_prefix(NOT).unwrap_or(name))
    }
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
