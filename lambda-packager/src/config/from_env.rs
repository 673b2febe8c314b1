//! The settings in the variables `LAMBDA_PACKAGER_*`.

use std::ffi::OsString;

use serde_json::{Map, Value};

use crate::config::{Layer, Origin, SETTINGS, Shape, name_of};
use crate::error::{Error, Result};
use crate::sys::env::{CI, INNER, PREFIX, REGISTRY_PASSWORD, REGISTRY_USER};
use crate::sys::{env, glob};

/// The layer of the variables `LAMBDA_PACKAGER_*`. An empty variable counts as unset.
///
/// # Errors
/// If no setting has the name of such a variable, or if its value is not valid.
pub fn layer() -> Result<Layer> {
    layer_of(env::vars_os())
}

fn layer_of(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Layer> {
    let mut values = Map::new();
    for (name, value) in variables {
        let Some(setting) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        if [INNER, REGISTRY_USER, REGISTRY_PASSWORD].iter().any(|own| name == *own) || value.is_empty() {
            continue;
        }
        let setting = setting.to_lowercase();
        let value = value
            .into_string()
            .map_err(|_| Error::config(format!("{} is not UTF-8", Origin::Environment.place_of(&setting))))?;
        values.insert(setting.clone(), value_of(&setting, &value));
    }
    Layer::parse(values, &Origin::Environment)
}

/// Reads `text` as a value of `setting`; null if it is empty. Text that is not valid stays a string, which
/// [`Layer::parse`] refuses.
pub fn value_of(setting: &str, text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    let shape = SETTINGS.iter().find(|(known, ..)| *known == name_of(setting)).map(|(_, shape, _)| *shape);
    parse(shape.unwrap_or(Shape::Text), text)
}

fn parse(shape: Shape, text: &str) -> Value {
    let list = |parts: Vec<&str>| {
        let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
        Value::Array(parts.map(|part| Value::String(part.to_string())).collect())
    };
    match shape {
        Shape::Text => Value::String(text.to_string()),
        Shape::List => list(glob::split(text)),
        Shape::Words => list(text.split_whitespace().collect()),
        Shape::Switch => match text.to_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Value::Bool(true),
            "0" | "false" | "no" | "off" => Value::Bool(false),
            _ => Value::String(text.to_string()),
        },
        Shape::Number => text.parse::<u64>().map_or_else(|_| Value::String(text.to_string()), Value::from),
    }
}

/// Whether a pipeline runs us.
pub fn is_pipeline() -> bool {
    env::var(CI).is_some_and(|value| parse(Shape::Switch, &value) == Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_values() {
        assert_eq!(parse(Shape::List, "a, b,,"), serde_json::json!(["a", "b"]));
        assert_eq!(parse(Shape::List, "a.{b,c},d"), serde_json::json!(["a.{b,c}", "d"]));
        assert_eq!(parse(Shape::Words, "-v  --timings"), serde_json::json!(["-v", "--timings"]));
        assert_eq!(parse(Shape::Switch, "Yes"), Value::Bool(true));
        assert_eq!(parse(Shape::Switch, "perhaps"), Value::String("perhaps".into()));
    }
    #[test]
    fn variables_become_a_layer() {
        let of = |variables: &[(&str, &str)]| {
            layer_of(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
        };
        let own = [(INNER, "1"), (REGISTRY_USER, "a"), ("LAMBDA_PACKAGER_MODUS", ""), ("LAMBDA_PACKAGER", "always")];
        assert_eq!(of(&own).unwrap(), Layer::default());
        let layer = of(&[("LAMBDA_PACKAGER_FEATURES", "a,b"), ("LAMBDA_PACKAGER_LOCKED", "on"), ("FEATURES", "c")]);
        assert_eq!(layer.unwrap().names(), ["features", "locked"]);
        for (name, value) in [("LAMBDA_PACKAGER_MODUS", "dev"), ("LAMBDA_PACKAGER_ENGINE_TIMEOUT_SECS", "-1")] {
            let error = of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(&format!("variable {name}")), "{error}");
        }
    }
}
