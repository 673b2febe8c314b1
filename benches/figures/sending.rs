//! What it costs to find what changed in many files and to send it to the container.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::gate::files;
use crate::lab::write;
use crate::measure::{Result, again, shown, stage};

const FILES: usize = 100_000;

fn in_container(mut package: Command, round: usize) -> Command {
    package.env("LAMBDA_PACKAGER_CONTAINER_NAME", format!("lambda-packager-sending-{}-{round}", std::process::id()));
    package
}

/// The stage `compile`, in which it happens, with so many files, beyond the same with one file.
pub fn sending(lab: &Bench) -> Result<Vec<Row>> {
    let mut sides = Vec::new();
    for count in [FILES, 1] {
        let folder = files(lab, &format!("files-{count}"), count, 32)?;
        let package = |more: &[&str]| lab.package(&folder, &[&["--message-format", "json"], more].concat());
        sides.push((folder.clone(), package(&["--force"])?, package(&[])?));
    }
    // What many files cost more than one, with `prepare` before each run.
    let beyond = |rounds: usize, command: &dyn Fn(usize) -> Command, prepare: &dyn Fn(&Path) -> Result<()>| {
        let mut values = Vec::new();
        for _ in 0..lab.rounds(rounds) {
            let mut seconds = [0.0; 2];
            for (side, seconds) in seconds.iter_mut().enumerate() {
                prepare(&sides[side].0)?;
                *seconds = stage("compile", &mut command(side))?;
            }
            values.push(seconds[0] - seconds[1]);
        }
        Ok::<_, String>(Sample::new(shown(&command(0)), Unit::Seconds, values))
    };
    let (rounds, edits) = (Cell::new(0), Cell::new(0));
    // Another container in each round: for minutes after many files were removed, ext4 takes ten times as long to make new
    // ones, because it does not use their inodes again at once. And what was written before waits for the disk by itself.
    let another = |_: &Path| {
        rounds.set(rounds.get() + 1);
        lab.run(&mut Command::new("sync"))
    };
    let first = beyond(3, &|side| in_container(again(&sides[side].1), rounds.get()), &another)?;
    for (_, force, _) in &sides {
        lab.run(&mut again(force))?;
    }
    let later = beyond(9, &|side| again(&sides[side].2), &|folder| {
        edits.set(edits.get() + 1);
        write(&folder.join("src/main.rs"), format!("fn main() {{\n    println!(\"{}\");\n}}\n", edits.get()))
    })?;
    let what = |when: &str| format!("{FILES} files, {when}: the stage `compile` beyond that with one file");
    Ok(vec![
        Row::at_most("sending", what("sent for the first time"), &first, 4.0),
        Row::at_most("sending", what("one line edited"), &later, 0.1),
    ])
}
