//! A run of the packager that goes on while a test does something to it, followed through its events.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde_json::Value;

use super::ended::code;
use super::running::{Owned, PATIENCE};

/// A running packager. Killed if the test ends before it does.
pub struct Live {
    child: Owned,
    events: Receiver<Value>,
    seen: Vec<Value>,
    stderr: Option<JoinHandle<String>>,
}

/// All that a run told.
#[derive(Debug)]
pub struct Story {
    pub status: ExitStatus,
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Live {
    /// Starts `command`, the bin, in a process group of its own.
    pub fn start(command: &mut Command) -> Self {
        command.args(["--message-format", "json"]).process_group(0);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the bin starts");
        let (tell, events) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Commands answer in plain lines.
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        let mut pipe = child.stderr.take().expect("a pipe");
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = pipe.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { child: Owned(child), events, seen: Vec::new(), stderr: Some(stderr) }
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits for an event.
    #[track_caller]
    pub fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if is_it(&event) {
                        return event;
                    }
                }
                Err(end) => panic!("no {what} ({end}); there was:\n{}", self.told()),
            }
        }
    }

    /// Waits for a line of cargo's.
    #[track_caller]
    pub fn until_cargo_says(&mut self, text: &str) {
        self.until(&format!("{text:?} of cargo's"), |event| {
            event["event"] == "cargo" && event["line"].as_str().is_some_and(|line| line.contains(text))
        });
    }

    /// Waits for a note on something that is not routine.
    #[track_caller]
    pub fn until_announced(&mut self, text: &str) -> String {
        let event = self.until(&format!("note of {text:?}"), |event| {
            event["event"] == "announced" && event["message"].as_str().is_some_and(|line| line.contains(text))
        });
        event["message"].as_str().unwrap_or_default().to_string()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn end(mut self) -> Story {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(event) = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(event);
        }
        assert!(Instant::now() < deadline, "it does not end; there was:\n{}", self.told());
        let status = self.child.0.wait().expect("it ends");
        let stderr = self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        Story { status, events: std::mem::take(&mut self.seen), stderr }
    }

    fn told(&self) -> String {
        self.seen.iter().map(|event| format!("{event}\n")).collect()
    }
}

impl Story {
    /// Runs `command`, the bin, to its end.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        Live::start(command).end()
    }

    /// The exit status.
    pub fn code(&self) -> i32 {
        code(self.status)
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code(), 0, "{self}");
        self
    }

    /// The verdict.
    #[track_caller]
    pub fn verdict(&self) -> &str {
        self.event("verdict")["verdict"].as_str().expect("text")
    }

    /// The first event of a kind.
    #[track_caller]
    pub fn event(&self, kind: &str) -> &Value {
        let found = self.events.iter().find(|event| event["event"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in:\n{self}"))
    }

    /// What was not routine.
    pub fn notes(&self) -> Vec<&str> {
        let notes = self.events.iter().filter(|event| event["event"] == "announced");
        notes.filter_map(|event| event["message"].as_str()).collect()
    }

    /// The error: message, causes and hint.
    #[track_caller]
    pub fn failure(&self) -> String {
        let failed = self.event("failed");
        let causes = failed["causes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let lines = failed["message"].as_str().into_iter().chain(causes);
        let hint = failed["hint"].as_str().unwrap_or("");
        format!("{} | help: {hint}", lines.collect::<Vec<_>>().join(": "))
    }

    /// What cargo said.
    pub fn cargo(&self) -> String {
        let lines = self.events.iter().filter(|event| event["event"] == "cargo");
        lines.filter_map(|event| event["line"].as_str()).map(|line| format!("{line}\n")).collect()
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for event in &self.events {
            writeln!(f, "{event}")?;
        }
        write!(f, "{}", self.stderr)
    }
}
