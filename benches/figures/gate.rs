//! The gate as the work grows, and the first fingerprint.

use std::path::PathBuf;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::hit::settle;
use crate::lab::{Lab, write};
use crate::measure::{Result, Side, again, interleaved, shown};
use crate::survival::peak_bytes;

const PER_FOLDER: usize = 100;

/// A hit with that many files, the seconds that it may take, and the bytes of memory.
const SIZES: [(usize, f64); 3] = [(1_000, 0.008), (10_000, 0.040), (100_000, 0.400)];
const MEMORY_BYTES: f64 = 150e6;
/// How much the time for a file may differ between two sizes before it is growth.
const NOISE: f64 = 1.1;

pub fn gate(lab: &Bench) -> Result<Vec<Row>> {
    let mut packages = Vec::new();
    for (count, _) in SIZES {
        let folder = files(lab, &format!("files-{count}"), count, 32)?;
        // The engine plays no part in a hit.
        let package = lab.package_on_host(&folder, &[])?;
        settle(lab, &package)?;
        packages.push(package);
    }
    let sides = packages.iter().map(Side::of).collect();
    let samples = lab.interleaved(20, sides)?;
    let mut rows = Vec::new();
    for ((count, bound), sample) in SIZES.iter().zip(&samples) {
        rows.push(Row::at_most("gate", format!("hit with {count} files"), sample, *bound));
    }
    let ten_times = samples[1].times(10.0, format!("ten times {}", samples[1].command));
    let what = "growth: 100000 files, against ten times 10000 files (a tenth for noise)";
    rows.push(Row::ratio("gate", what, &samples[2], &ten_times, NOISE));
    let what = "peak memory with 100000 files";
    let peak = Sample::new(shown(&packages[2]), Unit::Bytes, vec![peak_bytes(&mut again(&packages[2]))?]);
    rows.push(Row::at_most("gate", what, &peak, MEMORY_BYTES));
    Ok(rows)
}

pub fn fingerprint(lab: &Bench) -> Result<Vec<Row>> {
    let folder = files(lab, "files-10000-of-8-KiB", 10_000, 8 * 1024)?;
    settle(lab, &lab.package_on_host(&folder, &[])?)?;
    let manifest = folder.join("target/lambda/files-10000-of-8-KiB/manifest.json");
    std::fs::remove_file(&manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    let explain = lab.package_on_host(&folder, &["explain"])?;
    let mut sums = lab.command("sh", &folder);
    sums.args(["-c", "find Cargo.toml Cargo.lock src assets -type f -print0 | xargs -0 -P2 -n1000 sha256sum"]);
    // Both read everything once before: the page cache is warm. `explain` ends with 1 on a miss.
    const MISS: i32 = 1;
    let sides = || [Side::of(&explain).ending_with(MISS), Side::of(&sums)];
    interleaved(1, &lab.log(), sides().into())?;
    let what = "first fingerprint of 10000 files of 8 KiB, against sha256sum in two processes";
    Ok(vec![lab.ratio("fingerprint", what, 20, sides(), 1.5)?])
}

/// A crate without dependencies in a folder with that many files besides.
pub fn files(lab: &Lab, name: &str, count: usize, size_bytes: usize) -> Result<PathBuf> {
    let folder = lab.empty_crate(name, "src/main.rs", "fn main() {}\n", "")?;
    for index in 0..count {
        let mut content = format!("{index}\n").repeat(size_bytes / 2);
        content.truncate(size_bytes);
        write(&folder.join(format!("assets/{:04}/{index:06}.txt", index / PER_FOLDER)), content)?;
    }
    Ok(folder)
}
