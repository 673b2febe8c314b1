//! Events as text: for a terminal, a pipe, or the log.

use std::borrow::Cow;
use std::fs::File;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use crate::config::Config;
use crate::error::Error;
use crate::packaged::Packaged;
use crate::report::{Event, Out, Sink, Stage, Summary};
use crate::sys::env;

/// How much is printed.
#[derive(PartialEq, Eq)]
pub enum Detail {
    /// Errors only.
    Quiet,
    /// The verdict, cargo's own messages, the summary.
    Normal,
    /// Every stage as it ends, and every reason.
    Verbose,
}

/// Plain lines, with a progress bar where there is a terminal.
pub struct Text {
    out: Out,
    detail: Detail,
    bar: bool,
    /// A bar is on the last line and must be cleared before anything else is written.
    bar_drawn: bool,
    cargo: Cargo,
    /// Whether cargo's colours are kept.
    coloured: bool,
    /// Whether it is of one function.
    is_log: bool,
}

/// When cargo's lines are written.
enum Cargo {
    AsItComes,
    /// After the compile, without the progress lines.
    AtTheEnd(Vec<String>),
}

/// The terminal of the user who called cargo, for a build script: cargo does not show the output of a build
/// script.
pub struct Terminal(File);

impl Terminal {
    /// The terminal that the parent process writes its messages to, if there is one.
    pub fn of_parent() -> Option<Self> {
        let parent = std::os::unix::process::parent_id();
        let stderr = format!("/proc/{parent}/fd/2");
        let file = crate::sys::fs::open_for_writing(stderr.as_ref()).ok()?;
        file.is_terminal().then_some(Self(file))
    }
}

impl Text {
    /// The bin's stderr.
    pub fn stderr(verbose: bool, quiet: bool) -> Self {
        let detail = match (verbose, quiet) {
            (_, true) => Detail::Quiet,
            (true, _) => Detail::Verbose,
            _ => Detail::Normal,
        };
        let (bar, _) = Self::stderr_draws(quiet);
        Self { bar, ..Self::of(stderr(), detail) }
    }

    /// Lines without a bar.
    pub fn plain(out: impl Write + 'static) -> Self {
        Self::of(out, Detail::Normal)
    }

    /// The terminal behind a build script. If the build script fails, cargo shows what it printed; if it
    /// succeeds, the compiler's warnings are shown here.
    pub fn terminal(terminal: Terminal) -> Self {
        Self { bar: true, cargo: Cargo::AtTheEnd(Vec::new()), ..Self::of(terminal.0, Detail::Normal) }
    }

    /// The log: everything.
    pub fn log(file: File) -> Self {
        Self { coloured: false, is_log: true, ..Self::of(file, Detail::Verbose) }
    }

    /// Lines as they come, in colour, without a bar.
    fn of(out: impl Write + 'static, detail: Detail) -> Self {
        Self {
            out: Out::new(out),
            detail,
            bar: false,
            bar_drawn: false,
            cargo: Cargo::AsItComes,
            coloured: true,
            is_log: false,
        }
    }

    /// Whether stderr can show a bar, and colours.
    pub fn stderr_draws(quiet: bool) -> (bool, bool) {
        let terminal = stderr().is_terminal();
        (terminal && !quiet && env::var("TERM").is_none_or(|term| term != "dumb"), terminal)
    }

    /// A line of ours. What a registry, an engine or a file said in it cannot drive the terminal.
    fn line(&mut self, text: &str) {
        self.line_as_it_is(&printable(text));
    }

    /// A line of cargo's, which may have colours.
    fn line_as_it_is(&mut self, text: &str) {
        self.clear_bar();
        self.out.line(text);
    }

    fn clear_bar(&mut self) {
        if std::mem::take(&mut self.bar_drawn) {
            self.out.write("\r\x1b[K");
        }
    }

    /// The compiler's warnings that were kept until the end.
    fn kept_lines(&mut self) {
        if let Cargo::AtTheEnd(kept) = &mut self.cargo {
            std::mem::take(kept).iter().for_each(|line| self.line_as_it_is(line));
        }
    }

