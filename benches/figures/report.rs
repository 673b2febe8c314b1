//! The table, on the terminal and in `docs/benchmarks.md`.

use std::fmt::Write;

use crate::figure::{Outcome, Row};

const HEAD: [&str; 7] = ["figure", "what", "ours", "base", "ratio", "bound", "met"];

fn cells(row: &Row) -> [String; 7] {
    let [ours, base, ratio, bound, met] = row.cells();
    [row.figure.to_string(), row.what.clone(), ours, base, ratio, bound, met]
}

/// The table for a terminal.
pub fn table(rows: &[Row]) -> String {
    let head = HEAD.map(String::from);
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    // A reason is a sentence: it runs over the columns that it leaves empty.
    let is_reason = |line: &[String; 7]| line[2].starts_with("not measured");
    let width = |column: usize| {
        let lines = lines.iter().filter(|line| column < 2 || !is_reason(line));
        lines.map(|line| line[column].chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for line in &lines {
        let shown = if is_reason(line) { 3 } else { 7 };
        let columns = line[..shown].iter().enumerate();
        let padded = columns.map(|(column, cell)| format!("{cell:<0$}", width(column)));
        let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// The whole of `docs/benchmarks.md`.
pub fn document(rows: &[Row], machine: &[(&str, String)], invocation: &str) -> String {
    let mut text = format!(
        "# Benchmarks\n\n`make bench` wrote this; the command was `{invocation}`. A ratio is of two medians of one run, in which both\nsides took turns. Compare ratios, never seconds: those are of this machine, at that hour.\n\n"
    );
    let _ = writeln!(text, "| machine | |\n|---|---|");
    for (name, value) in machine {
        let _ = writeln!(text, "| {name} | {} |", escaped(value));
    }
    let _ = writeln!(text, "\n## Figures\n\n| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", cells(row).map(|cell| escaped(&cell)).join(" | "));
    }
    text.push_str(OLD_WAY);
    text.push_str("\n## Commands\n\nBefore `$` stands the folder: `deployment` and `plain` are copies of this repository, `context` one that also holds\nthe crates, `hello` a crate that prints a line, `files-N` one with N files, `weight-*` empty crates.\n\n");
    for row in rows {
        let commands = match &row.outcome {
            Outcome::Measured { ours, base: Some(base), .. } => {
                format!("`{}` against `{}`", ours.command, base.command)
            }
            Outcome::Measured { ours: value, .. } | Outcome::Reference(value) => format!("`{}`", value.command),
            Outcome::NotMeasured(_) => continue,
        };
        let _ = writeln!(text, "- {}, {}: {commands}", row.figure, row.what);
    }
    text
}

/// Measured once, before this project was begun; what `edit`, `hit` and `size` measure anew is in the
/// table above.
const OLD_WAY: &str = "
## What the old way cost

Measured once before there was this tool, on a machine with 2 processors, for a Lambda of 102 crates; medians of 3.

| tool | cold | one line edited | nothing changed |
|---|---|---|---|
| plain `cargo build --release` (no zip) | 44.4 s | 4.2 s | 0.075 s |
| four-stage `docker build`, BuildKit | 48.5 s | 4.5 s | 0.19 s |
| four-stage `docker build`, legacy builder | 51.5 s | 7.95 s | 2.5 s |
| cargo-lambda 1.9.2, `build --release -o zip` | 51.8 s | 13.5 s | 1.04 s |
";

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}
