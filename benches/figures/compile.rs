//! What a compile costs: the first, after an edit, in mode `dev`; and the container for it.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::engine::Engine;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{edit, read_bytes, remove};
use crate::measure::{Result, Side, again, shown, stage};

const RELEASE: [&str; 4] = ["build", "--release", "-p", "lambda"];
const DEV: [&str; 3] = ["build", "-p", "lambda"];

pub fn cold(lab: &Bench) -> Result<Vec<Row>> {
    const WHAT: &str = "nothing compiled yet, builder image at hand, against cargo on the host";
    first_builds(lab, lab.engine()?, ("cold", WHAT), 5, 1.05)
}

/// The same on an engine that stacks its layers in user space, as engines in other containers often do.
pub fn cold_fuse(lab: &Bench) -> Result<Vec<Row>> {
    const WHAT: &str =
        "nothing compiled yet, builder image at hand, on an engine with fuse-overlayfs, against cargo on the host";
    let engine = Engine::start_with(&lab.folder.join("fuse"), lab.label(), Some("fuse-overlayfs"))?;
    engine.must_be_own()?;
    first_builds(lab, &engine, ("cold-fuse", WHAT), 3, 1.10)
}

/// First builds, both sides in a new folder in each round. Nothing is removed between the rounds but the dependencies that
/// were kept: for minutes, the file system searches among the files that were removed whenever it makes one, which no
/// first build of a user has to wait for.
fn first_builds(
    lab: &Bench,
    engine: &Engine,
    (figure, what): (&'static str, &'static str),
    usual: usize,
    bound: f64,
) -> Result<Vec<Row>> {
    let package = |folder: &Path, args: &[&str]| -> Result<Command> {
        let mut command = lab.package(folder, args)?;
        engine.apply_to(&mut command);
        Ok(command)
    };
    // The builder image is at hand after this, the crates are on the machine.
    let ready = lab.copy("deployment")?;
    lab.run(lab.command("cargo", &ready).args(["fetch", "--locked"]))?;
    lab.run(&mut package(&ready, &["container", "start"])?)?;
    let count = Cell::new(0);
    let folder = |whose: &str| lab.folder.join(format!("{figure}-{}-{whose}", count.get()));
    let another = |whose: &str| lab.copy(&format!("{figure}-{}-{whose}", count.get())).map(drop);
    let ours = || package(&folder("ours"), &[]).expect("the engine and the bin are there since `container start`");
    let ours = Side::new(ours).after(|| {
        count.set(count.get() + 1);
        engine.remove_kept_dependencies()?;
        another("ours")
    });
    let base = Side::new(|| lab.cargo(&folder("base"), &RELEASE)).after(|| another("base"));
    Ok(vec![lab.ratio(figure, what, usual, [ours, base], bound)?])
}

/// A checkout of which nothing was built before, where another one was: a new folder in each round.
pub fn second_checkout(lab: &Bench) -> Result<Vec<Row>> {
    lab.deployment()?;
    let (cold, plain) = (lab.copy("cold")?, lab.copy("plain")?);
    // Neither starts from what another checkout left, nor leaves anything.
    lab.run(lab.package(&cold, &["--force"])?.env("LAMBDA_PACKAGER_DEPS_CACHE_LIMIT", "0"))?;
    let count = Cell::new(0);
    let folder = || lab.folder.join(format!("second-{}", count.get()));
    let another = || {
        count.set(count.get() + 1);
        lab.copy(&format!("second-{}", count.get())).map(drop)
    };
    let package = || lab.package(&folder(), &[]).expect("the engine and the bin are there since the first of them");
    let cargo = lab.cargo(&plain, &RELEASE);
    let sides = [Side::new(package).after(another), Side::of(&cargo).after(|| remove(&plain.join("target")))];
    let what = "second checkout of the same lockfile, everything included, against cargo's first build on the host";
    let row = lab.ratio("second", what, 3, sides, 0.2)?;
    let zip = |folder: &Path| read_bytes(&folder.join("lambda-deployment.zip"));
    if zip(&folder())? != zip(&cold)? {
        return Err("its zip is another one than that of a cold build".into());
    }
    Ok(vec![row])
}

/// Names what `edit` is compared to.
const AGAINST: &str = "one line edited, edit to zip, against ";