    fn take(&mut self, event: &Event) {
        if let Event::Failed { error } = event {
            return self.line(&error.report());
        }
        if let (Event::CargoSaid { lines }, Cargo::AtTheEnd(kept)) = (event, &mut self.cargo) {
            kept.extend(lines.lines().filter(|line| !is_progress(line)).map(String::from));
            return;
        }
        if let (Event::FinishedAll { failed, .. }, Detail::Quiet) = (event, &self.detail) {
            return failed_lines(failed).iter().for_each(|line| self.line(line));
        }
        if self.detail == Detail::Quiet {
            return;
        }
        match event {
            Event::Waiting { holder } => self.line(&format!("waiting for {holder}")),
            Event::Note { message } => self.line(&format!("note: {message}")),
            Event::Judged { function, config, verdict, reasons } => {
                if let Some(why) = verdict.strip_prefix("cache-miss: ") {
                    let Config { mode, target_arch, runtime, .. } = config;
                    self.line(&format!("packaging {function} ({mode}, {target_arch}, {runtime}): {why}"));
                }
                if self.detail == Detail::Verbose {
                    reasons.iter().for_each(|reason| self.line(&format!("  {reason}")));
                }
            }
            Event::StageEnded { stage, elapsed } if self.detail == Detail::Verbose => {
                self.line(&format!("stage {stage} {}", duration(*elapsed)));
            }
            Event::Progress { done, total, what } if self.bar => {
                let bar = progress_bar(*done, *total, what);
                self.out.write(&format!("\r\x1b[K{bar}"));
                self.bar_drawn = true;
            }
            Event::CargoSaid { lines } if self.coloured => self.line_as_it_is(lines),
            Event::CargoSaid { lines } => self.line_as_it_is(&strip_colours(lines)),
            Event::EngineSaid { line } if self.detail == Detail::Verbose => self.line(&strip_colours(line)),
            Event::Finished { summary } if summary.is_alone || self.is_log => {
                self.kept_lines();
                lines_of(summary).iter().for_each(|line| self.line(line));
            }
            Event::FinishedAll { summaries, failed, left } => {
                self.kept_lines();
                table_of(summaries, failed, left).iter().for_each(|line| self.line(line));
            }
            Event::Kept { image, size_bytes } => {
                self.line(&format!("  kept    {image} {} bytes, for other checkouts", thousands(*size_bytes)));
            }
            event => image_lines(event).iter().for_each(|line| self.line(line)),
        }
    }
}

impl Sink for Text {
    fn emit(&mut self, event: &Event) {
        self.take(event);
        self.out.flush();
    }
}

fn image_lines(event: &Event) -> Vec<String> {
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

/// Whether a line is like `   Compiling x v1.0.0`: cargo's verbs end in the twelfth column.
fn is_progress(line: &str) -> bool {
    let line = strip_colours(line);
    let Some((verb, rest)) = line.split_at_checked(12) else { return false };
    let verb = verb.trim_start();
    verb.starts_with(char::is_uppercase) && verb.chars().all(char::is_alphabetic) && rest.starts_with(' ')
}

/// A line without the escape sequences of colours and links.
pub fn strip_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\x1b') {
        return line.into();
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = match after.strip_prefix(']') {
            // A link: it ends with BEL, or with ESC and a backslash.
            Some(link) => {
                let end =
                    link.find('\x07').map(|at| at + 1).into_iter().chain(link.find("\x1b\\").map(|at| at + 2)).min();
                &link[end.unwrap_or(link.len())..]
            }
            None => &after[after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1)..],
        };
    }
    plain.push_str(rest);
    plain.into()
}

