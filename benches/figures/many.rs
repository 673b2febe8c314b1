//! What it costs to package many functions in one run: sixteen packages with a crate that they share, and all the crates of
//! the example function.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::hit::settle;
use crate::lab::{Lab, copy, read, read_bytes, remove, repository, write};
use crate::measure::{Result, Side, shown};

pub const FUNCTIONS: usize = 16;
const CARGO: [&str; 3] = ["build", "--release", "--workspace"];

pub fn many(lab: &Bench) -> Result<Vec<Row>> {
    let (ours, plain) = (workspace(lab, "many")?, workspace(lab, "many-plain")?);
    lab.run(lab.command("cargo", &ours).args(["fetch", "--locked"]))?;
    lab.run(&mut lab.package(&ours, &["container", "start"])?)?;
    let (package, cargo) = (lab.package(&ours, &[])?, lab.cargo(&plain, &CARGO));
    let (force, engine) = (lab.package(&ours, &["--force"])?, lab.engine()?);
    let sides = [
        Side::of(&force).after(|| engine.remove_containers()),
        Side::of(&cargo).after(|| remove(&plain.join("target"))),
    ];
    let against = "against cargo on the host";
    let mut rows = vec![lab.ratio("many", format!("{FUNCTIONS} functions, cold, {against}"), 3, sides, 1.10)?];
    let count = Cell::new(0);
    let edit = |folder: &Path, file: &str| -> Result<()> {
        count.set(count.get() + 1);
        let path = folder.join(file);
        let text = read(&path)?;
        let kept = text.split_once(MARK).map_or(text.as_str(), |(kept, _)| kept);
        write(&path, format!("{kept}{MARK}pub const EDIT: u32 = {};\n#[used]\nstatic USED: u32 = EDIT;\n", count.get()))
    };
    for (file, what) in EDITED.into_iter().zip(["one edited", "the shared crate edited"]) {
        let sides = [Side::of(&package).after(|| edit(&ours, file)), Side::of(&cargo).after(|| edit(&plain, file))];
        rows.push(lab.ratio("many", format!("{FUNCTIONS} functions, {what}, {against}"), 5, sides, 1.10)?);
    }
    settle(lab, &package)?;
    let samples = lab.interleaved(40, vec![Side::of(&package), Side::of(&cargo)])?;
    rows.push(Row::at_most("many", format!("{FUNCTIONS} functions, nothing changed"), &samples[0], 0.015));
    let what = format!("for comparison: {FUNCTIONS} functions, nothing changed, {against}");
    rows.push(Row::ratio("many", what, &samples[0], &samples[1], None));
    rows.push(as_alone(lab, &ours, &EDITED)?);
    rows.push(by_plain_cargo(lab, &package)?);
    rows.extend(beside_cargo_lambda(lab, [&force, &package], &edit)?);
    Ok(rows)
}

/// How much of the zips in `ours`, which one pass made, is not what runs of one function each make. The files `edited` are
/// there as in `ours`.
fn as_alone(lab: &Bench, ours: &Path, edited: &[&str]) -> Result<Row> {
    let alone = workspace(lab, "many-alone")?;
    for file in edited {
        write(&alone.join(file), read(&ours.join(file))?)?;
    }
    let (mut differ, mut command) = (0, String::new());
    for name in names() {
        let package = lab.package(&alone, &["--function", &name])?;
        lab.seconds(&package)?;
        command = shown(&package);
        let zip = |folder: &Path| read_bytes(&folder.join("target/lambda").join(&name).join("lambda-deployment.zip"));
        let (together, single) = (zip(ours)?, zip(&alone)?);
        differ += if together == single { 0 } else { together.len() };
    }
    let what = format!("{FUNCTIONS} functions, zips of one pass that differ from those of {FUNCTIONS} single runs");
    Ok(Row::at_most("many", what, &Sample::new(command, Unit::Bytes, vec![differ as f64]), 0.0))
}

