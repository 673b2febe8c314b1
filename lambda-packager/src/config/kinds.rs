//! What the zips are for: one kind for all functions, or kinds by the names of functions.

use std::cmp::Reverse;

use serde::Deserialize;
use serde_json::Value;

use crate::config::ArtifactKind;
use crate::sys::glob;

/// One kind, or a table of names and globs of functions. A function that the table does not name is a function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum Kinds {
    All(ArtifactKind),
    /// Names before globs, and of these the longer before the shorter: the first that matches counts.
    ByName(Vec<(String, ArtifactKind)>),
}

impl Kinds {
    /// The kind of the function that `is_meant` finds to be meant by a name or glob.
    pub fn of(&self, is_meant: impl Fn(&str) -> bool) -> ArtifactKind {
        match self {
            Self::All(kind) => *kind,
            Self::ByName(kinds) => {
                let found = kinds.iter().find(|(name, _)| is_meant(name));
                found.map_or(ArtifactKind::Function, |(_, kind)| *kind)
            }
        }
    }

    /// The names and globs of the table.
    pub fn named(&self) -> &[(String, ArtifactKind)] {
        if let Self::ByName(kinds) = self { kinds } else { &[] }
    }

    fn by_name(kinds: impl Iterator<Item = (String, Result<ArtifactKind, String>)>) -> Result<Self, String> {
        let mut found = Vec::new();
        for (name, kind) in kinds {
            if name.is_empty() || name.starts_with('!') {
                return Err(format!("`{name}` is no name or glob of functions"));
            }
            if found.iter().any(|(known, _)| *known == name) {
                return Err(format!("`{name}` is there twice"));
            }
            found.push((name.clone(), kind.map_err(|why| format!("`{name}`: {why}"))?));
        }
        // A table has no order that could decide.
        found.sort_by_cached_key(|(name, _)| (glob::is_glob(name), Reverse(name.len()), name.clone()));
        Ok(Self::ByName(found))
    }
}

impl From<ArtifactKind> for Kinds {
    fn from(kind: ArtifactKind) -> Self {
        Self::All(kind)
    }
}

/// As text a table is `log-forwarder=extension,*-layer=layer`.
impl TryFrom<Value> for Kinds {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let parse = |text: &str| text.trim().parse::<ArtifactKind>().map_err(|error| error.to_string());
        match value {
            Value::String(text) if text.contains('=') => {
                let pairs = glob::split(&text).into_iter().map(str::trim).filter(|pair| !pair.is_empty());
                Self::by_name(pairs.map(|pair| match pair.split_once('=') {
                    Some((name, kind)) => (name.trim().to_string(), parse(kind)),
                    None => (pair.to_string(), Err("it has no kind: NAME=KIND".into())),
                }))
            }
            Value::String(text) => parse(&text).map(Self::All),
            Value::Object(table) => Self::by_name(table.into_iter().map(|(name, kind)| {
                let kind = kind.as_str().map_or_else(|| Err(format!("{kind} is no kind")), parse);
                (name, kind)
            })),
            _ => Err("expected a kind, or a table of names and kinds".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sys::Glob;

    fn read(value: Value) -> Result<Kinds, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_before_globs_and_longer_globs_before_shorter_ones() {
        let table = json!({"*": "internal-extension", "log-*": "extension", "log-api": "function", "log-x*": "layer"});
        let kinds = read(table).unwrap();
        for (name, expected) in [
            ("log-api", ArtifactKind::Function),
            ("log-forwarder", ArtifactKind::Extension),
            ("log-x1", ArtifactKind::Layer),
            ("other", ArtifactKind::InternalExtension),
        ] {
            assert_eq!(kinds.of(|pattern| Glob::new(pattern).matches(name)), expected, "{name}");
        }
        assert_eq!(read(json!({"a": "layer"})).unwrap().of(|_| false), ArtifactKind::Function);
        assert_eq!(read(json!("layer")).unwrap().of(|_| false), ArtifactKind::Layer);
    }

    #[test]
    fn text_is_a_kind_or_a_table() {
        assert_eq!(read(json!("extension")).unwrap(), ArtifactKind::Extension.into());
        let table = read(json!({"a": "extension", "b*": "layer"})).unwrap();
        assert_eq!(read(json!(" a = extension, b*=layer,")).unwrap(), table);
        let braces = read(json!("{a,b}-x=extension,c=layer")).unwrap();
        assert_eq!(braces, read(json!({"{a,b}-x": "extension", "c": "layer"})).unwrap());
        for (value, expected) in [
            (json!("layers"), "unknown variant `layers`, expected one of `function`"),
            (json!("a=layers"), "`a`: unknown variant `layers`"),
            (json!("a=layer,b"), "`b`: it has no kind"),
            (json!("a=layer,a=extension"), "`a` is there twice"),
            (json!({"!a": "layer"}), "`!a` is no name"),
            (json!({"": "layer"}), "`` is no name"),
            (json!({"a": 1}), "`a`: 1 is no kind"),
            (json!(["layer"]), "expected a kind, or a table"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert!(error.starts_with(expected), "{value}: {error}");
        }
    }
}