/// Text without control characters, but for line ends and tabs: each is shown by its number, as in JSON, which has some of
/// them too.
fn printable(text: &str) -> Cow<'_, str> {
    let moves = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(moves) {
        return text.into();
    }
    text.chars().map(|c| if moves(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

fn progress_bar(done: u64, total: u64, what: &str) -> String {
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
fn table_of(summaries: &[&Summary], failed: &[(&str, Error)], left: &[&str]) -> Vec<String> {
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
fn failed_lines(failed: &[(&str, Error)]) -> Vec<String> {
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

fn duration(elapsed: Duration) -> String {
    match elapsed.as_millis() {
        0..1000 => format!("{:.1} ms", elapsed.as_secs_f64() * 1000.0),
        _ => format!("{:.2} s", elapsed.as_secs_f64()),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Prints lines on stdout: the result of a command. As for `Text::line`.
pub fn print_lines(lines: &[String]) {
    print_to(std::io::stdout(), lines);
}

fn print_to(to: impl Write + 'static, lines: &[String]) {
    let mut out = Out::new(to);
    lines.iter().for_each(|line| out.line(&printable(line)));
    out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packaged::{Reason, Verdict};

    #[test]
    fn links_and_colours_are_taken_away() {
        let links = "see \x1b]8;;https://doc.rust-lang.org/E0308\x1b\\E0308\x1b]8;;\x1b\\, \x1b]8;;file:///a\x07a\x1b]8;;\x07 and \x1b[1m\x1b[31mred\x1b[0m";
        assert_eq!(strip_colours(links), "see E0308, a and red");
        assert_eq!(strip_colours("cut off \x1b]8;;https://"), "cut off ");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!([0, 924_837, 1_005_234].map(thousands), ["0", "924,837", "1,005,234"]);
        assert_eq!(duration(Duration::from_micros(1234)), "1.2 ms");
        assert_eq!(duration(Duration::from_millis(44_100)), "44.10 s");
    }

    #[test]
    fn cargos_progress_is_told_from_the_compilers_lines() {
        for line in
            ["   Compiling a v0.1.0 (/a)", "\x1b[1m\x1b[92m   Compiling\x1b[0m a v0.1.0", "    Finished `release` x"]
        {
            assert!(is_progress(line), "{line:?}");
        }
        let warning = "\x1b[1m\x1b[33mwarning\x1b[0m\x1b[1m: unused variable: `x`\x1b[0m";
        for line in
            [warning, "  --> src/main.rs:2:9", "3 |     let x = 1;", "  |", "   = note: on by default", "", "wörning"]
        {
            assert!(!is_progress(line), "{line:?}");
        }
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
    fn what_others_said_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\u{9b}1A\r\n\tä"), "a\\u001b[2J\\u009b1A\\u000d\n\tä");
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut text = Text::plain(path.reopen().unwrap());
        text.emit(&Event::Failed {
            error: &crate::error::Error::config("x").source("\u{1b}]0;title\u{7}").hint_with("\u{1b}c"),
        });
        text.emit(&Event::Note { message: "\u{1b}[8m" });
        text.emit(&Event::CargoSaid { lines: "\u{1b}[1mwarning" });
        #[allow(clippy::disallowed_methods)]
        let written = std::fs::read_to_string(path.path()).unwrap();
        assert_eq!(written.matches('\u{1b}').count(), 1, "{written:?}");
    }

    #[test]
    fn the_result_of_a_command_cannot_either_and_stays_json() {
        // JSON leaves the last two as they are.
        let value = serde_json::json!("a\u{1b}[2J\u{9b}1A\u{7f}");
        let path = tempfile::NamedTempFile::new().unwrap();
        print_to(path.reopen().unwrap(), &["\u{1b}[8m".to_string(), value.to_string()]);
        #[allow(clippy::disallowed_methods)]
        let printed = std::fs::read_to_string(path.path()).unwrap();
        let [first, second] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed:?}") };
        assert_eq!(first, "\\u001b[8m");
        assert!(!second.contains(char::is_control), "{second:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(second).unwrap(), value);
    }

    #[test]
    fn the_bar_fills() {
        assert_eq!(progress_bar(0, 0, ""), format!("  compile [{}] 0/0 ", " ".repeat(24)));
        assert!(progress_bar(12, 24, "serde").contains(&format!("[{}{}] 12/24 serde", "=".repeat(12), " ".repeat(12))));
    }
}
