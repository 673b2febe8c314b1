//! What a compile costs: the first, after an edit, in mode `dev`; and the container for it.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{self, edit, read_bytes, write};
use crate::measure::{Result, Side, ask, interleaved, run, shown};

const RELEASE: [&str; 4] = ["build", "--release", "-p", "lambda"];
const DEV: [&str; 3] = ["build", "-p", "lambda"];

pub fn cold(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let (ours, plain) = (lab.copy("deployment")?, lab.copy("plain")?);
    // The builder image is at hand after this, the crates are on the machine.
    run(lab.command("cargo", &ours).args(["fetch", "--locked"]), &lab.log())?;
    run(&mut lab.package(&ours, &["container", "start"])?, &lab.log())?;
    let package = lab.package(&ours, &["--force"])?;
    let sides = vec![
        Side::new(|| again(&package)).after(|| engine.remove_containers()),
        Side::new(|| lab.cargo(&plain, &RELEASE)).after(|| lab::remove(&plain.join("target"))),
    ];
    let [ours, base] = pair(interleaved(lab.rounds(5), &lab.log(), sides)?);
    Ok(vec![Row::ratio(
        "cold",
        "nothing compiled yet, builder image at hand, against cargo on the host",
        &ours,
        &base,
        1.05,
    )])
}

/// A checkout of which nothing was built before, where another one was: a new folder in each round.
pub fn second_checkout(lab: &Bench) -> Result<Vec<Row>> {
    lab.deployment()?;
    let (cold, plain) = (lab.copy("cold")?, lab.copy("plain")?);
    // Neither starts from what another checkout left, nor leaves anything.
    run(lab.package(&cold, &["--force"])?.env("LAMBDA_PACKAGER_DEPS_CACHE_LIMIT", "0"), &lab.log())?;
    let count = Cell::new(0);
    let folder = || lab.folder.join(format!("second-{}", count.get()));
    let another = || {
        count.set(count.get() + 1);
        lab.copy(&format!("second-{}", count.get())).map(drop)
    };
    let package = || lab.package(&folder(), &[]).expect("the engine and the bin are there since the first of them");
    let sides = vec![
        Side::new(package).after(another),
        Side::new(|| lab.cargo(&plain, &RELEASE)).after(|| lab::remove(&plain.join("target"))),
    ];
    let [ours, base] = pair(interleaved(lab.rounds(3), &lab.log(), sides)?);
    let what = "second checkout of the same lockfile, everything included, against cargo's first build on the host";
    let zip = |folder: &Path| read_bytes(&folder.join("lambda-deployment.zip"));
    if zip(&folder())? != zip(&cold)? {
        return Err("its zip is another one than that of a cold build".into());
    }
    Ok(vec![Row::ratio("second", what, &ours, &base, 0.2)])
}

/// Names what `edit` is compared to.
const AGAINST: &str = "one line edited, edit to zip, against ";

pub fn edited(lab: &Bench) -> Result<Vec<Row>> {
    let (ours, plain) = (lab.deployment()?, lab.plain(&RELEASE)?);
    let package = lab.package(&ours, &[])?;
    let mut missing = Vec::new();
    let mut builds = Vec::new();
    let four_stage = lab.four_stage();
    match &four_stage {
        Ok(four_stage) => {
            missing.extend(four_stage.missing.clone());
            for (builder, cold) in &four_stage.builders {
                builds.push((builder, *cold, four_stage.build(lab, builder)?));
            }
        }
        Err(why) => missing.extend(["BuildKit", "legacy builder"].map(|name| (name, why.clone()))),
    }
    let workspace = lab.folder.join("context/workspace");
    let mut sides = vec![
        Side::new(|| again(&package)).after(|| edit(&ours)),
        Side::new(|| lab.cargo(&plain, &RELEASE)).after(|| edit(&plain)),
    ];
    for (_, _, build) in &builds {
        sides.push(Side::new(|| again(build)).after(|| edit(&workspace)));
    }
    let samples = interleaved(lab.rounds(5), &lab.log(), sides)?;
    let mut rows = vec![Row::ratio("edit", format!("{AGAINST}cargo on the host"), &samples[0], &samples[1], 1.10)];
    for ((builder, cold, build), sample) in builds.iter().zip(&samples[2..]) {
        // Only the better of the two was promised to be beaten.
        let bound = (builder.name == "BuildKit").then_some(1.0);
        let what = format!("{AGAINST}the four-stage Dockerfile, {}", builder.name);
        rows.push(Row::ratio("edit", what, &samples[0], sample, bound));
        let cold = Sample::new(shown(build), Unit::Seconds, vec![*cold]);
        let what = format!("for comparison: the first build of the four-stage Dockerfile, {}", builder.name);
        rows.push(Row::reference("edit", what, &cold));
    }
    rows.extend(
        missing
            .into_iter()
            .map(|(name, why)| Row::not_measured("edit", format!("{AGAINST}the four-stage Dockerfile, {name}"), why)),
    );
    Ok(rows)
}

