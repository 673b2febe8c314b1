//! TOML as one kind of tree, whatever it says: cargo's manifests and its configuration.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::sys::fs;

pub type Table = Map<String, Value>;

/// Reads the file `path`.
///
/// # Errors
/// Where it cannot be read, or is no TOML.
pub fn read(path: &Path) -> Result<Table> {
    parse(&fs::read(path)?, path)
}

/// Reads `text`, which `path` holds.
///
/// # Errors
/// Where it is no TOML.
pub fn parse(text: &[u8], path: &Path) -> Result<Table> {
    match basic_toml::from_str(&String::from_utf8_lossy(text)) {
        Ok(Value::Object(table)) => Ok(table),
        // There is no other document.
        Ok(_) => Ok(Table::new()),
        Err(e) => Err(Error::config(format!("{} cannot be read", path.display())).source(e)),
    }
}
