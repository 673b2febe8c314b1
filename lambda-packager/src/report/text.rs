//! Events as text: for a terminal, a pipe, or the log.

use std::borrow::Cow;
use std::fs::File;
use std::io::{IsTerminal, Write, stderr};

use crate::config::Config;
use crate::report::lines::{duration, failed_lines, image_lines, lines_of, progress_bar, table_of, thousands};
use crate::report::{Event, Out, Sink};
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

    #[test]
    fn links_and_colours_are_taken_away() {
        let links = "see \x1b]8;;https://doc.rust-lang.org/E0308\x1b\\E0308\x1b]8;;\x1b\\, \x1b]8;;file:///a\x07a\x1b]8;;\x07 and \x1b[1m\x1b[31mred\x1b[0m";
        assert_eq!(strip_colours(links), "see E0308, a and red");
        assert_eq!(strip_colours("cut off \x1b]8;;https://"), "cut off ");
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
}
