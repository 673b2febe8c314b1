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
        _ => return Err(Error::config(format!("[{name}] of {} is not a table", manifest.display()))),
    };
    Ok((origin, layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_a_layer_and_an_error_names_table_and_manifest() {
        let of = |table: Value| layer(&table, "package.metadata.lambda-packager", Path::new("/p/Cargo.toml"));
        assert_eq!(of(Value::Null).unwrap().1, Layer::default());
        assert_eq!(of(serde_json::json!({"locked": true})).unwrap().1.names(), ["locked"]);
        let place = "[package.metadata.lambda-packager] of /p/Cargo.toml";
        for wrong in [serde_json::json!("a"), serde_json::json!({"locked": "perhaps"})] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
