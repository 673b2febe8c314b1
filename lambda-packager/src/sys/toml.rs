//! TOML as a tree of JSON values: cargo's manifests and configuration.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::sys::fs;

pub type Table = Map<String, Value>;

/// Reads the file `path`.
///
/// # Errors
/// If it cannot be read, or is not valid TOML.
pub fn read(path: &Path) -> Result<Table> {
    parse(&fs::read(path)?, path)
}

/// Parses `text`, the content of `path`.
///
/// # Errors
/// If it is not valid TOML.
pub fn parse(text: &[u8], path: &Path) -> Result<Table> {
    let parsed: ::toml::Table = ::toml::from_str(&String::from_utf8_lossy(text))
        .map_err(|e| Error::config(format!("{} cannot be read", path.display())).source(e))?;
    Ok(parsed.into_iter().map(|(key, value)| (key, tree(value))).collect())
}

/// JSON has no dates, and no number for infinity: they become text.
fn tree(value: ::toml::Value) -> Value {
    match value {
        ::toml::Value::String(text) => text.into(),
        ::toml::Value::Integer(number) => number.into(),
        ::toml::Value::Float(number) if number.is_finite() => number.into(),
        ::toml::Value::Boolean(yes) => yes.into(),
        ::toml::Value::Array(all) => all.into_iter().map(tree).collect(),
        ::toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, tree(value))).collect(),
        other @ (::toml::Value::Float(_) | ::toml::Value::Datetime(_)) => other.to_string().into(),
    }
}

/// Merges as cargo does: tables key by key, and lists with the items of the stronger file last. Any other value of
/// the stronger file stays.
pub fn merge(strong: &mut Value, weak: Value) {
    match (strong, weak) {
        (Value::Object(strong), Value::Object(weak)) => {
            for (key, weak) in weak {
                match strong.get_mut(&key) {
                    Some(strong) => merge(strong, weak),
                    None => drop(strong.insert(key, weak)),
                }
            }
        }
        (Value::Array(strong), Value::Array(weak)) => drop(strong.splice(0..0, weak)),
        _ => {}
    }
}

/// The text of a file that holds `table`.
///
/// # Errors
/// If a value has no form in TOML.
pub fn print(table: &Value) -> Result<String> {
    ::toml::to_string(table).map_err(|e| Error::config("TOML cannot be written").source(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_table_and_an_error_names_the_file() {
        let path = Path::new("/p/Cargo.toml");
        let table = parse(b"a = 1\n[b]\nc = [\"d\"]\n", path).unwrap();
        assert_eq!(Value::Object(table.clone()), serde_json::json!({"a": 1, "b": {"c": ["d"]}}));
        assert_eq!(parse(b"", path).unwrap(), Table::new());
        assert_eq!(parse(&print(&Value::Object(table.clone())).unwrap().into_bytes(), path).unwrap(), table);
        assert_eq!(parse(b"a = ", path).unwrap_err().to_string(), "/p/Cargo.toml cannot be read");
    }

    #[test]
    fn all_that_cargo_reads_is_read() {
        let text =
            b"day = 2024-05-01\nat = 1979-05-27T07:32:00.5-07:00\ntime = 07:32:00\nmixed = [1, \"a\", { b = 1 }]\n\
            hex = 0xFF\nmany = inf\nnone = nan\nhalf = 0.5\nlines = {\n  a = 1,\n}\n\"a.b\".c = 'x'\n";
        let table = parse(text, Path::new("Cargo.toml")).unwrap();
        let expected = serde_json::json!({
            "day": "2024-05-01", "at": "1979-05-27T07:32:00.5-07:00", "time": "07:32:00", "mixed": [1, "a", {"b": 1}],
            "hex": 255, "many": "inf", "none": "nan", "half": 0.5, "lines": {"a": 1}, "a.b": {"c": "x"},
        });
        assert_eq!(Value::Object(table), expected);
    }
}
