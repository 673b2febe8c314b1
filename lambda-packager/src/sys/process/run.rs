//! Running a program to its end, with a limit for every wait.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::process::guard::{Guard, end};
use crate::sys::process::line_buffer::LineBuffer;
use crate::sys::process::supervise;
use crate::sys::process::supervise::{Patience, Said, drive};
use crate::sys::process::terminal::Terminal;
use crate::sys::{Input, Invocation, Output, Stream, env};

impl Invocation {
    /// Runs the program to its end, with `input` on its standard input.
    ///
    /// # Errors
    /// If it cannot be started, or does not end within `timeout`. Then it is killed.
    pub fn output(&self, input: Option<Input>, timeout: Duration) -> Result<Output> {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = self.spawn(stdin)?;
        if let Some(input) = input {
            feed(&mut child, input);
        }
        collect(child, Patience::Until(Instant::now() + timeout), || Err(self.overdue(timeout)))
    }

    /// Runs this program with `input` on its standard input, and `reader`, which reads the output of this one, to the end of
    /// both. `reader` is not started for a program that prints nothing. After each `patience` in which one of them says
    /// nothing to us, calls `on_silence`; an error of it ends that one.
    ///
    /// # Errors
    /// If either cannot be started; those of `on_silence`.
    pub fn pipe_into<E: From<Error> + Send>(
        &self,
        input: Option<Input>,
        reader: &Self,
        patience: Duration,
        on_silence: impl Fn() -> Result<(), E> + Sync,
    ) -> Result<(Output, Option<Output>), E> {
        let mut writing = self.spawn(if input.is_some() { Stdio::piped() } else { Stdio::null() })?;
        if let Some(input) = input {
            feed(&mut writing, input);
        }
        let pipe = writing.stdout.take();
        thread::scope(|scope| {
            let written = scope.spawn(|| collect(writing, Patience::Each(patience), &on_silence));
            let read = pipe.map_or(Ok(None), |pipe| reader.read_from(pipe, patience, &on_silence));
            let written = written.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((written?, read?))
        })
    }

    /// Runs the program with all of `pipe` on its standard input, if there is anything.
    fn read_from<E: From<Error>>(
        &self,
        mut pipe: ChildStdout,
        patience: Duration,
        on_silence: impl Fn() -> Result<(), E>,
    ) -> Result<Option<Output>, E> {
        let mut start = [0; 1024];
        // A broken pipe is the end of it, too.
        let length = pipe.read(&mut start).unwrap_or(0);
        if length == 0 {
            return Ok(None);
        }
        let mut child = self.spawn(Stdio::piped())?;
        if let Some(mut stdin) = child.stdin.take() {
            // As in `feed`. The kernel moves the content from pipe to pipe.
            thread::spawn(move || {
                let _ = stdin.write_all(&start[..length]).and_then(|()| std::io::copy(&mut pipe, &mut stdin));
            });
        }
        collect(child, Patience::Each(patience), on_silence).map(Some)
    }

    /// The error for a program that does not end within `limit`.
    pub fn overdue(&self, limit: Duration) -> Error {
        Error::engine(format!("`{self}` did not end within {} s", limit.as_secs()))
            .hint_with("check whether the service behind that command hangs, and restart it")
    }

