//! The one door to other programs: argument vectors, a chosen environment, a bound on every wait.
#![allow(clippy::disallowed_methods)]

mod guard;
mod line_buffer;
mod supervise;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use guard::Guard;
use supervise::{Patience, Said, drive};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::interrupt;
use crate::sys::process::line_buffer::LineBuffer;

/// What a program sees of our environment.
#[derive(Debug, Clone)]
pub enum Environment {
    /// All of it.
    Inherited,
    /// Exactly these variables.
    Only(Vec<(OsString, OsString)>),
}

/// A program to run, as data.
#[derive(Clone)]
pub struct Invocation {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub environment: Environment,
    pub folder: Option<PathBuf>,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Output {
    /// The exit status, or 128 + the number of the signal, as a shell counts.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    pub fn success(&self) -> bool {
        self.code == 0
    }

    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_string()
    }

    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_string()
    }
}

impl Invocation {
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_path_buf(), args: Vec::new(), environment: Environment::Inherited, folder: None }
    }

    pub fn args(mut self, args: &[impl AsRef<OsStr>]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    pub fn only(mut self, environment: Vec<(OsString, OsString)>) -> Self {
        self.environment = Environment::Only(environment);
        self
    }

    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_path_buf());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        if let Environment::Only(variables) = &self.environment {
            command.env_clear().envs(variables.iter().map(|(k, v)| (k, v)));
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    fn spawn(&self, stdin: Stdio) -> Result<Child> {
        if interrupt::signal().is_some() {
            return Err(interrupt::error());
        }
        let mut command = self.command();
        if interrupt::is_handled() {
            // Ctrl-C reaches every program of the terminal's foreground group; ours end in order.
            command.process_group(0);
        }
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot start {}", self.program.display())).source(e))
    }

    /// Runs to the end with `input` on its standard input.
    ///
    /// # Errors
    /// Where it cannot be started, or has not ended within `timeout`: then it is killed and named.
    pub fn output(&self, input: Option<Vec<u8>>, timeout: Duration) -> Result<Output> {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = self.spawn(stdin)?;
        if let Some(bytes) = input {
            feed(&mut child, bytes);
        }
        self.collect(child, timeout)
    }

    /// Runs this and `reader`, what this one prints being what that one reads, to the end of both.
    ///
    /// # Errors
    /// As of [`Invocation::output`], of either.
    pub fn pipe_into(&self, reader: &Self, timeout: Duration) -> Result<[Output; 2]> {
        let mut writing = self.spawn(Stdio::null())?;
        let pipe = writing.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let reading = match reader.spawn(pipe) {
            Ok(reading) => reading,
            Err(error) => {
                let _ = writing.kill();
                let _ = writing.wait();
                return Err(error);
            }
        };
        thread::scope(|scope| {
            let written = scope.spawn(|| self.collect(writing, timeout));
            let read = reader.collect(reading, timeout);
            let written = written.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok([written?, read?])
        })
    }

    /// Waits for the end of `child`, which runs this.
    fn collect(&self, child: Child, timeout: Duration) -> Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let code = drive(child, None, Patience::Until(Instant::now() + timeout), &mut |said| match said {
            Said::Stdout(bytes) => {
                stdout.extend_from_slice(bytes);
                Ok(())
            }
            Said::Stderr(bytes) => {
                stderr.extend_from_slice(bytes);
                Ok(())
            }
            Said::Nothing => Err(Error::engine(format!("`{self}` did not end within {} s", timeout.as_secs()))
                .hint_with("check whether the service behind that command hangs, and restart it")),
        })?;
        Ok(Output { code, stdout, stderr })
    }

    /// Runs to the end, handing on stderr as it comes, in pieces that end at `\n` or `\r` (kept). Whenever
    /// it has said nothing for `patience`, `on_silence` may look after it; its error ends the program. Its
    /// stdin is a pipe that stays open as long as we live: when it closes, nobody is waiting for the program
    /// any more. `Output::stderr` stays empty.
    pub fn stream_stderr(
        &self,
        patience: Duration,
        mut on_stderr: impl FnMut(&[u8]),
        mut on_silence: impl FnMut() -> Result<()>,
    ) -> Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), LineBuffer::default());
        let code = drive(self.spawn(Stdio::piped())?, None, Patience::Each(patience), &mut |said| match said {
            Said::Stdout(bytes) => {
                stdout.extend_from_slice(bytes);
                Ok(())
            }
            Said::Stderr(bytes) => {
                stderr.add(bytes, &mut on_stderr);
                Ok(())
            }
            Said::Nothing => on_silence(),
        })?;
        stderr.end(&mut on_stderr);
        Ok(Output { code, stdout, stderr: Vec::new() })
    }

    /// Runs to the end with `input` on its standard input, handing on both streams as they come, in pieces
    /// that end at `\n` or `\r` (kept). Whenever neither said anything for `patience`, `on_silence` may look
    /// after it; its error ends the program. It ends with us, and all that it started. Returns the exit status.
    pub fn stream_both(
        &self,
        input: Vec<u8>,
        patience: Duration,
        mut hear: impl FnMut(Stream, &[u8]),
        mut on_silence: impl FnMut() -> Result<()>,
    ) -> Result<i32> {
        let mut child = self.spawn(Stdio::piped())?;
        feed(&mut child, input);
        let guard = match Guard::of(&child) {
            Ok(guard) => guard,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let (mut stdout, mut stderr) = (LineBuffer::default(), LineBuffer::default());
        let code = drive(child, Some(guard), Patience::Each(patience), &mut |said| {
            match said {
                Said::Stdout(bytes) => stdout.add(bytes, |pieces| hear(Stream::Stdout, pieces)),
                Said::Stderr(bytes) => stderr.add(bytes, |pieces| hear(Stream::Stderr, pieces)),
                Said::Nothing => return on_silence(),
            }
            Ok(())
        })?;
        stdout.end(|pieces| hear(Stream::Stdout, pieces));
        stderr.end(|pieces| hear(Stream::Stderr, pieces));
        Ok(code)
    }

    /// Hands the terminal over and waits: for a program that a person talks to.
    pub fn interactive(&self) -> Result<i32> {
        let status = self
            .command()
            .status()
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot start {}", self.program.display())).source(e))?;
        Ok(supervise::code(status))
    }
}

