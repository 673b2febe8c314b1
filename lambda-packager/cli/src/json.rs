//! Events for programs: one JSON object per line, each with the version of the format.

use std::time::Duration;

use lambda_packager::internal::{Config, Error, Event, Reason, Sink, Stage, Verdict, print_lines};
use serde_json::{Value, json};

/// The version of the format. Raised when a field changes its meaning or is removed.
const VERSION: u32 = 1;

/// JSON on stdout.
pub struct Json;

impl Sink for Json {
    fn emit(&mut self, event: &Event) {
        let lines = render(event).into_iter().map(|mut object| {
            object["v"] = json!(VERSION);
            object.to_string()
        });
        print_lines(&lines.collect::<Vec<_>>());
    }
}

/// What failed about one of several functions, as one line.
pub fn failure_line(function: &str, error: &Error) -> String {
    let mut object = failure(function, error);
    (object["v"], object["event"]) = (json!(VERSION), json!("failed"));
    object.to_string()
}

fn failure(function: &str, error: &Error) -> Value {
    json!({"function": function, "message": error.to_string(), "hint": error.hint(), "exit_code": error.exit_code()})
}

/// The verdict and every reason as one line.
pub fn verdict(function: &str, verdict: &Verdict) -> String {
    let reasons: &[Reason] = if let Verdict::Miss(reasons) = verdict { reasons } else { &[] };
    let hit = reasons.is_empty();
    json!({"v": VERSION, "event": "verdict", "function": function, "verdict": verdict.to_string(), "hit": hit, "reasons": reasons})
        .to_string()
}

/// What was found of a function that passed, as one line.
pub fn verified(function: &str, lines: &[String]) -> String {
    json!({"v": VERSION, "event": "verified", "function": function, "lines": lines}).to_string()
}

/// An input, and why it is one, as one line.
pub fn input(function: &str, path: &str, why: &str) -> String {
    json!({"v": VERSION, "event": "input", "function": function, "path": path, "why": why}).to_string()
}

/// What was removed, or would be, with what it was skipped for, as one line.
pub fn cleaned(dry_run: bool, bytes: u64, removed: &[(String, u64)], notes: &[String]) -> String {
    let removed: Vec<_> = removed.iter().map(|(what, bytes)| json!({"what": what, "bytes": bytes})).collect();
    json!({"v": VERSION, "event": "cleaned", "dry_run": dry_run, "bytes": bytes, "removed": removed, "notes": notes})
        .to_string()
}

/// The files that were written, or would be, and the difference, as one line.
pub fn initialised(dry_run: bool, files: &[&str], difference: &[String]) -> String {
    json!({"v": VERSION, "event": "initialised", "dry_run": dry_run, "files": files, "difference": difference.join("\n")}).to_string()
}

fn ms(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

fn stages_ms(stages: &[(Stage, Duration)]) -> Value {
    let stages = stages.iter().map(|(stage, elapsed)| (stage.to_string(), json!(ms(*elapsed))));
    Value::Object(stages.collect())
}

/// One object for each line of cargo, one for any other event.
fn render(event: &Event) -> Vec<Value> {
    let object = match event {
        Event::CargoSaid { lines } => {
            let lines = lines.split(['\n', '\r']).filter(|line| !line.trim_start().is_empty());
            return lines.map(|line| json!({"event": "cargo", "line": line})).collect();
        }
        Event::Started { function, config: Config { mode, target_arch, runtime, .. } } => {
            json!({"event": "started", "function": function, "mode": mode, "target": target_arch, "runtime": runtime})
        }
        Event::Waiting { holder } => json!({"event": "waiting", "holder": holder}),
        Event::Note { message } => json!({"event": "announced", "message": message}),
        Event::Judged { function, verdict, reasons, .. } => {
            json!({"event": "verdict", "function": function, "verdict": verdict, "reasons": reasons})
        }
        Event::StageEnded { stage, elapsed } => {
            json!({"event": "stage", "stage": stage, "elapsed_ms": ms(*elapsed)})
        }
        Event::Progress { done, total, what } => {
            json!({"event": "progress", "done": done, "total": total, "what": what})
        }
        Event::EngineSaid { line } => json!({"event": "engine", "line": line}),
        Event::Finished { summary } => {
            json!({
                "event": "finished",
                "function": summary.packaged.function,
                "verdict": summary.packaged.verdict.to_string(),
                "hit": summary.packaged.is_hit(),
                "zip": summary.packaged.zip,
                "zip_bytes": summary.packaged.zip_bytes,
                "zip_sha256": summary.packaged.zip_sha256.to_string(),
                "bootstrap_bytes": summary.packaged.bootstrap_bytes,
                "manifest": summary.packaged.manifest,
                "road": summary.built.as_ref().map(|built| built.backend.as_str()),
                "stages_ms": stages_ms(&summary.stages),
            })
        }
        Event::FinishedAll { summaries, failed, left } => {
            let (reused, packaged): (Vec<_>, Vec<_>) =
                summaries.iter().map(|summary| &summary.packaged).partition(|packaged| packaged.is_hit());
            let [packaged, reused] =
                [packaged, reused].map(|all| all.iter().map(|packaged| &packaged.function).collect::<Vec<_>>());
            let failed = failed.iter().map(|(function, error)| failure(function, error));
            json!({"event": "finished_all", "packaged": packaged, "reused": reused, "failed": failed.collect::<Vec<_>>(), "not_packaged": left})
        }
        Event::Blob { digest, size_bytes, pushed, elapsed } => {
            json!({"event": "blob", "digest": digest, "size_bytes": size_bytes, "pushed": pushed, "elapsed_ms": ms(*elapsed)})
        }
        Event::Tagged { repository, tag, digest, moved } => {
            json!({"event": "tagged", "repository": repository, "tag": tag, "digest": format!("sha256:{digest}"), "moved": moved})
        }
        Event::Retrying { error, pause } => {
            json!({"event": "retrying", "message": error.to_string(), "pause_ms": ms(*pause)})
        }
        Event::Imaged { function, image, stages } => {
            json!({"event": "image", "function": function, "image": image.record, "stages_ms": stages_ms(stages)})
        }
        Event::Kept { image, size_bytes } => json!({"event": "kept", "image": image, "size_bytes": size_bytes}),
        Event::Failed { error } => {
            let causes: Vec<_> = error.causes().map(ToString::to_string).collect();
            json!({"event": "failed", "message": error.to_string(), "causes": causes, "hint": error.hint(), "exit_code": error.exit_code()})
        }
    };
    vec![object]
}
