//! What the reused container costs on its worse days: a container that is gone, the packager's own
//! memory, and a build that never stops talking.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, edit, write};
use crate::measure::{Result, again, shown};

/// A crate whose build script prints as many lines as it is told to, each of a hundred bytes with
/// cargo's own mark on it.
const TALKATIVE: &str = r#"use std::io::Write;

fn main() {
    println!("cargo::rerun-if-env-changed=LINES");
    let lines: u32 = std::env::var("LINES").map_or(0, |text| text.parse().unwrap());
    let mut out = std::io::BufWriter::new(std::io::stderr());
    for line in 0..lines {
        writeln!(out, "{line:8} said by a build script that has much to say about what it is doing").unwrap();
    }
}
"#;
/// So many that cargo prints a hundred megabytes.
const LINES: &str = "1100000";

pub fn recovery(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let hello = lab.empty_crate("recovered", "src/main.rs", "fn main() {}\n", "")?;
    let package = lab.package(&hello, &[])?;
    lab.seconds(&package)?;
    let mut count = 0;
    let mut edited = || {
        count += 1;
        write(&hello.join("src/main.rs"), format!("fn main() {{\n    println!(\"{count}\");\n}}\n"))
    };
    let mut added = Vec::new();
    for _ in 0..lab.rounds(15) {
        edited()?;
        let normal = lab.seconds(&package)?;
        edited()?;
        engine.remove_containers()?;
        added.push(lab.seconds(&package)? - normal);
    }
    let what = "a build whose container was removed, over a build whose container was not";
    Ok(vec![Row::at_most("recovery", what, &Sample::new(shown(&package), Unit::Seconds, added), 1.5)])
}

pub fn memory(lab: &Bench) -> Result<Vec<Row>> {
    const BOUND_BYTES: f64 = 50e6;
    let (ours, folder) = (lab.deployment()?, talkative(lab)?);
    let package = lab.package(&ours, &[])?;
    let loud = |lines| printing(lab, &folder, lines);
    let (mut edited, mut printed) = (Vec::new(), Vec::new());
    for _ in 0..lab.rounds(5) {
        edit(&ours)?;
        edited.push(peak_bytes(&mut again(&package))?);
        lab.run(&mut loud("0")?)?;
        printed.push(peak_bytes(&mut loud(LINES)?)?);
    }
    let row = |what, command: &Command, values| {
        Row::at_most("memory", what, &Sample::new(shown(command), Unit::Bytes, values), BOUND_BYTES)
    };
    Ok(vec![
        row("the packager's own peak, this repository edited", &package, edited),
        row("the same, a build that prints 100 MB", &loud(LINES)?, printed),
    ])
}

/// What printing adds to a build through us, against what it adds to the same cargo call by the engine's
/// own command line into a file.
pub fn logs(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let folder = talkative(lab)?;
    let package = |lines| printing(lab, &folder, lines);
    lab.run(&mut package("0")?)?;
    let container = engine.container_in(&folder)?;
    let exec = |lines: &str| {
        let target = ["--target-dir=/tmp/target", "--release", "--offline", "--locked", "-vv"];
        let lines = format!("LINES={lines}");
        let exec = ["exec", "--interactive", "--workdir=/workspace", "--env", &lines, &container, "cargo", "build"];
        engine.docker(&[&exec[..], &target].concat())
    };
    lab.run(&mut exec("0"))?;
    let (mut ours, mut base) = (Vec::new(), Vec::new());
    for _ in 0..lab.rounds(7) {
        // The quiet build of each side is what it takes besides: only the printing is compared.
        let besides = lab.seconds(&package("0")?)? - lab.seconds(&exec("0"))?;
        ours.push(lab.seconds(&package(LINES)?)? - besides);
        base.push(lab.seconds(&exec(LINES))?);
    }
    let ours = Sample::new(shown(&package(LINES)?), Unit::Seconds, ours);
    let base = Sample::new(shown(&exec(LINES)), Unit::Seconds, base);
    let what = "a build that prints 100 MB, what the same builds cost that print nothing levelled, against the engine's own exec";
    Ok(vec![Row::ratio("logs", what, &ours, &base, 1.03)])
}

/// A crate whose build script prints as many lines as `LINES` says.
fn talkative(lab: &Lab) -> Result<PathBuf> {
    let settings = "\n[package.metadata.lambda-packager]\ncargo_flags = [\"-vv\"]\npass_env = [\"LINES\"]\n";
    let folder = lab.empty_crate("talkative", "src/main.rs", "fn main() {}\n", settings)?;
    write(&folder.join("build.rs"), TALKATIVE)?;
    Ok(folder)
}

/// A build of it with so many lines.
fn printing(lab: &Lab, folder: &Path, lines: &str) -> Result<Command> {
    let mut command = lab.package(folder, &["--force"])?;
    command.env("LINES", lines);
    Ok(command)
}

/// The most memory that the program itself held, without those that it started.
pub fn peak_bytes(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| format!("{} does not start: {e}", shown(command)))?;
    let status = format!("/proc/{}/status", child.id());
    let begun = Instant::now();
    let mut peak = 0.0;
    // The kernel keeps the high-water mark as long as the process lives.
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
        peak = kilobytes.and_then(|text| text.trim().parse().ok()).map_or(peak, |kilobytes: f64| kilobytes * 1024.0);
        match child.try_wait() {
            Ok(Some(ended)) => break ended,
            _ if begun.elapsed() > Duration::from_secs(600) => return Err(format!("{} does not end", shown(command))),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    if ended.success() { Ok(peak) } else { Err(format!("`{}` ended with {ended}", shown(command))) }
}
