//! What it costs to have this library as a build-dependency: crates, and seconds of a cold `cargo build`
//! of a crate that is empty otherwise.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, read, remove, repository, write};
use crate::measure::{Result, Side, ask, shown};

/// What packages do the same work, whoever calls them; in the versions that we have.
const PACKAGES: &[(&str, &str)] = &[
    ("cc", ""),
    ("fs2", ""),
    ("serde", ", features = [\"derive\"]"),
    ("serde_json", ""),
    ("sha2", ""),
    ("thiserror", ""),
    ("which", ""),
    ("zip", ", default-features = false, features = [\"deflate\"]"),
];
/// What reads ELF files in the base that is compared to; we have a smaller one.
const OBJECT: &str =
    "object = { version = \"=0.40.0\", default-features = false, features = [\"read_core\", \"elf\", \"std\"] }\n";
/// The version that was compared to; another one is another comparison.
const SP1_BUILD: &str = "=6.9.0";

pub fn weight(lab: &Bench) -> Result<Vec<Row>> {
    let path = repository().join("lambda-packager");
    let ours = crate_with(lab, "weight-ours", &format!("lambda-packager = {{ path = {path:?} }}\n"), true)?;
    let mut packages = OBJECT.to_string();
    for (name, rest) in PACKAGES {
        packages.push_str(&format!("{name} = {{ version = \"={}\"{rest} }}\n", version_of(name)?));
    }
    let alone = crate_with(lab, "weight-packages", &packages, true)?;
    let sp1 = crate_with(lab, "weight-sp1-build", &format!("sp1-build = \"{SP1_BUILD}\"\n"), false);

    let ours_crates = crates(lab, &ours)?;
    let mut rows = vec![
        Row::at_most("weight", "crates of an empty crate that build-depends on us", &ours_crates, 50.0),
        Row::ratio("weight", "for comparison: crates of the packages alone", &ours_crates, &crates(lab, &alone)?, None),
    ];
    let build = |folder: &PathBuf| {
        let (folder, target) = (folder.clone(), folder.join("target"));
        // As a crate from a registry is compiled. Ours is at hand by path, and would be compiled incrementally, with
        // its warnings looked for.
        let cold = move || {
            let mut command = lab.cargo(&folder, &["build"]);
            command.env("CARGO_INCREMENTAL", "0").env("RUSTFLAGS", "--cap-lints=allow");
            command
        };
        Side::new(cold).after(move || remove(&target))
    };
    let what = "cold build of that crate, against one with the packages alone";
    rows.push(lab.ratio("weight", what, 5, [build(&ours), build(&alone)], 1.3)?);
    let what = "cold build of that crate, against one that build-depends on sp1-build";
    let against_sp1 = sp1.and_then(|sp1| {
        rows.push(Row::ratio("weight", "for comparison: crates of sp1-build", &ours_crates, &crates(lab, &sp1)?, None));
        lab.ratio("weight", what, 5, [build(&ours), build(&sp1)], 0.6)
    });
    rows.push(against_sp1.unwrap_or_else(|why| Row::not_measured("weight", what, why)));
    Ok(rows)
}

/// An empty crate with these build-dependencies, all downloaded.
fn crate_with(lab: &Lab, name: &str, dependencies: &str, our_lock: bool) -> Result<PathBuf> {
    let folder = lab.empty_crate(name, "src/lib.rs", "", &format!("\n[build-dependencies]\n{dependencies}"))?;
    write(&folder.join("build.rs"), "fn main() {}\n")?;
    if our_lock {
        // The versions behind the versions, too.
        write(&folder.join("Cargo.lock"), read(&repository().join("Cargo.lock"))?)?;
    }
    let fetched = lab.run(lab.command("cargo", &folder).arg("fetch"));
    fetched.map_err(|why| format!("{why}; the crates must have been downloaded: run it where a registry answers"))?;
    Ok(folder)
}

/// How many crates cargo compiles for it on this machine, itself left out.
fn crates(lab: &Lab, folder: &Path) -> Result<Sample> {
    let mut tree = lab.cargo(folder, &["tree", "-e", "normal,build", "--prefix", "none", "--no-dedupe"]);
    let said = ask(&mut tree)?;
    let crates: BTreeSet<&str> = said.lines().skip(1).filter(|line| !line.is_empty()).collect();
    Ok(Sample::new(format!("{} | sort -u | wc -l", shown(&tree)), Unit::Crates, vec![crates.len() as f64]))
}

/// The version that our lockfile names.
fn version_of(name: &str) -> Result<String> {
    let lock = read(&repository().join("Cargo.lock"))?;
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = {name:?}")).skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix("version = "));
    version.map(|version| version.trim_matches('"').to_string()).ok_or(format!("Cargo.lock names no {name}"))
}