pub fn dev(lab: &Bench) -> Result<Vec<Row>> {
    let (ours, plain) = (lab.copy("deployment")?, lab.plain(&DEV)?);
    let package = lab.package(&ours, &["--mode", "dev"])?;
    run(&mut again(&package), &lab.log())?;
    let sides = vec![
        Side::new(|| again(&package)).after(|| edit(&ours)),
        Side::new(|| lab.cargo(&plain, &DEV)).after(|| edit(&plain)),
    ];
    let [ours, base] = pair(interleaved(lab.rounds(9), &lab.log(), sides)?);
    Ok(vec![Row::ratio(
        "dev",
        "mode dev, one line edited, edit to zip, against cargo's profile dev",
        &ours,
        &base,
        3.0,
    )])
}

/// The mode for the fastest edit against the one for the smallest package.
pub fn modes(lab: &Bench) -> Result<Vec<Row>> {
    let ours = lab.copy("deployment")?;
    let (dev, prod) = (lab.package(&ours, &["--mode", "dev"])?, lab.package(&ours, &["--mode", "prod"])?);
    for package in [&dev, &prod] {
        run(&mut again(package), &lab.log())?;
    }
    let sides = vec![Side::new(|| again(&dev)).after(|| edit(&ours)), Side::new(|| again(&prod)).after(|| edit(&ours))];
    let [dev, prod] = pair(interleaved(lab.rounds(3), &lab.log(), sides)?);
    Ok(vec![Row::ratio("modes", "one line edited, edit to zip, mode dev against mode prod", &dev, &prod, 1.0)])
}

/// A container where there is none, with the image of the borrowed toolchain and without.
pub fn container(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let hello = lab.folder.join("hello");
    write(
        &hello.join("Cargo.toml"),
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n",
    )?;
    write(&hello.join("src/main.rs"), "fn main() {\n    println!(\"hello\");\n}\n")?;
    let package = lab.package(&hello, &["--force", "--message-format", "json"])?;
    run(&mut again(&package), &lab.log())?;
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    let own = engine.must_be_own();
    for _ in 0..lab.rounds(7) {
        engine.remove_containers()?;
        present.push(stage_container(&mut again(&package))?);
        if own.is_ok() {
            engine.remove_containers()?;
            engine.remove_borrowed()?;
            absent.push(stage_container(&mut again(&package))?);
        }
    }
    let what = |image: &str| format!("stage `container` with the borrowed toolchain, its image {image}");
    let sample = |values| Sample::new(shown(&package), Unit::Seconds, values);
    Ok(vec![
        Row::at_most("container", what("present"), &sample(present), 1.0),
        match own {
            Ok(()) => Row::at_most("container", what("absent"), &sample(absent), 1.0),
            Err(why) => Row::not_measured("container", what("absent"), why),
        },
    ])
}

/// Seconds of the stage, as the packager tells them.
fn stage_container(command: &mut Command) -> Result<f64> {
    let said = ask(command)?;
    let events = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut finished = events.filter(|event| event["event"] == "finished");
    let elapsed_ms = finished.next().and_then(|event| event["stages_ms"]["container"].as_f64());
    elapsed_ms.map(|ms| ms / 1e3).ok_or_else(|| format!("`{}` tells of no stage `container`", shown(command)))
}

/// The same command once more.
pub fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    copy
}

pub fn pair(samples: Vec<Sample>) -> [Sample; 2] {
    samples.try_into().expect("as many samples as sides")
}
