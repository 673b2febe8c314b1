//! A layer of included files alone: checked, archived and stored as other packages are, without a compile.

use std::collections::BTreeSet;

use crate::artifact::include;
use crate::error::{Error, Result};
use crate::fingerprint::manifest::BackendRecord;
use crate::pipeline::commit::{Made, commit};
use crate::pipeline::{Miss, Outcome, Package, package};
use crate::report::{Built, Event, Reporter, Stage};

/// Makes the zip after its check.
///
/// # Errors
/// If `include` selects nothing, or what no layer can have. The last good zip and its record then stay as they are.
pub fn build(miss: &Miss, report: &mut Reporter) -> Result<Outcome> {
    let Miss { task, gate, verdict, .. } = miss;
    let config = &task.config;
    let included = package::included(task)?;
    if included.files.is_empty() {
        let error =
            format!("{}: a layer of files has what `include` selects, and it selects nothing", config.place_of("kind"));
        return Err(
            Error::config(error).hint_with("set `include`, such as `include = [\".:layer\"]` for a folder `layer`")
        );
    }
    let members = report.stage(Stage::Verify, |report| -> Result<_> {
        let members = include::read(included.files)?;
        package::check_included(&members, task, report)?;
        Ok(members)
    })?;
    let zip = report.stage(Stage::Zip, |_| package::archive(&[], members, task))?;
    let package = Package::without_image(zip, report);
    let backend = BackendRecord::of_nothing();
    let outside = BTreeSet::new();
    let made =
        Made { backend: &backend, toolchain: None, binary: &[], outside: &outside, debug: None, package: &package };
    let manifest = commit(miss, &made, report)?;
    let zip_bytes_before = gate.recorded.as_ref().ok().map(|before| before.artifact.zip_bytes);
    let built = Built { backend: backend.to_string(), image: None, zip_bytes_before };
    let outcome = Outcome::of(task, manifest, verdict.clone(), Some(built), report);
    report.emit(&Event::Finished { summary: &outcome.summary });
    Ok(outcome)
}