pub fn edited(lab: &Bench) -> Result<Vec<Row>> {
    let (ours, plain) = (lab.deployment()?, lab.plain(&RELEASE)?);
    let (package, cargo) = (lab.package(&ours, &[])?, lab.cargo(&plain, &RELEASE));
    let (mut missing, mut builds) = (Vec::new(), Vec::new());
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
    let mut sides = vec![Side::of(&package).after(|| edit(&ours)), Side::of(&cargo).after(|| edit(&plain))];
    sides.extend(builds.iter().map(|(_, _, build)| Side::of(build).after(|| edit(&workspace))));
    let samples = lab.interleaved(5, sides)?;
    let mut rows = vec![Row::ratio("edit", format!("{AGAINST}cargo on the host"), &samples[0], &samples[1], 1.06)];
    for ((builder, cold, build), sample) in builds.iter().zip(&samples[2..]) {
        // Only the better of the two was promised to be beaten.
        let bound = (builder.name == "BuildKit").then_some(1.0);
        let what = format!("{AGAINST}the four-stage Dockerfile, {}", builder.name);
        rows.push(Row::ratio("edit", what, &samples[0], sample, bound));
        let cold = Sample::new(shown(build), Unit::Seconds, vec![*cold]);
        let what = format!("for comparison: the first build of the four-stage Dockerfile, {}", builder.name);
        rows.push(Row::reference("edit", what, &cold));
    }
    let what = |name| format!("{AGAINST}the four-stage Dockerfile, {name}");
    rows.extend(missing.into_iter().map(|(name, why)| Row::not_measured("edit", what(name), why)));
    Ok(rows)
}

/// The same engine through TCP, as one on another machine, and through its socket.
pub fn remote(lab: &Bench) -> Result<Vec<Row>> {
    const WHAT: &str = "one line edited, edit to zip, an engine through TCP against the same through its socket";
    let address = match lab.engine()?.over_tcp() {
        Ok(address) => address,
        Err(why) => return Ok(vec![Row::not_measured("remote", WHAT, why)]),
    };
    let (local, far) = (lab.deployment()?, lab.copy("far")?);
    let (socket, mut tcp) = (lab.package(&local, &[])?, lab.package(&far, &[])?);
    tcp.env("DOCKER_HOST", address);
    lab.seconds(&tcp)?;
    let sides = [Side::of(&tcp).after(|| edit(&far)), Side::of(&socket).after(|| edit(&local))];
    Ok(vec![lab.ratio("remote", WHAT, 5, sides, 1.15)?])
}

pub fn dev(lab: &Bench) -> Result<Vec<Row>> {
    let (ours, plain) = (lab.copy("deployment")?, lab.plain(&DEV)?);
    let (package, cargo) = (lab.package(&ours, &["--mode", "dev"])?, lab.cargo(&plain, &DEV));
    lab.seconds(&package)?;
    let sides = [Side::of(&package).after(|| edit(&ours)), Side::of(&cargo).after(|| edit(&plain))];
    let what = "mode dev, one line edited, edit to zip, against cargo's profile dev";
    Ok(vec![lab.ratio("dev", what, 9, sides, 1.2)?])
}

/// The mode for the fastest edit against the one for the smallest package.
pub fn modes(lab: &Bench) -> Result<Vec<Row>> {
    let ours = lab.copy("deployment")?;
    let (dev, prod) = (lab.package(&ours, &["--mode", "dev"])?, lab.package(&ours, &["--mode", "prod"])?);
    for package in [&dev, &prod] {
        lab.seconds(package)?;
    }
    let sides = [&dev, &prod].map(|package| Side::of(package).after(|| edit(&ours)));
    Ok(vec![lab.ratio("modes", "one line edited, edit to zip, mode dev against mode prod", 3, sides, 1.0)?])
}

/// A container where there is none, with the image of the borrowed toolchain and without.
pub fn container(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let hello = lab.empty_crate("hello", "src/main.rs", "fn main() {\n    println!(\"hello\");\n}\n", "")?;
    let package = lab.package(&hello, &["--force", "--message-format", "json"])?;
    lab.seconds(&package)?;
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    let own = engine.must_be_own();
    for _ in 0..lab.rounds(7) {
        engine.remove_containers()?;
        present.push(stage("container", &mut again(&package))?);
        if own.is_ok() {
            engine.remove_containers()?;
            engine.remove_borrowed()?;
            absent.push(stage("container", &mut again(&package))?);
        }
    }
    let what = |image: &str| format!("stage `container` with the borrowed toolchain, its image {image}");
    let at_most_1_s = |image, values| {
        Row::at_most("container", what(image), &Sample::new(shown(&package), Unit::Seconds, values), 1.0)
    };
    Ok(vec![
        at_most_1_s("present", present),
        match own {
            Ok(()) => at_most_1_s("absent", absent),
            Err(why) => Row::not_measured("container", what("absent"), why),
        },
    ])
}
