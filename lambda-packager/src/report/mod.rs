//! The events of a run, for people, for programs, and for the log.

mod lines;
pub mod stage;
pub mod summary;
mod text;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

pub use text::{Terminal, Text, print_lines, strip_colours};

use crate::config::Config;
use crate::error::Error;
use crate::sys::lock::Holder;

/// One thing that happened.
pub enum Event<'a> {
    /// What will be packaged.
    Started { function: &'a str, config: &'a Config },
    /// Another run holds the lock.
    Waiting { holder: String },
    /// A fallback, or something that was repaired.
    Note { message: &'a str },
    /// Hit or miss of what will be packaged, and why. The log begins with this event.
    Judged { function: &'a str, config: &'a Config, verdict: &'a str, reasons: &'a [crate::packaged::Reason] },
    /// A stage ended, after this time.
    StageEnded { stage: Stage, elapsed: Duration },
    /// Cargo's unit counter.
    Progress { done: u64, total: u64, what: &'a str },
    /// Lines that cargo printed.
    CargoSaid { lines: &'a str },
    /// A line that an engine printed while it built an image.
    EngineSaid { line: &'a str },
    /// A function is packaged.
    Finished { summary: &'a Summary },
    /// A run for several functions ended: what is packaged, and by their ids what failed, and what is left because the run
    /// was stopped.
    FinishedAll { summaries: &'a [&'a Summary], failed: &'a [(&'a str, Error)], left: &'a [&'a str] },
    /// A registry has a layer or a configuration; `pushed` if it was sent just now.
    Blob { digest: &'a str, size_bytes: u64, pushed: bool, elapsed: Duration },
    /// A tag names an image; `moved` if it named another one before.
    Tagged { repository: &'a str, tag: &'a str, digest: &'a str, moved: bool },
    /// A request failed and is repeated after a pause.
    Retrying { error: &'a Error, pause: Duration },
    /// The image was made or pushed.
    Imaged { function: &'a str, image: &'a ImageSummary, stages: Vec<(Stage, Duration)> },
    /// Compiled dependencies were saved for other checkouts.
    Kept { image: &'a str, size_bytes: u64 },
    /// The run ended with an error.
    Failed { error: &'a Error },
}

/// A receiver of events.
pub trait Sink {
    fn emit(&mut self, event: &Event);
}

/// Sends events to all receivers, and measures the stages.
pub struct Reporter {
    sinks: Vec<Box<dyn Sink>>,
    logs: Vec<Text>,
    stages: Vec<(Stage, Duration)>,
    /// Whether a receiver draws progress; cargo is asked for it only then.
    pub wants_progress: bool,
    /// Whether cargo's own messages should carry colours.
    pub wants_colour: bool,
    pub started: Instant,
}

impl Reporter {
    pub fn new(sinks: Vec<Box<dyn Sink>>, wants_progress: bool, wants_colour: bool) -> Self {
        Self { sinks, logs: Vec::new(), stages: Vec::new(), wants_progress, wants_colour, started: Instant::now() }
    }

    pub fn note(&mut self, message: &str) {
        self.emit(&Event::Note { message });
    }

    /// Reports that this run waits for the holder of a lock.
    pub fn waiting_for(&mut self, holder: Option<Holder>) {
        let holder = holder.map_or("another run".to_string(), |holder| holder.to_string());
        self.emit(&Event::Waiting { holder });
    }

    /// From now on also writes to `logs`, and to no others.
    pub fn log_to(&mut self, logs: Vec<File>) {
        self.logs = logs.into_iter().map(Text::log).collect();
    }

    pub fn emit(&mut self, event: &Event) {
        for sink in &mut self.sinks {
            sink.emit(event);
        }
        for log in &mut self.logs {
            log.emit(event);
        }
    }

    /// Runs `work` as `stage`. The times of a stage that runs twice are added.
    pub fn stage<T>(&mut self, stage: Stage, work: impl FnOnce(&mut Self) -> T) -> T {
        let begun = Instant::now();
        let result = work(self);
        self.end(stage, begun.elapsed());
        result
    }

    fn end(&mut self, stage: Stage, elapsed: Duration) {
        match self.stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, sum)) => *sum += elapsed,
            None => {
                let at = self.stages.partition_point(|(known, _)| *known < stage);
                self.stages.insert(at, (stage, elapsed));
            }
        }
        self.emit(&Event::StageEnded { stage, elapsed });
    }

    /// The time of each stage so far, in the order of the pipeline.
    pub fn stages(&self) -> Vec<(Stage, Duration)> {
        self.stages.clone()
    }
}

/// Ignores errors of writing: a closed pipe or a full log must not fail a build that succeeds.
struct Out(BufWriter<Box<dyn Write>>);

impl Out {
    fn new(to: impl Write + 'static) -> Self {
        Self(BufWriter::with_capacity(64 * 1024, Box::new(to)))
    }

    fn write(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes());
    }

    fn line(&mut self, text: &str) {
        self.write(text);
        self.write("\n");
    }

    fn flush(&mut self) {
        let _ = self.0.flush();
    }
}

pub use stage::Stage;
pub use summary::{Built, ImageSummary, Summary};
