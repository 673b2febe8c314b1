//! The clean room beside its own Dockerfile and its own context, driven by hand.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Bench;
use crate::builder::{BASE, Builder, before_path};
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, cargo_home, edit, read, write};
use crate::measure::{Result, Side, again, ask, shown};

const FIGURE: &str = "clean-room";

pub fn clean_room(lab: &Bench) -> Result<Vec<Row>> {
    let builders = lab.builders()?;
    let ours = lab.copy("clean-room")?;
    let mut rows = Vec::new();
    for builder in &builders.found {
        rows.extend(by(lab, builder, &ours)?);
    }
    if let Some(builder) = builders.found.first() {
        rows.extend(context(lab, builder, &ours)?);
    }
    rows.extend(builders.missing.iter().map(|(name, why)| Row::not_measured(FIGURE, *name, why.as_str())));
    Ok(rows)
}

fn by(lab: &Lab, builder: &Builder, ours: &Path) -> Result<Vec<Row>> {
    let name = builder.name;
    let package = package(lab, builder, ours)?;
    eprintln!("  the first build of the clean room by {name}");
    let by_hand = the_same_by_hand(lab, builder, &package)?;
    let workspace = by_hand.get_current_dir().unwrap_or(Path::new("")).join("sources/workspace");
    lab.seconds(&by_hand)?;

    let sides = [Side::of(&package).after(|| edit(ours)), Side::of(&by_hand).after(|| edit(&workspace))];
    let edit_to_zip = format!("one line edited, edit to zip, against the same Dockerfile by hand, {name}");
    let mut rows = vec![lab.ratio(FIGURE, edit_to_zip, 5, sides, 1.10)?];
    let mut forced = again(&package);
    forced.arg("--force");
    let unchanged = lab.interleaved(15, vec![Side::of(&forced), Side::of(&by_hand)])?;
    let nothing_changed = format!("nothing changed and forced, {name}");
    let by_hand = format!("for comparison: the same, against the same Dockerfile by hand, {name}");
    if name == "BuildKit" {
        rows.push(Row::at_most(FIGURE, nothing_changed, &unchanged[0], 0.5));
        rows.push(Row::ratio(FIGURE, by_hand, &unchanged[0], &unchanged[1], None));
    } else {
        // Nothing was promised of it.
        rows.push(Row::ratio(FIGURE, format!("for comparison: {nothing_changed}"), &unchanged[0], &unchanged[1], None));
    }
    Ok(rows)
}

/// What is sent for the function, in a workspace of its own and in this one, which has other sources too.
fn context(lab: &Lab, builder: &Builder, ours: &Path) -> Result<Vec<Row>> {
    let alone = lab.folder.join("function");
    let manifest = read(&ours.join("Cargo.toml"))?;
    let shared = manifest.split("\n\n").filter(|part| part.starts_with("[workspace."));
    let head = "[workspace]\nmembers = [\"lambda\"]\nresolver = \"2\"\n".to_string();
    write(&alone.join("Cargo.toml"), shared.fold(head, |text, part| format!("{text}\n{part}\n")))?;
    for part in ["lambda", "Cargo.lock"] {
        lab.run(lab.command("cp", ours).arg("-r").arg(part).arg(&alone))?;
    }
    let crates = crates(lab, ours)?;
    let mut rows = Vec::new();
    for (what, folder, bound) in [
        ("context sent for the function alone, against its locked crates", &*alone, Some(1.10)),
        ("for comparison: the same in this repository, with all its sources", ours, None),
    ] {
        let at = folder.with_extension("overheard");
        let package = package(lab, builder, folder)?;
        // It is not built: what stands for the engine has heard all that is asked for here.
        let refused = overhear(lab, &package, &at, "cat >/dev/null; exit 1");
        let bytes = fs::metadata(at.join("tar")).map_err(|_| format!("no context was sent: {refused:?}"))?.len();
        let context = Sample::new(shown(&package), Unit::Bytes, vec![bytes as f64]);
        rows.push(Row::ratio(FIGURE, what, &context, &crates, bound));
    }
    Ok(rows)
}

fn package(lab: &Lab, builder: &Builder, folder: &Path) -> Result<Command> {
    let mut package = lab.package(folder, &["--clean-room"])?;
    builder.apply_to(lab, package.env("LAMBDA_PACKAGER_BASE", BASE))?;
    Ok(package)
}

/// The engine's own call for what `package` does, in a folder with the context that `package` sends.
fn the_same_by_hand(lab: &Lab, builder: &Builder, package: &Command) -> Result<Command> {
    let at = lab.folder.join(format!("by-hand-{}", builder.name.replace(' ', "-")));
    overhear(lab, package, &at, "docker \"$@\"")?;
    let context = at.join("context");
    fs::create_dir_all(&context).map_err(|e| e.to_string())?;
    lab.run(lab.command("tar", &context).arg("-xf").arg(at.join("tar")))?;
    let mut by_hand = lab.command("docker", &context);
    builder.apply_to(lab, &mut by_hand)?;
    for argument in read(&at.join("arguments"))?.lines() {
        by_hand.arg(match argument {
            "-" => ".",
            tag if tag.starts_with("lambda-packager-parcel:") => "by-hand",
            // Into nowhere, as our own goes into memory.
            "type=tar,dest=-" => "type=tar,dest=/dev/null",
            other => other,
        });
    }
    Ok(by_hand)
}

/// Packages anew, and keeps in `at` what the engine is told to build: `arguments`, and the context as `tar`;
/// `then` is what becomes of it, a line for the shell.
fn overhear(lab: &Lab, package: &Command, at: &Path, then: &str) -> Result<()> {
    let script = format!(
        "#!/bin/sh\nPATH=${{PATH#*:}}\ncase \"$*\" in *--help) ;; build*) build=1;; esac\n[ \"$build\" ] || exec docker \"$@\"\n\
         for argument; do echo \"$argument\"; done >'{at}/arguments'\ntee '{at}/tar' | {then}\n",
        at = at.display(),
    );
    let front = at.join("front/docker");
    write(&front, script)?;
    fs::set_permissions(&front, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    let mut overheard = again(package);
    let path = overheard.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
    let path = before_path(&at.join("front"), path.map(Into::into));
    lab.run(overheard.env("PATH", path).arg("--force"))
}

/// The downloads that the function is made of, as cargo keeps them.
fn crates(lab: &Lab, workspace: &Path) -> Result<Sample> {
    let mut tree = lab.cargo(workspace, &["tree", "-p", "lambda", "-e", "normal,build", "--prefix", "none"]);
    let said = ask(&mut tree)?;
    let words = said.lines().map(str::split_whitespace).filter_map(|mut words| Some((words.next()?, words.next()?)));
    let files: BTreeSet<_> = words.map(|(name, version)| format!("{name}-{}.crate", &version[1..])).collect();
    let cache = cargo_home()?.join("registry/cache");
    let registries = fs::read_dir(&cache).map_err(|e| format!("{}: {e}", cache.display()))?.flatten();
    let registries: Vec<PathBuf> = registries.map(|entry| entry.path()).collect();
    let found = files.iter().filter_map(|file| registries.iter().find_map(|it| fs::metadata(it.join(file)).ok()));
    let bytes: u64 = found.map(|meta| meta.len()).sum();
    Ok(Sample::new(format!("{}, their archives added up", shown(&tree)), Unit::Bytes, vec![bytes as f64]))
}
