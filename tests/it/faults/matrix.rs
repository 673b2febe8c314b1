//! Rows of the table, and what is asked of each.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::support::{Engine, Gated, Story, has_all};

/// A project that docker has compiled.
pub fn built() -> Gated {
    let gated = Gated::new(Engine::Docker);
    Story::of(&mut gated.command()).ok();
    gated
}

/// All rows so far.
#[derive(Default)]
pub struct Matrix {
    rows: Mutex<Vec<Row>>,
}

struct Row {
    fault: &'static str,
    moment: &'static str,
    engine: String,
    /// What happened and what was left, or what went wrong.
    outcome: Result<(String, String), String>,
}

impl Matrix {
    /// Runs one fault; `provoke` returns what happened and what was left, or panics. False if it did.
    pub fn row(
        &self,
        fault: &'static str,
        moment: &'static str,
        engine: &str,
        provoke: impl FnOnce() -> (String, String),
    ) -> bool {
        if std::env::var("FAULTS").is_ok_and(|wanted| !fault.contains(&wanted)) {
            return true;
        }
        let outcome = catch_unwind(AssertUnwindSafe(provoke)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_string()
        });
        let green = outcome.is_ok();
        let row = Row { fault, moment, engine: engine.to_string(), outcome };
        self.rows.lock().expect("no row panics here").push(row);
        green
    }

    /// Prints the table where no test harness swallows it, and fails if a row is red.
    pub fn print_and_judge(self) {
        let mut rows = self.rows.into_inner().expect("no row panics here");
        rows.sort_by_key(|row| (row.fault, row.engine.clone()));
        let mut text = String::from(
            "\n| | fault | moment | engine | what happened | what was left |\n|---|---|---|---|---|---|\n",
        );
        let mut red = Vec::new();
        for Row { fault, moment, engine, outcome } in &rows {
            let (light, happened, left) = match outcome {
                Ok((happened, left)) => ("green", short(happened), short(left)),
                Err(why) => ("RED", short(why), String::new()),
            };
            text.push_str(&format!("| {light} | {fault} | {moment} | {engine} | {happened} | {left} |\n"));
            if let Err(why) = outcome {
                red.push(format!("{fault} ({engine}):\n{why}"));
            }
        }
        // The handle, not the macro: the test harness captures only the macro.
        let _ = writeln!(std::io::stderr(), "{text}{} faults, {} red", rows.len(), red.len());
        assert!(red.is_empty(), "{}", red.join("\n\n"));
        assert!(!rows.is_empty(), "no fault was provoked");
    }
}

/// One line without what differs from run to run.
fn short(text: &str) -> String {
    let line = text.replace('\n', " ").replace('|', "/");
    let cut: String = line.chars().take(260).collect();
    if cut.len() < line.len() { format!("{cut}…") } else { line }
}

/// The last good zip and its record, to be compared to later.
pub struct Kept([Vec<u8>; 2]);

impl Kept {
    pub fn of(gated: &Gated) -> Self {
        let name = |name| format!("target/lambda/gated/{name}");
        Self(["lambda-deployment.zip", "manifest.json"].map(|file| gated.fixture.read(&name(file))))
    }
}

/// Asserts that a build ended well although something went wrong: the zip is of the source as it is,
/// one container of ours runs, and the next run finds nothing to do.
#[track_caller]
pub fn mended(story: &Story, gated: &Gated) -> String {
    assert_eq!(story.code(), 0, "{story}");
    assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
    let containers = gated.containers();
    assert!(containers.len() == 1 && containers[0].1 == "running", "{containers:?}");
    assert_eq!(Story::of(&mut gated.command()).ok().verdict(), "cache-hit");
    "the right zip, one running container, a hit next".to_string()
}

/// Asserts that a build failed as it should: with `code`, each of `parts` in what it says, and a
/// remedy; zip and record are the last good ones.
#[track_caller]
pub fn told(story: &Story, code: i32, parts: &[&str], kept: &Kept, gated: &Gated) -> String {
    assert_eq!(story.code(), code, "{story}");
    let failure = story.failure();
    has_all(&failure, parts);
    assert!(!failure.ends_with("| help: "), "no remedy in: {failure}");
    let now = Kept::of(gated);
    assert!(now.0[0] == kept.0[0], "the last good zip was touched");
    assert!(now.0[1] == kept.0[1], "its record was touched");
    format!("error {code}: {failure}")
}

/// Asserts that the next run succeeds without anybody's help.
#[track_caller]
pub fn recovers(gated: &Gated) -> String {
    let story = Story::of(&mut gated.command());
    mended(&story, gated);
    "last good zip and record; the next run recovers".to_string()
}
