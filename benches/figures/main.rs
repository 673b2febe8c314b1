//! Measures the figures that this project promises, each as a ratio within one run, and writes them to
//! `docs/benchmarks.md`. Whatever the figures are, it ends with 0: a machine's hour is no test.
//!
//!     cargo bench --bench figures -- [FIGURE...] [--rounds N] [--write]
//!
//! Without a FIGURE all of them. Only then, or with `--write`, `docs/benchmarks.md` is written.

mod bench;
mod builder;
mod clean_room;
mod compile;
mod deploy;
mod engine;
mod figure;
mod four_stage;
mod gate;
mod hit;
mod lab;
mod machine;
mod many;
mod measure;
mod publish;
mod report;
mod sending;
mod service;
mod size;
mod survival;
mod tools;
mod weight;

use std::process::ExitCode;

use bench::Bench;
use figure::Row;
use measure::Result;

type Figure = (&'static str, fn(&Bench) -> Result<Vec<Row>>);

const FIGURES: &[Figure] = &[
    ("cold", compile::cold),
    ("cold-fuse", compile::cold_fuse),
    ("second", compile::second_checkout),
    ("edit", compile::edited),
    ("remote", compile::remote),
    ("dev", compile::dev),
    ("modes", compile::modes),
    ("clean-room", clean_room::clean_room),
    ("container", compile::container),
    ("weight", weight::weight),
    ("size", size::size),
    ("hit", hit::hit),
    ("unchanged", hit::unchanged),
    ("gate", gate::gate),
    ("many", many::many),
    ("tools", tools::tools),
    ("sending", sending::sending),
    ("fingerprint", gate::fingerprint),
    ("recovery", survival::recovery),
    ("memory", survival::memory),
    ("logs", survival::logs),
    ("publish", publish::publish),
    ("deploy", deploy::deploy),
];

/// What was asked for.
struct Asked {
    figures: Vec<&'static Figure>,
    rounds: usize,
    write: bool,
}

fn main() -> ExitCode {
    if let Some(code) = tools::watch() {
        return code;
    }
    let asked = match parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            let names: Vec<_> = FIGURES.iter().map(|(name, _)| *name).collect();
            eprintln!("{why}\nusage: cargo bench --bench figures -- [FIGURE...] [--rounds N] [--write]");
            eprintln!("figures: {}", names.join(", "));
            return ExitCode::from(2);
        }
    };
    let lab = match Bench::open(asked.rounds) {
        Ok(lab) => lab,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let load_before = machine::load();
    let mut rows = Vec::new();
    for (name, measure) in &asked.figures {
        eprintln!("measuring {name}");
        match measure(&lab) {
            Ok(found) => rows.extend(found),
            Err(why) => rows.push(Row::not_measured(name, "", why)),
        }
    }
    println!("\n{}", report::table(&rows));
    let left_out = FIGURES.iter().map(|(name, _)| *name).filter(|name| !asked.figures.iter().any(|(it, _)| it == name));
    let left_out: Vec<&str> = left_out.collect();
    if !left_out.is_empty() && !asked.write {
        println!("docs/benchmarks.md stays as it is: it takes all figures, or --write");
        return ExitCode::SUCCESS;
    }
    let mut invocation = "cargo bench --bench figures --".to_string();
    if !left_out.is_empty() {
        invocation.extend(asked.figures.iter().map(|(name, _)| format!(" {name}")));
        invocation.push_str(" --write");
    }
    invocation.push_str(&format!(" --rounds {}", asked.rounds));
    rows.extend(left_out.into_iter().map(|name| Row::not_measured(name, "", "left out of this run")));
    let document = report::document(&rows, &machine::facts(&lab, load_before), &invocation);
    match lab::write(&lab::repository().join("docs/benchmarks.md"), document) {
        Ok(()) => println!("written to docs/benchmarks.md"),
        Err(why) => eprintln!("{why}"),
    }
    ExitCode::SUCCESS
}

fn parse(args: impl Iterator<Item = String>) -> Result<Asked> {
    let mut asked = Asked { figures: Vec::new(), rounds: lab::ROUNDS, write: false };
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo says that to every bench.
            "--bench" => {}
            "--write" => asked.write = true,
            "--rounds" => {
                let rounds = args.next().and_then(|text| text.parse().ok()).filter(|rounds| *rounds > 0);
                asked.rounds = rounds.ok_or("--rounds takes a number from 1")?;
            }
            name => match FIGURES.iter().find(|(known, _)| *known == name) {
                Some(figure) => asked.figures.push(figure),
                None => return Err(format!("there is no figure {name}")),
            },
        }
    }
    if asked.figures.is_empty() {
        asked.figures = FIGURES.iter().collect();
    }
    Ok(asked)
}