    /// Runs the program to its end. Passes on stderr as it comes, in pieces that end at `\n` or `\r` (included). After
    /// each silence of `patience`, calls `on_silence`; an error of it ends the program. Its stdin has `input`, and then
    /// stays open as long as we live, so that the program knows when nobody waits for it any more; it ends early if the
    /// input fails. `Output::stderr` stays empty.
    pub fn stream_stderr(
        &self,
        input: impl Into<Input>,
        patience: Duration,
        mut on_stderr: impl FnMut(&[u8]),
        mut on_silence: impl FnMut() -> Result<()>,
    ) -> Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), LineBuffer::default());
        let mut child = self.spawn(Stdio::piped())?;
        let open = begin(&mut child, input.into());
        let code = drive(child, None, Some(open), Patience::Each(patience), &mut |said| {
            match said {
                Said::Stdout(bytes) => stdout.extend_from_slice(bytes),
                Said::Stderr(bytes) => stderr.add(bytes, &mut on_stderr).unwrap_or_default(),
                Said::Nothing => return on_silence(),
            }
            Ok(())
        })?;
        stderr.end(&mut on_stderr);
        Ok(Output { code, stdout, stderr: Vec::new() })
    }

    /// Runs the program to its end, with `input` on its standard input. Passes on both streams as they come, in pieces that
    /// end at `\n` or `\r` (included). After each silence of `patience`, calls `on_silence`; an error of it ends the program. If
    /// we end, the program and all that it started end too. Returns the exit status.
    pub fn stream_both<E: From<Error>>(
        &self,
        input: impl Into<Input>,
        patience: Duration,
        mut hear: impl FnMut(Stream, &[u8]),
        on_silence: impl FnMut() -> Result<(), E>,
    ) -> Result<i32, E> {
        let mut child = self.spawn(Stdio::piped())?;
        feed(&mut child, input.into());
        let hear = |stream: Stream, piece: &[u8]| {
            hear(stream, piece);
            Ok(())
        };
        guarded(child, patience, hear, on_silence)
    }

    /// The same without input, and with a terminal of its own as `shown`: there the program shows its progress. An error of
    /// `hear` ends the program too.
    pub fn stream_on_terminal(
        &self,
        shown: Stream,
        patience: Duration,
        hear: impl FnMut(Stream, &[u8]) -> Result<()>,
        on_silence: impl FnMut() -> Result<()>,
    ) -> Result<i32> {
        let Terminal { ours, theirs } = Terminal::open().map_err(|e| {
            Error::new(ErrorKind::Io, format!("cannot open a terminal for `{self}`"))
                .source(e)
                .hint_with("mount devpts on /dev/pts")
        })?;
        let mut child = self.spawn_on(shown, theirs)?;
        match shown {
            Stream::Stdout => child.stdout = Some(ours.into()),
            Stream::Stderr => child.stderr = Some(ours.into()),
        }
        guarded(child, patience, hear, on_silence)
    }

    /// Becomes the program: it has our terminal, gets our signals, and its exit status is ours. Returns only if it cannot
    /// be started.
    pub fn exec(&self) -> Error {
        self.not_started(self.command().exec())
    }

    /// Becomes this program once more, with the same name and arguments, and with `variables` in its environment. Returns
    /// only if that fails.
    pub fn this_again(variables: &BTreeMap<String, String>) -> Error {
        let program = match env::this_program() {
            Ok(program) => Self::new(&program).args(&env::arguments()),
            Err(error) => return error,
        };
        let mut command = program.command();
        program.not_started(command.arg0(env::called_as()).envs(variables).exec())
    }

    /// Runs the program on our terminal, for a person.
    pub fn interactive(&self) -> Result<i32> {
        self.command().status().map(supervise::code).map_err(|e| self.not_started(e))
    }
}

/// Waits for the end of `child`; where it is silent for too long, an error of `on_silence` ends it.
fn collect<E: From<Error>>(
    child: Child,
    patience: Patience,
    on_silence: impl Fn() -> Result<(), E>,
) -> Result<Output, E> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let code = drive(child, None, None, patience, &mut |said| {
        match said {
            Said::Stdout(bytes) => stdout.extend_from_slice(bytes),
            Said::Stderr(bytes) => stderr.extend_from_slice(bytes),
            Said::Nothing => return on_silence(),
        }
        Ok(())
    })?;
    Ok(Output { code, stdout, stderr })
}

/// Passes on both streams of `child` up to its end, which comes with ours.
fn guarded<E: From<Error>>(
    mut child: Child,
    patience: Duration,
    mut hear: impl FnMut(Stream, &[u8]) -> Result<(), E>,
    mut on_silence: impl FnMut() -> Result<(), E>,
) -> Result<i32, E> {
    let guard = Guard::of(&child).inspect_err(|_| end(&mut child))?;
    let (mut stdout, mut stderr) = (LineBuffer::default(), LineBuffer::default());
    let code = drive(child, Some(guard), None, Patience::Each(patience), &mut |said| match said {
        Said::Stdout(bytes) => stdout.add(bytes, |pieces| hear(Stream::Stdout, pieces)).unwrap_or(Ok(())),
        Said::Stderr(bytes) => stderr.add(bytes, |pieces| hear(Stream::Stderr, pieces)).unwrap_or(Ok(())),
        Said::Nothing => on_silence(),
    })?;
    stdout.end(|pieces| hear(Stream::Stdout, pieces)).transpose()?;
    stderr.end(|pieces| hear(Stream::Stderr, pieces)).transpose()?;
    Ok(code)
}

/// Writes `input` to a program's standard input and closes it.
fn feed(child: &mut Child, input: Input) {
    if let Some(mut pipe) = child.stdin.take() {
        // If the program stopped reading, its status and stderr show why.
        thread::spawn(move || {
            let _ = input.write_to(&mut pipe);
        });
    }
}

