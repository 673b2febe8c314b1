//! A layer: the settings that one place makes.

use serde_json::{Map, Value};

use crate::config::{Adds, Layer, Names, Origin, SETTINGS, name_of};
use crate::error::{Error, Result};

impl Layer {
    /// Reads a layer from a table of values.
    ///
    /// # Errors
    /// If a key is unknown or a value is not valid; it names the place to change.
    pub fn parse(values: Map<String, Value>, origin: &Origin) -> Result<Self> {
        let mut layer = Self::default();
        let mut keys: Vec<String> = Vec::new();
        for (key, value) in values {
            if let Some(other) = keys.iter().find(|other| name_of(other) == name_of(&key)) {
                return Err(Error::config(format!(
                    "{} and {} are one setting",
                    origin.place_of(other),
                    origin.place_of(&key)
                ))
                .hint_with("leave one of them"));
            }
            keys.push(key.clone());
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

    /// This layer's values, and where it has none those of the layer `below`. Names that only leave out narrow those below.
    pub(super) fn over(mut self, mut below: Self) -> Self {
        let of_both = [(&mut self.package, &mut below.package), (&mut self.function, &mut below.function)];
        for (own, below) in of_both {
            if own.as_ref().is_some_and(Names::only_leaves_out) {
                *own = both(below.take(), own.take(), Names::and);
            }
        }
        self.or(below)
    }

    /// This layer's values, and of the layer `below` what it has besides, and what this one leaves of its lists.
    pub(super) fn added_to(self, mut below: Self) -> Self {
        let adds_lists = self.adds == Adds::Lists;
        let cargo_flags =
            both(below.cargo_flags.take(), self.cargo_flags, |below, own| flags_of_both(below, own, adds_lists));
        if !adds_lists {
            return Self { cargo_flags, ..self }.over(below);
        }
        let lists = |below: &mut Option<Vec<String>>, own| both(below.take(), own, |below, own| [below, own].concat());
        Self {
            package: both(below.package.take(), self.package, Names::and),
            function: both(below.function.take(), self.function, Names::and),
            features: lists(&mut below.features, self.features),
            include: lists(&mut below.include, self.include),
            pass_env: lists(&mut below.pass_env, self.pass_env),
            cargo_flags,
            ..self
        }
        .over(below)
    }
}

fn both<T>(below: Option<T>, own: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    match (below, own) {
        (Some(below), Some(own)) => Some(join(below, own)),
        (below, own) => own.or(below),
    }
}

/// A flag of cargo with its value.
struct Flag {
    name: String,
    words: Vec<String>,
}

/// Flags with a value: the name, the short one, and whether cargo takes several.
const WITH_VALUE: [(&str, &str, bool); 3] =
    [("--jobs", "-j", false), ("--config", "--config", true), ("-Z", "-Z", true)];

/// What is behind `--`, which is rustc's.
const RUSTC: &str = "--";

/// Of the flags `below` those that `own` has not, or that may be there several times if it `adds_lists`; then `own`.
fn flags_of_both(below: Vec<String>, own: Vec<String>, adds_lists: bool) -> Vec<String> {
    let (below, own) = (flags(below), flags(own));
    let is_list = |name: &str| WITH_VALUE.iter().any(|(known, _, several)| *known == name && *several);
    let is_left = |flag: &Flag| {
        let is_told_again = own.iter().any(|told| told.name == flag.name);
        !is_told_again || (adds_lists && is_list(&flag.name))
    };
    let (of_rustc, of_cargo): (Vec<_>, Vec<_>) = below.into_iter().filter(is_left).partition(|flag| flag.name == RUSTC);
    of_cargo.into_iter().chain(own).chain(of_rustc).flat_map(|flag| flag.words).collect()
}

fn flags(words: Vec<String>) -> Vec<Flag> {
    let (mut all, mut words) = (Vec::new(), words.into_iter());
    while let Some(word) = words.next() {
        let named = WITH_VALUE.iter().find(|(long, short, _)| {
            let is_joined = !short.starts_with("--") && word.starts_with(short);
            is_joined || word.split('=').next().is_some_and(|name| name == *long)
        });
        let flag = match named {
            Some((long, short, _)) => {
                let value = [long, short].contains(&&word.as_str()).then(|| words.next()).flatten();
                Flag { name: long.to_string(), words: [word].into_iter().chain(value).collect() }
            }
            None if word == RUSTC => {
                Flag { name: word.clone(), words: [word].into_iter().chain(words.by_ref()).collect() }
            }
            None => Flag { name: word.clone(), words: vec![word] },
        };
        all.push(flag);
    }
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
        let error = Layer::of(json!({"function": "a", "functions": ["b"]}), &Origin::Environment).unwrap_err();
        assert!(error.to_string().ends_with("LAMBDA_PACKAGER_FUNCTIONS are one setting"), "{error}");
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
