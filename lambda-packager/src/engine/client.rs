//! Calls of an engine's command line: each has a time limit, and each failure is classified.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::engine::{Cause, EngineError, Kind, failure};
use crate::error::{Error, Result};
use crate::sys::{Input, Invocation, Output, Stream};

/// An engine's command line.
#[derive(Debug, Clone)]
pub struct Engine {
    pub kind: Kind,
    program: PathBuf,
    /// The limit for a call that usually takes a fraction of a second.
    pub(super) timeout: Duration,
    /// The working directory of the calls. Podman's monitor of a container stays in it as long as the container
    /// lives, and writes a file `oom` there if the container runs out of memory. Among the sources, that file
    /// would be an input.
    folder: PathBuf,
}

/// Enough for the largest image, or all that was compiled, on a slow disk.
const TRANSFER: Duration = Duration::from_secs(10 * 60);

/// Waits until one of `engines` answers, and returns it. Each pause is twice as long as the one before, up to a second, with
/// some jitter, so that several waiting processes do not call again at the same moment.
///
/// # Errors
/// None answers within the [`patience`](Engine::patience) with the first: the error of the first. One answers with an
/// error, or a signal ended the wait.
pub fn first_to_answer(engines: &[Engine]) -> Result<&Engine, EngineError> {
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);
    let deadline = Instant::now() + engines.first().map_or(Duration::ZERO, Engine::patience);
    let mut pause = Duration::from_millis(100);
    loop {
        let mut silent = None;
        for engine in engines {
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = Engine { timeout: engine.timeout.min(left.max(LONGEST_PAUSE)), ..engine.clone() };
            match asked.version() {
                Ok(_) => return Ok(engine),
                Err(EngineError::Unreachable(error) | EngineError::Hangs(error)) => {
                    silent = silent.or(Some(error));
                }
                Err(failure) => return Err(failure),
            }
        }
        if Instant::now() + pause >= deadline {
            let none = || Error::engine("no container engine is installed");
            return Err(EngineError::Unreachable(silent.unwrap_or_else(none)));
        }
        let jitter = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        thread::sleep(pause.mul_f64(0.75 + 0.5 * f64::from(jitter % 1000) / 1000.0));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Engine {
    pub fn new(kind: Kind, program: PathBuf, timeout: Duration, folder: &Path) -> Self {
        Self { kind, program, timeout, folder: folder.to_path_buf() }
    }

    /// How long to wait for it where it should be there: longer than its service takes to restart. An engine that may take
    /// longer for each command takes longer for that too.
    pub fn patience(&self) -> Duration {
        (self.timeout / 3).max(Duration::from_secs(10))
    }

    /// Waits until the engine answers.
    ///
    /// # Errors
    /// As for [`first_to_answer`].
    pub fn wait_until_it_answers(&self) -> Result<(), EngineError> {
        first_to_answer(std::slice::from_ref(self)).map(drop)
    }

    /// The version of the engine's service.
    pub fn version(&self) -> Result<String, EngineError> {
        self.told("version", "{{.Client.Version}}", "{{.Server.Version}}")
    }

    /// The folder of the engine's data. For an engine on another machine, it is a folder there.
    pub fn data_folder(&self) -> Result<PathBuf, EngineError> {
        self.told("info", "{{.Store.GraphRoot}}", "{{.DockerRootDir}}").map(PathBuf::from)
    }

    /// The name of the engine's machine.
    pub fn host_name(&self) -> Result<String, EngineError> {
        self.told("info", "{{.Host.Hostname}}", "{{.Name}}")
    }

    /// A field of the output of `verb`. Podman has another name for it than the other engines.
    fn told(&self, verb: &str, podmans: &str, others: &str) -> Result<String, EngineError> {
        let format = if self.kind == Kind::Podman { podmans } else { others };
        Ok(self.succeed(self.call(&[verb, "--format", format]), None)?.stdout_text())
    }

    /// What `inspect` reports about the container or image `name`; `None` if there is none.
    pub(super) fn look_up<T>(
        &self,
        what: &str,
        name: &str,
        parse: fn(&[u8]) -> Result<T>,
    ) -> Result<Option<T>, EngineError> {
        let output = self.output(self.call(&[what, "inspect", name]), None)?;
        if output.success() {
            return parse(&output.stdout).map(Some).map_err(EngineError::Refused);
        }
        let verb = format!("{what} inspect");
        match Cause::of(&verb, &output) {
            Cause::Absent => Ok(None),
            _ => Err(self.failure(&verb, &output).into_unable()),
        }
    }

    pub(super) fn call(&self, args: &[impl AsRef<OsStr>]) -> Invocation {
        Invocation::new(&self.program).args(args).folder(&self.folder)
    }

    pub(super) fn output(&self, call: Invocation, input: Option<Vec<u8>>) -> Result<Output, EngineError> {
        call.output(input.map(Input::from), self.timeout).map_err(EngineError::unanswered)
    }

    pub(super) fn succeed(&self, call: Invocation, input: Option<Vec<u8>>) -> Result<Output, EngineError> {
        let output = self.output(call.clone(), input)?;
        self.if_success(&call, output)
    }

    /// Runs a call that moves or removes much, and may take as long as a large image does. After each silence of some seconds
    /// the engine is asked whether it still answers.
    pub fn transfer(&self, call: &Invocation, input: Option<Input>) -> Result<Output, EngineError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let hear = |stream: Stream, piece: &[u8]| match stream {
            Stream::Stdout => stdout.extend_from_slice(piece),
            Stream::Stderr => stderr.extend_from_slice(piece),
        };
        let input = input.unwrap_or_else(|| Input::from(Vec::new()));
        let code = call.stream_both(input, self.patience_with_silence(), hear, self.asking(call))?;
        Ok(Output { code, stdout, stderr })
    }

    /// How long a call of [`Engine::transfer`] may say nothing before the engine is asked.
    pub(super) fn patience_with_silence(&self) -> Duration {
        self.timeout / 6
    }

    /// Asks the engine whether it still answers, during `call`, which began now.
    pub(super) fn asking<'a>(&'a self, call: &'a Invocation) -> impl Fn() -> Result<(), EngineError> + 'a {
        let limit = self.timeout.max(TRANSFER);
        let deadline = Instant::now() + limit;
        move || match self.version() {
            Ok(_) if Instant::now() > deadline => Err(EngineError::Hangs(call.overdue(limit))),
            answer => answer.map(drop),
        }
    }

    /// The same for a call that must succeed.
    pub(super) fn succeed_in_transfer(&self, call: &Invocation, input: Option<Input>) -> Result<Output, EngineError> {
        let output = self.transfer(call, input)?;
        self.if_success(call, output)
    }

    fn if_success(&self, call: &Invocation, output: Output) -> Result<Output, EngineError> {
        let verb = call.args.first().map_or_else(String::new, |verb| verb.to_string_lossy().into_owned());
        if output.success() { Ok(output) } else { Err(self.failure(&verb, &output)) }
    }

    /// The error of a long call that failed with `failure`: that the engine does not answer any more, if that is so. The
    /// command line may only say that the call ended.
    pub(super) fn unless_gone(&self, failure: EngineError) -> EngineError {
        match failure {
            EngineError::Refused(error) => match self.version() {
                Err(gone @ (EngineError::Unreachable(_) | EngineError::Hangs(_) | EngineError::Interrupted(_))) => gone,
                _ => EngineError::Refused(error),
            },
            failure => failure,
        }
    }

    pub(super) fn failure(&self, verb: &str, output: &Output) -> EngineError {
        failure::error(self.kind, verb, output, &output.stderr_text())
    }
}
