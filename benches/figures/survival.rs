//! What the reused container costs on its worse days: a container that is gone, the packager's own
//! memory, and a build that never stops talking.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::compile::again;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, edit, write};
use crate::measure::{Result, run, shown, timed};

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
    let hello = tiny(lab, "recovered", None)?;
    let package = lab.package(&hello, &[])?;
    run(&mut again(&package), &lab.log())?;
    let mut count = 0;
    let mut edited = || {
        count += 1;
        write(&hello.join("src/main.rs"), format!("fn main() {{\n    println!(\"{count}\");\n}}\n"))
    };
    let mut added = Vec::new();
    for _ in 0..lab.rounds(15) {
        edited()?;
        let normal = timed(&mut again(&package), 0, &lab.log())?;
        edited()?;
        engine.remove_containers()?;
        added.push(timed(&mut again(&package), 0, &lab.log())? - normal);
    }
    let what = "a build whose container was removed, over a build whose container was not";
    Ok(vec![Row::at_most("recovery", what, &Sample::new(shown(&package), Unit::Seconds, added), 1.5)])
}

pub fn memory(lab: &Bench) -> Result<Vec<Row>> {
    const BOUND_BYTES: f64 = 50e6;
    let (ours, talkative) = (lab.deployment()?, tiny(lab, "talkative", Some(TALKATIVE))?);
    let package = lab.package(&ours, &[])?;
    let loud = |lines: &str| {
        lab.package(&talkative, &["--force"]).map(|mut command| {
            command.env("LINES", lines);
            command
        })
    };
    let (mut edited, mut printing) = (Vec::new(), Vec::new());
    for _ in 0..lab.rounds(5) {
        edit(&ours)?;
        edited.push(peak_bytes(&mut again(&package))?);
        run(&mut loud("0")?, &lab.log())?;
        printing.push(peak_bytes(&mut loud(LINES)?)?);
    }
    let sample = |command: &Command, values| Sample::new(shown(command), Unit::Bytes, values);
    Ok(vec![
        Row::at_most(
            "memory",
            "the packager's own peak, this repository edited",
            &sample(&package, edited),
            BOUND_BYTES,
        ),
        Row::at_most("memory", "the same, a build that prints 100 MB", &sample(&loud(LINES)?, printing), BOUND_BYTES),
    ])
}

/// What printing adds to a build through us, against what it adds to the same cargo call by the engine's
/// own command line into a file.
pub fn logs(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let folder = tiny(lab, "talkative", Some(TALKATIVE))?;
    let package = |lines: &str| {
        lab.package(&folder, &["--force"]).map(|mut command| {
            command.env("LINES", lines);
            command
        })
    };
    run(&mut package("0")?, &lab.log())?;
    let container = engine.container_in(&folder)?;
    let exec = |lines: &str| {
        let target = ["--target-dir=/tmp/target", "--release", "--offline", "--locked", "-vv"];
        let lines = format!("LINES={lines}");
        let exec = ["exec", "--interactive", "--workdir=/workspace", "--env", &lines, &container, "cargo", "build"];
        engine.docker(&[&exec[..], &target].concat())
    };
    run(&mut exec("0"), &lab.log())?;
    let (mut ours, mut base) = (Vec::new(), Vec::new());
    for _ in 0..lab.rounds(7) {
        // The quiet build of each side is what it takes besides: only the printing is compared.
        let besides = timed(&mut package("0")?, 0, &lab.log())? - timed(&mut exec("0"), 0, &lab.log())?;
        ours.push(timed(&mut package(LINES)?, 0, &lab.log())? - besides);
        base.push(timed(&mut exec(LINES), 0, &lab.log())?);
    }
    let ours = Sample::new(shown(&package(LINES)?), Unit::Seconds, ours);
    let base = Sample::new(shown(&exec(LINES)), Unit::Seconds, base);
    let what = "a build that prints 100 MB, what the same builds cost that print nothing levelled, against the engine's own exec";
    Ok(vec![Row::ratio("logs", what, &ours, &base, 1.03)])
}

/// A crate without dependencies, with this build script.
fn tiny(lab: &Lab, name: &str, build_script: Option<&str>) -> Result<std::path::PathBuf> {
    let folder = lab.folder.join(name);
    let head = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n");
    let settings = "\n[package.metadata.lambda-packager]\ncargo_flags = [\"-vv\"]\npass_env = [\"LINES\"]\n";
    let told = if build_script.is_some() { settings } else { "" };
    write(&folder.join("Cargo.toml"), format!("{head}{told}"))?;
    write(&folder.join("src/main.rs"), "fn main() {}\n")?;
    if let Some(script) = build_script {
        write(&folder.join("build.rs"), script)?;
    }
    Ok(folder)
}

/// The most memory that the program itself held, without those that it started.
fn peak_bytes(command: &mut Command) -> Result<f64> {
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
