//! The outputs of a step in a GitHub workflow.

use std::io::Write;
use std::path::Path;

use lambda_packager::internal::{Error, Result, env, fs};

use crate::image::context::Context;
use crate::publish::Record;

/// Sets `image`, `digest` and `tag` of what was pushed, where a workflow asks for it.
///
/// Source: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-output-parameter>.
///
/// # Errors
/// The file of the outputs cannot be written.
pub fn set_outputs(pushed: &[(&Context, Record)]) -> Result<()> {
    let Some(file) = env::var_os("GITHUB_OUTPUT") else { return Ok(()) };
    let words = |value: fn(&Record) -> &str| {
        let words: Vec<_> = pushed.iter().map(|(context, record)| context.named(value(record))).collect();
        words.join(" ")
    };
    let image = words(|record| record.reference.as_deref().unwrap_or_default());
    let lines =
        format!("image={image}\ndigest={}\ntag={}\n", words(|record| &record.digest), words(|record| &record.tag));
    let path = Path::new(&file);
    fs::append(path)?.write_all(lines.as_bytes()).map_err(|e| Error::io("write", path, e))
}
