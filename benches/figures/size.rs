//! The size of the zip, beside that of cargo-lambda's for the same function and the same profile.

use std::fs;
use std::path::Path;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, read, write};
use crate::measure::{Result, Side, shown};

/// What cargo-lambda leaves alone where the manifest says it.
const PROFILE: &str =
    "\n[profile.release]\nstrip = \"symbols\"\nlto = false\ncodegen-units = 16\nopt-level = 3\npanic = \"unwind\"\n";
const PROD: &[&str] = &["--mode", "prod"];
const CARGO_LAMBDA: [&str; 6] = ["lambda", "build", "--release", "--package=lambda", "--output-format=zip", "--locked"];

pub fn size(lab: &Bench) -> Result<Vec<Row>> {
    let release = ours(lab, "size-release", PROFILE, &[])?;
    let prod = ours(lab, "size-prod", "", PROD)?;
    let same = "zip, against cargo-lambda's with the same profile (symbols stripped, no LTO, 16 units, unwinding)";
    let by_default = "mode prod, zip, against cargo-lambda's with its own profile (thin LTO, 1 unit, aborting)";
    let why = |why: String| format!("{why}; it takes cargo-lambda and zig (pip install cargo-lambda ziglang)");
    let mut rows = Vec::new();
    for (what, folder, profile, ours, bound) in [
        (same, "size-cargo-lambda", PROFILE, &release, 1.0),
        (by_default, "size-cargo-lambda-default", "", &prod, 0.99),
    ] {
        let theirs = with_profile(lab, folder, profile)?;
        let command = lab.cargo(&theirs, &CARGO_LAMBDA);
        let built = lab
            .seconds(&command)
            .and_then(|_| bytes(&theirs.join("target/lambda/lambda/bootstrap.zip"), shown(&command)));
        rows.push(match &built {
            Ok(theirs) => Row::ratio("size", what, &ours.zip, theirs, bound),
            Err(error) => Row::not_measured("size", what, why(error.clone())),
        });
        if built.is_ok() && profile == PROFILE {
            let samples = lab.interleaved(5, vec![Side::of(&command)])?;
            rows.push(Row::reference("size", "for comparison: cargo-lambda with nothing to do", &samples[0]));
        }
    }
    for level in ["s", "z"] {
        let profile = format!("\n[profile.release]\nopt-level = {level:?}\n");
        let small = ours(lab, &format!("size-prod-{level}"), &profile, PROD)?;
        let what = |part| format!("mode prod with opt-level = {level:?}, {part}, against without");
        rows.push(Row::ratio("size", what("zip"), &small.zip, &prod.zip, None));
        rows.push(Row::ratio("size", what("bootstrap"), &small.bootstrap, &prod.bootstrap, None));
    }
    Ok(rows)
}

/// What we make.
struct Made {
    zip: Sample,
    bootstrap: Sample,
}

fn ours(lab: &Lab, name: &str, profile: &str, args: &[&str]) -> Result<Made> {
    let folder = with_profile(lab, name, profile)?;
    let package = lab.package(&folder, args)?;
    lab.seconds(&package)?;
    Ok(Made {
        zip: bytes(&folder.join("lambda-deployment.zip"), shown(&package))?,
        bootstrap: bytes(&folder.join("target/lambda/lambda/bootstrap"), shown(&package))?,
    })
}

/// A copy of the repository with that profile.
fn with_profile(lab: &Lab, name: &str, profile: &str) -> Result<std::path::PathBuf> {
    let folder = lab.copy(name)?;
    let manifest = folder.join("Cargo.toml");
    let text = read(&manifest)?;
    if text.contains("\n[profile.release]\n") {
        let why = "Cargo.toml has a [profile.release] by now: compare with that one, in benches/figures/size.rs";
        return Err(why.into());
    }
    write(&manifest, text + profile)?;
    Ok(folder)
}

fn bytes(file: &Path, command: String) -> Result<Sample> {
    let meta = fs::metadata(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(Sample::new(command, Unit::Bytes, vec![meta.len() as f64]))
}
