//! Taking the time of programs, several side by side.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::figure::{Sample, Unit};

/// What keeps a figure from being measured, in words.
pub type Result<T> = std::result::Result<T, String>;

/// One side of a comparison.
pub struct Side<'a> {
    prepare: Box<dyn FnMut() -> Result<()> + 'a>,
    command: Box<dyn Fn() -> Command + 'a>,
    status: i32,
}

impl<'a> Side<'a> {
    pub fn new(command: impl Fn() -> Command + 'a) -> Self {
        Self { prepare: Box::new(|| Ok(())), command: Box::new(command), status: 0 }
    }

    /// The same command in each round.
    pub fn of(command: &'a Command) -> Self {
        Self::new(|| again(command))
    }

    /// Done before each round; the clock does not see it.
    pub fn after(mut self, prepare: impl FnMut() -> Result<()> + 'a) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// The exit status of success.
    pub fn ending_with(mut self, status: i32) -> Self {
        self.status = status;
        self
    }
}

/// Takes the time of all sides in turn, `rounds` times: whatever else the machine does meets all alike.
pub fn interleaved(rounds: usize, log: &Path, mut sides: Vec<Side>) -> Result<Vec<Sample>> {
    let mut values = vec![Vec::new(); sides.len()];
    for _ in 0..rounds {
        for (side, values) in sides.iter_mut().zip(&mut values) {
            (side.prepare)()?;
            values.push(timed(&mut (side.command)(), side.status, log)?);
        }
    }
    let samples = sides.iter().zip(values);
    Ok(samples.map(|(side, values)| Sample::new(shown(&(side.command)()), Unit::Seconds, values)).collect())
}

/// Seconds from start to end of a program; what it says goes to `log`.
pub fn timed(command: &mut Command, status: i32, log: &Path) -> Result<f64> {
    let fail = |e: std::io::Error| format!("{}: {e}", shown(command));
    let file = File::create(log).map_err(fail)?;
    let copy = file.try_clone().map_err(fail)?;
    command.stdin(Stdio::null()).stdout(copy).stderr(file);
    let begun = Instant::now();
    let ended = command.status();
    let seconds = begun.elapsed().as_secs_f64();
    let ended = ended.map_err(|e| format!("{} does not start: {e}", shown(command)))?;
    if ended.code() == Some(status) {
        return Ok(seconds);
    }
    Err(format!("`{}` ended with {ended}: {}", shown(command), tail(log)))
}

/// The same command once more.
pub fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    copy
}

/// What a program prints on stdout.
pub fn ask(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| format!("{} does not start: {e}", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_string());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` ended with {}: {}", shown(command), output.status, said.trim().lines().last().unwrap_or("")))
}

/// Seconds of a stage of a run with `--message-format json`, as the packager tells them.
pub fn stage(name: &str, command: &mut Command) -> Result<f64> {
    let said = ask(command)?;
    let events = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut finished = events.filter(|event| event["event"] == "finished");
    let elapsed_ms = finished.next().and_then(|event| event["stages_ms"][name].as_f64());
    elapsed_ms.map(|ms| ms / 1e3).ok_or_else(|| format!("`{}` tells of no stage `{name}`", shown(command)))
}

fn tail(log: &Path) -> String {
    const LENGTH: usize = 600;
    let said = std::fs::read(log).unwrap_or_default();
    let end = String::from_utf8_lossy(&said[said.len().saturating_sub(LENGTH)..]);
    end.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A command as one would type it: where, with which variables, what. Those that only keep the bench
/// apart from everything else on the machine are left out.
pub fn shown(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        let name = name.to_string_lossy();
        if let Some(value) = value
            && !["DOCKER_HOST", "LAMBDA_PACKAGER_LABEL", "PATH"].contains(&&*name)
        {
            words.push(format!("{name}={}", value.to_string_lossy()));
        }
    }
    words.push(Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned());
    words.extend(command.get_args().map(|arg| {
        let arg = arg.to_string_lossy();
        if arg.contains(char::is_whitespace) { format!("'{arg}'") } else { arg.into_owned() }
    }));
    let folder = command.get_current_dir().and_then(Path::file_name);
    let place = folder.map_or(String::new(), |folder| format!("{}$ ", folder.to_string_lossy()));
    format!("{place}{}", words.join(" "))
}
