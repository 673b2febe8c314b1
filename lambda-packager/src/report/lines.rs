//! What is printed of events: lines without colours.

use std::time::Duration;

use crate::error::Error;
use crate::packaged::Packaged;
use crate::report::{Event, Stage, Summary};

pub fn image_lines(event: &Event) -> Vec<String> {
    match event {
        Event::Blob { digest, size_bytes, pushed, elapsed } => {
            let (what, size) = (if *pushed { "pushed" } else { "already in the registry" }, thousands(*size_bytes));
            vec![format!("  blob    {} {size} bytes {what}, {}", &digest[..19], duration(*elapsed))]
        }
        Event::Tagged { repository, tag, digest, moved } => {
            let what = if *moved { "set to" } else { "is" };
            vec![format!("  tag     {repository}:{tag} {what} sha256:{}", &digest[..12])]
        }
        Event::Retrying { error, pause } => vec![format!("note: {error}; trying again in {}", duration(*pause))],
        Event::Imaged { image, stages: times, .. } => vec![
            format!("image     {}", image.name),
            format!("  tags    {}", image.tags.join(", ")),
            format!("  size    {} bytes, {} layers", thousands(image.size_bytes), image.layers),
            format!("  stages  {}", stages(times)),
        ],
        _ => Vec::new(),
    }
}

pub fn progress_bar(done: u64, total: u64, what: &str) -> String {
    const WIDTH: u64 = 24;
    let filled = (done * WIDTH).checked_div(total).unwrap_or(0).min(WIDTH) as usize;
    let bar = format!("{}{}", "=".repeat(filled), " ".repeat(WIDTH as usize - filled));
    let what: String = what.chars().take(40).collect();
    format!("  compile [{bar}] {done}/{total} {what}")
}

/// The last lines of a run: verdict, backend, stages, zip.
pub fn lines_of(summary: &Summary) -> Vec<String> {
    let mut lines = vec![summary.packaged.verdict.to_string()];
    if let Some(built) = &summary.built {
        lines.push(format!("  backend {}", built.backend));
        lines.extend(built.image.iter().map(|image| format!("  image   {image}")));
    }
    lines.push(format!("  stages  {}", stages(&summary.stages)));
    let packaged = &summary.packaged;
    let before = summary.built.as_ref().and_then(|built| built.zip_bytes_before);
    let change = before.map_or(String::new(), |before| format!(" ({:+})", packaged.zip_bytes as i64 - before as i64));
    let bootstrap = match packaged.bootstrap_bytes {
        // A layer of files.
        0 => String::new(),
        bytes => format!(", bootstrap {} bytes", thousands(bytes)),
    };
    let (zip, bytes) = (&summary.zip_shown, thousands(packaged.zip_bytes));
    lines.push(format!("  zip     {zip} {bytes} bytes{change}{bootstrap}"));
    lines.push(format!("  sha256  {}", packaged.zip_sha256));
    lines
}

/// The last lines of a run for several functions: one for each, and one for all.
pub fn table_of(summaries: &[&Summary], failed: &[(&str, Error)], left: &[&str]) -> Vec<String> {
    let names = summaries.iter().map(|summary| summary.packaged.function.as_str());
    let names = names.chain(failed.iter().map(|(id, _)| *id)).chain(left.iter().copied());
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = failed_lines(failed);
    lines.extend(summaries.iter().map(|Summary { packaged, zip_shown, .. }| {
        let Packaged { function, zip_bytes, zip_sha256, .. } = packaged;
        let what = if packaged.is_hit() { "reused  " } else { "packaged" };
        format!(
            "  {function:width$}  {what}  {zip_shown} {} bytes, sha256 {}",
            thousands(*zip_bytes),
            zip_sha256.short(16)
        )
    }));
    lines.extend(failed.iter().map(|(function, _)| format!("  {function:width$}  FAILED")));
    lines.extend(left.iter().map(|function| format!("  {function:width$}  not packaged")));
    let packaged: Vec<_> = summaries.iter().filter(|summary| !summary.packaged.is_hit()).collect();
    let mut counts = Vec::new();
    if let [first, ..] = packaged.as_slice() {
        let Packaged { function, verdict, .. } = &first.packaged;
        let verdict = verdict.to_string();
        let why = verdict.strip_prefix("cache-miss: ").unwrap_or(&verdict);
        let more = if packaged.len() > 1 { ", ..." } else { "" };
        counts.push(format!("{} packaged ({function}: {why}{more})", packaged.len()));
    }
    let reused = summaries.len() - packaged.len();
    counts.extend((reused > 0).then(|| format!("{reused} reused")));
    counts.extend((!failed.is_empty()).then(|| format!("{} failed", failed.len())));
    counts.extend((!left.is_empty()).then(|| format!("{} not packaged", left.len())));
    let count = summaries.len() + failed.len() + left.len();
    lines.push(format!("{count} functions: {}", counts.join(", ")));
    lines
}