/// Plain `cargo build --release` of a crate whose build script packages the functions, beside one with a build script that
/// does nothing.
fn by_plain_cargo(lab: &Bench, package: &Command) -> Result<Row> {
    let build = |name: &str, script: &str| -> Result<Command> {
        let folder = workspace(lab, name)?;
        let members = format!("{MEMBERS}\n[workspace.metadata.lambda-packager]\npackage = [\"f*\"]\n");
        write(&folder.join("Cargo.toml"), members.replace("\"shared\"", "\"shared\", \"deployment\""))?;
        let library = repository().join("lambda-packager");
        let manifest =
            format!("{}[build-dependencies]\nlambda-packager = {{ path = {library:?} }}\n", head("deployment"));
        write(&folder.join("deployment/Cargo.toml"), manifest)?;
        write(&folder.join("deployment/build.rs"), script)?;
        write(&folder.join("deployment/src/lib.rs"), "")?;
        lab.run(lab.command("cargo", &folder).args(["fetch", "-q"]))?;
        let mut build = lab.cargo(&folder, &["build", "--release", "-p", "deployment"]);
        build.envs(package.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Ok(build)
    };
    let ours = build(
        "many-deployment",
        "fn main() -> std::process::ExitCode {\n    lambda_packager::BuildScript::new().run()\n}\n",
    )?;
    let empty =
        build("many-empty-build-script", "fn main() {\n    println!(\"cargo::rerun-if-changed=build.rs\");\n}\n")?;
    for command in [&ours, &empty, &ours, &empty] {
        lab.seconds(command)?;
    }
    let what =
        format!("{FUNCTIONS} functions, nothing changed, plain cargo build --release, against an empty build script");
    lab.ratio("many", what, 40, [Side::of(&ours), Side::of(&empty)], 1.05)
}

/// The same work done by cargo-lambda, which compiles on the host: from nothing, after edits, with nothing changed.
fn beside_cargo_lambda(
    lab: &Bench,
    [force, package]: [&Command; 2],
    edit: &dyn Fn(&Path, &str) -> Result<()>,
) -> Result<Vec<Row>> {
    const BUILD: [&str; 5] = ["lambda", "build", "--release", "--workspace", "--output-format=zip"];
    let (ours, theirs) = (lab.folder.join("many"), workspace(lab, "many-cargo-lambda")?);
    let build = lab.cargo(&theirs, &BUILD);
    let what = |when: &str| format!("for comparison: {FUNCTIONS} functions, {when}, against cargo-lambda");
    if let Err(why) = lab.seconds(&build) {
        let why = format!("{why}; it takes cargo-lambda and zig (pip install cargo-lambda ziglang)");
        return Ok(vec![Row::not_measured("many", what("cold"), why)]);
    }
    let engine = lab.engine()?;
    let cold = [
        Side::of(force).after(|| engine.remove_containers()),
        Side::of(&build).after(|| remove(&theirs.join("target"))),
    ];
    let mut rows = vec![lab.ratio("many", what("cold"), 1, cold, None)?];
    for (file, when, count) in [(EDITED[0], "one edited", 3), (EDITED[1], "the shared crate edited", 1)] {
        let edited = [Side::of(package).after(|| edit(&ours, file)), Side::of(&build).after(|| edit(&theirs, file))];
        rows.push(lab.ratio("many", what(when), count, edited, None)?);
    }
    rows.push(lab.ratio("many", what("nothing changed"), 5, [Side::of(package), Side::of(&build)], None)?);
    Ok(rows)
}

pub fn names() -> impl Iterator<Item = String> {
    (1..=FUNCTIONS).map(|number| format!("f{number:02}"))
}

/// What is edited: a function, and the crate that all share.
const EDITED: [&str; 2] = ["functions/f01/src/main.rs", "shared/src/lib.rs"];

/// Before what an edit adds.
const MARK: &str = "\n// Edited.\n";

const MEMBERS: &str = "[workspace]\nmembers = [\"functions/*\", \"shared\"]\nresolver = \"3\"\n";

fn head(name: &str) -> String {
    format!("[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n")
}

/// A workspace of the functions, whose shared crate is the library of the example function.
pub fn workspace(lab: &Lab, name: &str) -> Result<PathBuf> {
    let folder = lab.folder.join(name);
    if folder.exists() {
        return Ok(folder);
    }
    let lambda = repository().join("lambda");
    let manifest = read(&lambda.join("Cargo.toml"))?;
    let dependencies = manifest.split_once("[dependencies]").ok_or("lambda has no dependencies")?.1;
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    write(&folder.join("Cargo.toml"), MEMBERS)?;
    write(&folder.join("Cargo.lock"), read(&repository().join("Cargo.lock"))?)?;
    copy(&lambda.join("src"), &folder.join("shared/src"))?;
    for program in ["main.rs", "log.rs"] {
        fs::remove_file(folder.join("shared/src").join(program)).map_err(|e| format!("{program}: {e}"))?;
    }
    let library = "[lib]\nname = \"lambda_function\"\n\n";
    write(&folder.join("shared/Cargo.toml"), format!("{}{library}[dependencies]{dependencies}", head("shared")))?;
    let main = read(&lambda.join("src/main.rs"))?.replace("mod log;\n", "").replace("    log::init();\n", "");
    for name in names() {
        let own = "shared = { path = \"../../shared\" }";
        let function = folder.join("functions").join(&name);
        write(&function.join("Cargo.toml"), format!("{}[dependencies]\n{own}{dependencies}", head(&name)))?;
        let named = format!("{main}\n#[used]\nstatic NAME: &str = {name:?};\n");
        write(&function.join("src/main.rs"), named)?;
    }
    // The versions that are known here; what this machine lacks of them is fetched.
    lab.run(lab.command("cargo", &folder).args(["fetch", "-q"]))?;
    Ok(folder)
}