/// Writes `input` to a program's standard input, and leaves it open until the value that is returned is dropped.
fn begin(child: &mut Child, input: Input) -> Sender<()> {
    let (open, closed) = channel::<()>();
    if let Some(mut pipe) = child.stdin.take() {
        // As in `feed`.
        thread::spawn(move || {
            if input.write_to(&mut pipe).is_ok() {
                let _ = closed.recv();
            }
        });
    }
    open
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sh(script: &str) -> Invocation {
        Invocation::new(Path::new("/bin/sh")).args(&["-c", script])
    }

    #[test]
    fn output_has_both_streams_and_the_status() {
        let out = sh("cat; echo err >&2; exit 7").output(Some(b"in".to_vec().into()), Duration::from_secs(60)).unwrap();
        assert_eq!((out.code, out.stdout_text().as_str()), (7, "in"));
        assert_eq!(out.stderr_text(), "err");
    }

    #[test]
    fn one_program_reads_what_another_prints() {
        let pipe =
            |from: &str, input, to: &str| sh(from).pipe_into(input, &sh(to), FOREVER, || Ok::<(), Error>(())).unwrap();
        let input = Some(b"b".to_vec().into());
        let (sent, received) = pipe("printf a; cat; printf c; echo e >&2; exit 3", input, "cat; exit 4");
        assert_eq!((sent.code, sent.stderr_text().as_str(), sent.stdout.len()), (3, "e", 0));
        let received = received.unwrap();
        assert_eq!((received.code, received.stdout_text().as_str()), (4, "abc"));
        // If the reader ends early, the endless writer ends too.
        let (sent, received) = pipe("while :; do echo abc || exit 7; done", None, "exit 0");
        assert_ne!(sent.code, 0);
        assert_eq!(received.unwrap().code, 0);
        // There is nothing to read for it.
        let (sent, received) = pipe("exit 3", None, "exit 4");
        assert!(sent.code == 3 && received.is_none());
    }

    #[test]
    fn a_program_that_hangs_is_killed_and_named() {
        let error = sh("exec tail -f /dev/null").output(None, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("tail -f"), "{error}");
    }

    #[test]
    fn an_input_that_fails_ends_there() {
        let failing = Input::Written(Box::new(|out| {
            out.write_all(b"start")?;
            Err(std::io::Error::other("the file is gone"))
        }));
        let out = sh("cat").stream_stderr(failing, FOREVER, |_| (), || Ok(())).unwrap();
        assert_eq!((out.code, out.stdout_text().as_str()), (0, "start"));
    }

    #[test]
    fn stderr_is_streamed_in_pieces_that_end_at_newlines_and_carriage_returns() {
        let mut pieces = Vec::new();
        // The script waits for a file that the callback creates, so that the parts come separately.
        let steps = tempfile::tempdir().unwrap();
        let step = |name: &str| steps.path().join(name).display().to_string();
        let wait = |name: &str| format!("until [ -e '{}' ]; do :; done", step(name));
        let script = format!(r"printf 'a\rb' >&2; {}; printf 'c\nd\ne' >&2; echo out", wait("1"));
        let out = sh(&script)
            .stream_stderr(
                Vec::new(),
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
    fn both_streams_are_streamed_and_the_input_ends() {
        let mut pieces = Vec::new();
        let code = sh("cat; echo two >&2; printf three; exit 3")
            .stream_both(
                b"one\n".to_vec(),
                FOREVER,
                |stream, piece| pieces.push((stream, String::from_utf8_lossy(piece).into_owned())),
                || Ok::<(), Error>(()),
            )
            .unwrap();
        pieces.sort_by(|a, b| a.1.cmp(&b.1));
        let expected = [(Stream::Stdout, "one\n"), (Stream::Stdout, "three"), (Stream::Stderr, "two\n")];
        assert_eq!((code, pieces), (3, expected.map(|(stream, text)| (stream, text.to_string())).to_vec()));
    }

    #[test]
    fn a_terminal_is_there_for_one_stream_and_an_error_ends_a_program_that_never_falls_silent() {
        for (shown, number) in [(Stream::Stdout, 1), (Stream::Stderr, 2)] {
            let mut heard = Vec::new();
            let is_one = |fd: u8| format!("if [ -t {fd} ]; then echo yes; else echo no; fi >&{fd}");
            let script = format!("{}; {}; exit 5", is_one(number), is_one(3 - number));
            let hear = |stream: Stream, piece: &[u8]| {
                heard.push((stream == shown, String::from_utf8_lossy(piece).into_owned()));
                Ok(())
            };
            let code = sh(&script).stream_on_terminal(shown, FOREVER, hear, || Ok(()));
            heard.sort();
            assert_eq!(heard, [(false, "no\n".to_string()), (true, "yes\r\n".to_string())], "{shown:?}");
            assert_eq!(code.unwrap(), 5);
        }
        let endless = sh("while :; do echo; done");
        let result =
            endless.stream_on_terminal(Stream::Stdout, FOREVER, |_, _| Err(Error::engine("enough")), || Ok(()));
        assert_eq!(result.unwrap_err().to_string(), "enough");
    }

    const FOREVER: Duration = Duration::from_secs(3600);

    #[test]
    fn an_error_after_silence_ends_the_program() {
        let mut silences = 0;
        let result = sh("echo one >&2; exec tail -f /dev/null").stream_stderr(
            Vec::new(),
            Duration::from_millis(20),
            |_| (),
            || {
                silences += 1;
                if silences < 3 { Ok(()) } else { Err(Error::engine("enough")) }
            },
        );
        assert_eq!((result.unwrap_err().to_string().as_str(), silences), ("enough", 3));
    }
}
