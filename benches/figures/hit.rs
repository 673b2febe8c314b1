//! What it costs where nothing changed: the bin, and cargo with our build script.

use std::path::Path;

use crate::bench::Bench;
use crate::figure::Row;
use crate::lab::{Lab, write};
use crate::measure::{Result, Side};

const RELEASE: [&str; 4] = ["build", "--release", "-p", "lambda"];

pub fn hit(lab: &Bench) -> Result<Vec<Row>> {
    let plain = lab.plain(&RELEASE)?;
    // Where it was compiled plays no part in a hit.
    let is_there = lab.deployment().is_ok();
    let ours = lab.copy("deployment")?;
    let package = if is_there { lab.package(&ours, &[])? } else { lab.package_on_host(&ours, &[])? };
    settle(lab, &package)?;
    let cargo = lab.cargo(&plain, &RELEASE);
    let samples = lab.interleaved(60, vec![Side::of(&package), Side::of(&cargo)])?;
    let (bin, base) = (&samples[0], &samples[1]);
    let mut rows = vec![
        Row::at_most("hit", format!("this repository, {} files", count(&ours.join("lambda"))), bin, 0.010),
        Row::ratio("hit", "against cargo on the host with nothing to do", bin, base, 0.2),
    ];
    if let Some(four_stage) = lab.four_stage_if_there() {
        for (builder, _) in &four_stage.builders {
            let build = four_stage.build(lab, builder)?;
            let what = "for comparison: against the four-stage Dockerfile with nothing to do";
            let sides = [Side::of(&package), Side::of(&build)];
            rows.push(lab.ratio("hit", format!("{what}, {}", builder.name), 5, sides, None)?);
        }
    }
    Ok(rows)
}

/// Plain `cargo build --release` of the deployment crate, beside the same workspace with a build script
/// that does nothing.
pub fn unchanged(lab: &Bench) -> Result<Vec<Row>> {
    let (ours, empty) = (lab.copy("deployment")?, lab.copy("empty-build-script")?);
    let constants = ["ZIP", "SHA256", "MANIFEST"].map(|name| format!("LAMBDA_DEPLOYMENT_{name}"));
    let lines = constants.map(|name| format!("    println!(\"cargo::rustc-env={name}=\");\n")).concat();
    let script = format!("fn main() {{\n    println!(\"cargo::rerun-if-changed=build.rs\");\n{lines}}}\n");
    write(&empty.join("build.rs"), script)?;
    let mut build = lab.cargo(&ours, &["build", "--release"]);
    // The build script finds what the bin left, if that was here before.
    let package = lab.package(&ours, &[]).or_else(|_| lab.package_on_host(&ours, &[]))?;
    build.envs(package.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let base = lab.cargo(&empty, &["build", "--release"]);
    for command in [&build, &base, &build, &base] {
        lab.seconds(command)?;
    }
    let what = "plain cargo build --release, against the same with an empty build script";
    Ok(vec![lab.ratio("unchanged", what, 40, [Side::of(&build), Side::of(&base)], 1.05)?])
}

/// Runs until what is on disk is older than the record of it.
pub fn settle(lab: &Lab, package: &std::process::Command) -> Result<()> {
    for _ in 0..3 {
        lab.seconds(package)?;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(())
}

fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}
