//! The image of the function in a registry: the first one, the one after an edit, and the one that is there.

use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, edit};
use crate::measure::{Result, ask, shown};
use crate::service::Service;

/// Of a clean checkout, and of one where what an earlier one compiled is at hand.
pub const CLEAN_SECS: f64 = 5.0 * 60.0;
pub const CACHED_SECS: f64 = 2.0 * 60.0;
/// Besides the gate; one round trip to a registry on this machine is no time.
const UNCHANGED_SECS: f64 = 1.0;
/// Of bootstrap, libraries and certificates.
const LEAN: f64 = 1.1;

pub fn publish(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let registry = Service::registry(&lab.folder.join("registry"))?;
    lab.run(lab.command("cargo", &lab.copy("pushed")?).args(["fetch", "--locked"]))?;

    // Once each: nothing of it may be there before, in the engine, in the registry or in the checkout.
    engine.remove_containers()?;
    let clean = make(lab, &lab.copy("pushed")?, "push", &registry, None)?;
    let clean = Sample::new(shown(&clean), Unit::Seconds, vec![lab.seconds(&clean)?]);
    // Another machine of a pipeline: it has the packager and what the engine kept.
    let folder = lab.copy("pushed-again")?;
    edit(&folder)?;
    let cached = make(lab, &folder, "push", &registry, Some(lab.packager()?))?;
    let cached = Sample::new(shown(&cached), Unit::Seconds, vec![lab.seconds(&cached)?]);

    let gate = lab.package(&folder, &[])?;
    let push = lab.package(&folder, &["image", "push", "--env", "preprod", "--registry", &registry.address])?;
    let mut besides = Vec::new();
    for _ in 0..lab.rounds(20) {
        let gate = lab.seconds(&gate)?;
        besides.push(lab.seconds(&push)? - gate);
    }
    let besides = Sample::new(shown(&push), Unit::Seconds, besides);
    let edited = "clean checkout, one line edited, packager and compiled dependencies at hand, image pushed";
    let mut rows = vec![
        Row::at_most("publish", "clean checkout, packager and function compiled, image pushed", &clean, CLEAN_SECS),
        Row::at_most("publish", edited, &cached, CACHED_SECS),
        Row::at_most("publish", "nothing changed: what a push takes besides the gate", &besides, UNCHANGED_SECS),
    ];
    let what = "bytes of the image of lambda, against bootstrap, its libraries and certificates";
    rows.push(match size(lab, &folder) {
        Ok((all, needed)) => Row::ratio("publish", what, &all, &needed, LEAN),
        Err(why) => Row::not_measured("publish", what, why),
    });
    Ok(rows)
}

/// `make push` or `make deploy` as one types it; with the packager of the checkout, or with one that is compiled already.
pub fn make(lab: &Lab, folder: &Path, target: &str, registry: &Service, packager: Option<&Path>) -> Result<Command> {
    let mut command = lab.package(folder, &[])?;
    let mut make = lab.command("make", folder);
    make.args(["--no-print-directory", target, "ENV=preprod", &format!("REGISTRY={}", registry.address)]);
    make.args(packager.map(|packager| format!("PACKAGER={}", packager.display())));
    // The same engine, and the same label.
    make.envs(command.env("CARGO_NET_OFFLINE", "true").get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ok(make)
}

/// The bytes of the unpacked image, and of the files that the function cannot do without.
fn size(lab: &Lab, folder: &Path) -> Result<(Sample, Sample)> {
    const NAME: &str = "preprod-sse-streaming-lambda:latest";
    let engine = lab.engine()?;
    let build = lab.package(folder, &["image", "build", "--env", "preprod"])?;
    lab.seconds(&build)?;
    let id = ask(&mut engine.docker(&["create", NAME, "none"]))?;
    let tar = lab.folder.join("image.tar");
    let exported = lab.run(engine.docker(&["export", "--output"]).arg(&tar).arg(&id));
    lab.run(&mut engine.docker(&["rm", &id]))?;
    exported?;
    let listed = ask(Command::new("tar").arg("-tvf").arg(&tar))?;
    let files = listed.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        Some((*words.get(5)?, words.get(2)?.parse::<f64>().ok()?))
    });
    let is_needed =
        |name: &str| name.contains(".so") || name.ends_with("/bootstrap") || name.ends_with("/ca-certificates.crt");
    let (mut all, mut needed) = (0.0, 0.0);
    for (name, bytes) in files {
        all += bytes;
        needed += if is_needed(name) { bytes } else { 0.0 };
    }
    let command = shown(&build);
    Ok((Sample::new(&command, Unit::Bytes, vec![all]), Sample::new(command, Unit::Bytes, vec![needed])))
}
