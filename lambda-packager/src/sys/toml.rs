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
    match basic_toml::from_str(&String::from_utf8_lossy(text)) {
        Ok(Value::Object(table)) => Ok(table),
        // A TOML document is always a table.
        Ok(_) => Ok(Table::new()),
        Err(e) => Err(Error::config(format!("{} cannot be read", path.display())).source(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_table_and_an_error_names_the_file() {
        let path = Path::new("/p/Cargo.toml");
        let table = parse(b"a = 1\n[b]\nc = [\"d\"]\n", path).unwrap();
        assert_eq!(Value::Object(table), serde_json::json!({"a": 1, "b": {"c": ["d"]}}));
        assert_eq!(parse(b"", path).unwrap(), Table::new());
        assert_eq!(parse(b"a = ", path).unwrap_err().to_string(), "/p/Cargo.toml cannot be read");
    }
}
