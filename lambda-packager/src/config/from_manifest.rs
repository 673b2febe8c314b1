//! The layers in manifests: `[package.metadata.lambda-packager]` and `[workspace.metadata.lambda-packager]`.

use std::path::Path;

use serde_json::Value;

use crate::config::{Layer, Origin};
use crate::error::{Error, Result};

/// The key under a manifest's `metadata` that is ours.
pub const KEY: &str = "lambda-packager";

/// The layer of one metadata table; `table` is what cargo reports, null if there is none.
///
/// # Errors
/// If it is not a table, or holds an unknown setting or a value that is not valid.
pub fn layer(table: &Value, name: &'static str, manifest: &Path) -> Result<(Origin, Layer)> {
    let origin = Origin::Manifest(name, manifest.to_path_buf());
    let layer = match table {
        Value::Null => Layer::default(),
        Value::Object(values) => Layer::parse(values.clone(), &origin)?,
        _ => {
            return Err(Error::config(format!("[{name}] of {} is not a table", manifest.display())));
        }
    };
    Ok((origin, layer))
}
