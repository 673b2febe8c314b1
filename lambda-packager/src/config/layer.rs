//! A layer: the settings that one place makes.

use serde_json::{Map, Value};

use crate::config::{Layer, Names, Origin, SETTINGS, name_of};
use crate::error::{Error, Result};

impl Layer {
    /// Reads a layer from a table of values.
    ///
    /// # Errors
    /// If a key is unknown or a value is not valid; it names the place to change.
    pub fn parse(values: Map<String, Value>, origin: &Origin) -> Result<Self> {
        let mut layer = Self::default();
        for (key, value) in values {
            match layer.put(name_of(&key), value) {
                Ok(true) => {}
                Ok(false) => {
                    let names: Vec<_> = SETTINGS.iter().map(|(name, ..)| *name).collect();
                    return Err(Error::config(format!("unknown setting: {}", origin.place_of(&key)))
                        .hint_with(format!("the settings are: {}", names.join(", "))));
                }
                Err(e) => return Err(Error::config(format!("{} is not valid: {e}", origin.place_of(&key)))),
            }
        }
        Ok(layer)
    }

    /// This layer's values, and where both have a list those of the layer below and then its own.
    pub(super) fn added_to(self, mut below: Self) -> Self {
        fn both<T>(below: Option<T>, own: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
            match (below, own) {
                (Some(below), Some(own)) => Some(join(below, own)),
                (below, own) => own.or(below),
            }
        }
        let lists = |below: &mut Option<Vec<String>>, own| both(below.take(), own, |below, own| [below, own].concat());
        Self {
            package: both(below.package.take(), self.package, Names::and),
            function: both(below.function.take(), self.function, Names::and),
            features: lists(&mut below.features, self.features),
            cargo_flags: both(below.cargo_flags.take(), self.cargo_flags, flags_of_both),
            include: lists(&mut below.include, self.include),
            pass_env: lists(&mut below.pass_env, self.pass_env),
            ..self
        }
        .over(below)
    }
}

/// The flags of cargo `below`, but for those that `own` has too and that cargo takes once, and then `own`.
fn flags_of_both(below: Vec<String>, own: Vec<String>) -> Vec<String> {
    let (mut all, mut below) = (Vec::new(), below.into_iter());
    while let Some(flag) = below.next() {
        let is_told_again = own.contains(&flag);
        match flag.as_str() {
            "--all-features" | "--no-default-features" | "--ignore-rust-version" if is_told_again => {}
            "--jobs" if is_told_again => drop(below.next()),
            _ => all.push(flag),
        }
    }
    all.extend(own);
    all
}

/// For tests: a layer from a table of JSON.
#[cfg(test)]
impl Layer {
    pub fn of(settings: Value, origin: &Origin) -> Result<Self> {
        let Value::Object(values) = settings else { panic!("a table") };
        Self::parse(values, origin)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_key_and_a_wrong_value_name_their_place() {
        let error = Layer::of(json!({"modus": "dev"}), &Origin::Environment).unwrap_err();
        assert!(error.to_string().contains("LAMBDA_PACKAGER_MODUS"), "{error}");
        assert!(error.hint().unwrap().contains("mode"));
        let error = Layer::of(json!({"mode": "fast"}), &Origin::Flag).unwrap_err();
        assert!(error.to_string().contains("flag --mode"), "{error}");
        assert!(error.to_string().contains("expected one of `release`, `prod`"), "{error}");
        let error = Layer::of(json!({"features": "a"}), &Origin::Flag).unwrap_err();
        assert!(error.to_string().contains("flag --features"), "{error}");
    }

    #[test]
    fn the_guide_lists_every_setting() {
        #[allow(clippy::disallowed_methods)]
        let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide.md")).unwrap();
        for (name, _, what) in SETTINGS {
            assert!(guide.contains(&format!("| `{name}` | {what} |")), "the guide lacks or misdescribes `{name}`");
        }
    }
}