/// Why functions were not packaged; what is the same for several is told once.
pub fn failed_lines(failed: &[(&str, Error)]) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for (function, error) in failed {
        let report = error.report();
        match reasons.iter_mut().find(|(known, _)| *known == report) {
            Some((_, functions)) => functions.push(function),
            None => reasons.push((report, vec![function])),
        }
    }
    let line = |(report, functions): (String, Vec<&str>)| {
        format!("error: {}: {}", functions.join(", "), report.strip_prefix("error: ").unwrap_or(&report))
    };
    reasons.into_iter().map(line).collect()
}

fn stages(stages: &[(Stage, Duration)]) -> String {
    let parts = stages.iter().map(|(stage, elapsed)| format!("{stage} {}", duration(*elapsed)));
    parts.collect::<Vec<_>>().join(", ")
}

pub fn duration(elapsed: Duration) -> String {
    match elapsed.as_millis() {
        0..1000 => format!("{:.1} ms", elapsed.as_secs_f64() * 1000.0),
        _ => format!("{:.2} s", elapsed.as_secs_f64()),
    }
}

pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packaged::{Reason, Verdict};

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!([0, 924_837, 1_005_234].map(thousands), ["0", "924,837", "1,005,234"]);
        assert_eq!(duration(Duration::from_micros(1234)), "1.2 ms");
        assert_eq!(duration(Duration::from_millis(44_100)), "44.10 s");
    }

    #[test]
    fn a_run_for_several_functions_ends_with_a_table() {
        let of = |function: &str, verdict| Summary {
            packaged: Packaged {
                function: function.into(),
                verdict,
                zip: format!("/w/dist/{function}.zip").into(),
                zip_sha256: crate::sys::Sha::of(function.as_bytes()),
                zip_bytes: 1_170_863,
                bootstrap_bytes: 1,
                manifest: "/w/m".into(),
            },
            is_alone: false,
            zip_shown: format!("dist/{function}.zip"),
            stages: Vec::new(),
            built: None,
        };
        let (api, admin, worker) = (
            of("api", Verdict::Miss(vec![Reason::Forced])),
            of("admin", Verdict::Miss(vec![Reason::Forced])),
            of("worker", Verdict::Hit),
        );
        let row = |name: &str, what: &str| {
            let sha = crate::sys::Sha::of(name.trim().as_bytes()).short(16);
            format!("  {name}  {what}  dist/{}.zip 1,170,863 bytes, sha256 {sha}", name.trim())
        };
        let rows = [row("api   ", "packaged"), row("admin ", "packaged"), row("worker", "reused  ")];
        let all = table_of(&[&api, &admin, &worker], &[], &[]);
        assert_eq!(all[..3], rows);
        assert_eq!(all[3..], ["3 functions: 2 packaged (api: forced, ...), 1 reused"]);

        let none = |name| (name, Error::config("no such file").hint_with("name another one"));
        let failed = [none("log"), ("loud", Error::cargo("oops")), none("x")];
        assert_eq!(
            table_of(&[&worker], &failed, &["a", "b"]),
            [
                "error: log, x: no such file\n  help: name another one",
                "error: loud: oops",
                &rows[2],
                "  log     FAILED",
                "  loud    FAILED",
                "  x       FAILED",
                "  a       not packaged",
                "  b       not packaged",
                "6 functions: 1 reused, 3 failed, 2 not packaged",
            ]
        );
    }

    #[test]
    fn the_bar_fills() {
        assert_eq!(progress_bar(0, 0, ""), format!("  compile [{}] 0/0 ", " ".repeat(24)));
        assert!(progress_bar(12, 24, "serde").contains(&format!("[{}{}] 12/24 serde", "=".repeat(12), " ".repeat(12))));
    }
}
