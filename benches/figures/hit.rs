//! What it costs where nothing changed: the bin, and cargo with our build script.

use std::path::Path;

use crate::bench::Bench;
use crate::compile::{again, pair};
use crate::figure::Row;
use crate::lab::{Lab, write};
use crate::measure::{Result, Side, interleaved, run};

const RELEASE: [&str; 4] = ["build", "--release", "-p", "lambda"];

pub fn hit(lab: &Bench) -> Result<Vec<Row>> {
    let plain = lab.plain(&RELEASE)?;
    // Where it was compiled plays no part in a hit.
    let (ours, package) = match lab.deployment() {
        Ok(folder) => (folder.clone(), lab.package(&folder, &[])?),
        Err(_) => {
            let folder = lab.copy("deployment")?;
            (folder.clone(), lab.package_on_host(&folder, &[])?)
        }
    };
    settle(lab, &package)?;
    let sides = vec![Side::new(|| again(&package)), Side::new(|| lab.cargo(&plain, &RELEASE))];
    let [bin, base] = pair(interleaved(lab.rounds(60), &lab.log(), sides)?);
    let mut rows = vec![
        Row::at_most("hit", format!("this repository, {} files", count(&ours.join("lambda"))), &bin, 0.010),
        Row::ratio("hit", "against cargo on the host with nothing to do", &bin, &base, 0.2),
    ];
    if let Some(four_stage) = lab.four_stage_if_there() {
        for (builder, _) in &four_stage.builders {
            let build = four_stage.build(lab, builder)?;
            let sides = vec![Side::new(|| again(&package)), Side::new(|| again(&build))];
            let [bin, base] = pair(interleaved(lab.rounds(5), &lab.log(), sides)?);
            let what =
                format!("for comparison: against the four-stage Dockerfile with nothing to do, {}", builder.name);
            rows.push(Row::ratio("hit", what, &bin, &base, None));
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
    for _ in 0..2 {
        run(&mut again(&build), &lab.log())?;
        run(&mut lab.cargo(&empty, &["build", "--release"]), &lab.log())?;
    }
    let sides = vec![Side::new(|| again(&build)), Side::new(|| lab.cargo(&empty, &["build", "--release"]))];
    let [ours, base] = pair(interleaved(lab.rounds(40), &lab.log(), sides)?);
    let what = "plain cargo build --release, against the same with an empty build script";
    Ok(vec![Row::ratio("unchanged", what, &ours, &base, 1.05)])
}

/// Runs until what is on disk is older than the record of it.
pub fn settle(lab: &Lab, package: &std::process::Command) -> Result<()> {
    for _ in 0..3 {
        run(&mut again(package), &lab.log())?;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(())
}

fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}