/// Which stream of a program a piece is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Writes `bytes` to a program's standard input and closes it.
fn feed(child: &mut Child, bytes: Vec<u8>) {
    if let Some(mut pipe) = child.stdin.take() {
        // A program that stops reading early says why on stderr; its status tells.
        thread::spawn(move || {
            let _ = pipe.write_all(&bytes);
        });
    }
}

impl std::fmt::Display for Invocation {
    /// As a person would type it. Environment variables are never shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        f.write_str(&name.to_string_lossy())?;
        for arg in &self.args {
            let text = arg.to_string_lossy();
            let plain = |c: char| c.is_alphanumeric() || "-_=/.:,+@%".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                write!(f, " {text}")?;
            } else if text.contains('\n') {
                // A script of ours: its text says less than its absence.
                f.write_str(" '...'")?;
            } else {
                write!(f, " '{}'", text.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Invocation {
        Invocation::new(Path::new("/bin/sh")).args(&["-c", script])
    }

    #[test]
    fn captures_both_streams_and_the_status() {
        let out = sh("cat; echo err >&2; exit 7").output(Some(b"in".to_vec()), Duration::from_secs(60)).unwrap();
        assert_eq!((out.code, out.stdout_text().as_str()), (7, "in"));
        assert_eq!(out.stderr_text(), "err");
    }

    #[test]
    fn one_program_reads_what_another_prints() {
        let minute = Duration::from_secs(60);
        let [sent, received] = sh("printf abc; echo e >&2; exit 3").pipe_into(&sh("cat; exit 4"), minute).unwrap();
        assert_eq!((sent.code, sent.stderr_text().as_str(), sent.stdout.len()), (3, "e", 0));
        assert_eq!((received.code, received.stdout_text().as_str()), (4, "abc"));
        // A reader that ends early ends the writer too, which would go on for ever.
        let [sent, received] = sh("while :; do echo abc || exit 7; done").pipe_into(&sh("exit 0"), minute).unwrap();
        assert_ne!(sent.code, 0);
        assert_eq!(received.code, 0);
    }

    #[test]
    fn a_program_that_hangs_is_killed_and_named() {
        let error = sh("exec tail -f /dev/null").output(None, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("tail -f"), "{error}");
    }

    #[test]
    fn streams_pieces_ending_at_newlines_and_carriage_returns() {
        let mut pieces = Vec::new();
        // Each part is asked for by what was heard before it: they cannot come together.
        let steps = tempfile::tempdir().unwrap();
        let step = |name: &str| steps.path().join(name).display().to_string();
        let wait = |name: &str| format!("until [ -e '{}' ]; do :; done", step(name));
        let script = format!(r"printf 'a\rb' >&2; {}; printf 'c\nd\ne' >&2; echo out", wait("1"));
        let out = sh(&script)
            .stream_stderr(
                FOREVER,
                |piece| {
                    pieces.push(String::from_utf8_lossy(piece).into_owned());
                    crate::sys::fs::create(step("1").as_ref()).unwrap();
                },
                || Ok(()),
            )
            .unwrap();
        assert_eq!(pieces, ["a\r", "bc\nd\n", "e"]);
        assert_eq!(out.stdout_text(), "out");
    }

    #[test]
    fn narrates_both_streams_and_ends_the_input() {
        let mut pieces = Vec::new();
        let code = sh("cat; echo two >&2; printf three; exit 3")
            .stream_both(
                b"one\n".to_vec(),
                FOREVER,
                |stream, piece| pieces.push((stream, String::from_utf8_lossy(piece).into_owned())),
                || Ok(()),
            )
            .unwrap();
        pieces.sort_by(|a, b| a.1.cmp(&b.1));
        let expected = [(Stream::Stdout, "one\n"), (Stream::Stdout, "three"), (Stream::Stderr, "two\n")];
        assert_eq!((code, pieces), (3, expected.map(|(stream, text)| (stream, text.to_string())).to_vec()));
    }

    const FOREVER: Duration = Duration::from_secs(3600);

    #[test]
    fn silence_is_noticed_and_can_end_the_program() {
        let mut silences = 0;
        let result = sh("echo one >&2; exec tail -f /dev/null").stream_stderr(
            Duration::from_millis(20),
            |_| (),
            || {
                silences += 1;
                if silences < 3 { Ok(()) } else { Err(Error::engine("enough")) }
            },
        );
        assert_eq!((result.unwrap_err().to_string().as_str(), silences), ("enough", 3));
    }

    #[test]
    fn is_shown_as_it_would_be_typed() {
        let shown = sh("it's").to_string();
        assert_eq!(shown, r"sh -c 'it'\''s'");
    }
}
