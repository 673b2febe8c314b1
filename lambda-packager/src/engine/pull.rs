//! Pulling an image: what the engine shows of it, and when it is given up.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineError, Kind};
use crate::error::{Error, Result};
use crate::sys::{Output, Stream};

impl Engine {
    /// Pulls an image. It is given up if the registry does not answer, or sends nothing more for the time limit of a command.
    pub fn pull(&self, reference: &str) -> Result<(), EngineError> {
        let pull = RefCell::new(Pull::begun(self.timeout));
        // Where the engines show a bar for each layer if it is a terminal. The other stream is not for people.
        let shown = if self.kind == Kind::Podman { Stream::Stderr } else { Stream::Stdout };
        let mut stderr = Vec::new();
        let check = || pull.borrow().check(reference, Instant::now());
        let hear = |stream: Stream, piece: &[u8]| {
            if stream == Stream::Stderr {
                stderr.extend_from_slice(piece);
            }
            pull.borrow_mut().hear(&String::from_utf8_lossy(piece), Instant::now());
            check()
        };
        let pulled = self.call(&["pull", reference]).stream_on_terminal(shown, Duration::from_secs(1), hear, check);
        let failure = match pulled {
            Ok(0) => return Ok(()),
            Ok(code) => {
                let stderr = messages(&String::from_utf8_lossy(&stderr)).into_bytes();
                self.failure("pull", &Output { code, stdout: Vec::new(), stderr })
            }
            Err(error) => error.into(),
        };
        Err(self.unless_gone(failure))
    }
}

/// Where a layer is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// From the registry.
    Download,
    /// In the engine's storage.
    Unpack,
    Done,
}

/// A pull, by what the engine's command line shows on a terminal.
struct Pull {
    /// How long a download may stand still.
    limit: Duration,
    /// The last line about each layer. Podman draws all of them again and again, whether something came or not.
    layers: HashMap<String, String>,
    /// Whether the registry answered.
    is_answered: bool,
    moved_at: Instant,
}

impl Pull {
    fn begun(limit: Duration) -> Self {
        Self { limit, layers: HashMap::new(), is_answered: false, moved_at: Instant::now() }
    }

    fn hear(&mut self, piece: &str, now: Instant) {
        let plain = without_controls(piece);
        for line in plain.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            // Podman prints these lines before it connects.
            self.is_answered |= !(line.starts_with("Trying to pull") || line.starts_with("Resolv"));
            let is_new = match layer(line) {
                Some((id, state)) => self.layers.insert(id.to_string(), state.to_string()).as_deref() != Some(state),
                None => true,
            };
            if is_new {
                self.moved_at = now;
            }
        }
    }

    /// # Errors
    /// If the registry has said nothing for too long. An engine that unpacks a layer may be silent for ten times as long.
    fn check(&self, reference: &str, now: Instant) -> Result<()> {
        const FIRST_ANSWER: Duration = Duration::from_secs(15);
        let steps = || self.layers.values().map(|state| step(state));
        let is_local = !self.layers.is_empty() && !steps().any(|step| step == Step::Download);
        let limit = match self.is_answered {
            false => FIRST_ANSWER,
            true if is_local || steps().any(|step| step == Step::Unpack) => self.limit * 10,
            true => self.limit,
        };
        if now.duration_since(self.moved_at) < limit {
            return Ok(());
        }
        let limit = limit.as_secs();
        let (error, slower) = match self.is_answered {
            true => (
                format!("the pull of {reference} made no progress for {limit} s"),
                ", or allow slower pulls with `engine_timeout_secs`",
            ),
            false => (format!("the registry of {reference} did not answer within {limit} s"), ""),
        };
        let hint = "check the network and the engine's proxy, or load the image with the engine's `load`";
        Err(Error::engine(error).hint_with(format!("{hint}{slower}")))
    }
}

/// The id of a layer, and what is shown of it. Docker: `cf6078433d81: Downloading [=>   ] 1MB/3MB`, podman: `Copying blob
/// cf6078433d81 [=>---] 1.0MiB / 2.9MiB`, and in later versions ` | 1.0 MiB/s` after it, which changes without a byte.
fn layer(line: &str) -> Option<(&str, &str)> {
    let after = line.strip_prefix("Copying blob ").or_else(|| line.strip_prefix("Copying config ")).unwrap_or(line);
    let (id, state) = after.split_once([':', ' '])?;
    let is_id = id.len() >= 10 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let state = state.split_once(" | ").map_or(state, |(state, _)| state);
    is_id.then(|| (id, state.trim()))
}

/// The step of a layer, by what is shown of it.
fn step(state: &str) -> Step {
    match state {
        _ if state.starts_with("Extracting") || state.starts_with("Verifying") => Step::Unpack,
        _ if ["Pulling fs layer", "Waiting", "Downloading", "Retrying"].iter().any(|word| state.starts_with(word)) => {
            Step::Download
        }
        // Podman's bar stays full while it unpacks.
        _ => match state.rsplit_once("] ").and_then(|(_, bytes)| bytes.split_once(" / ")) {
            Some((have, all)) if have.trim() == all.trim() => Step::Unpack,
            Some(_) => Step::Download,
            None => Step::Done,
        },
    }
}

/// What is said on a terminal besides the bars.
fn messages(text: &str) -> String {
    let plain = without_controls(text);
    let lines = plain.split(['\r', '\n']).map(str::trim_end);
    let said = lines.filter(|line| !line.is_empty() && layer(line).is_none());
    said.collect::<Vec<_>>().join("\n")
}

/// Text without the sequences that move a terminal's cursor, or colour what is printed:
/// <https://www.ecma-international.org/publications-and-standards/standards/ecma-48/>, 5.4.
fn without_controls(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |plain, part| {
        plain + part.trim_start_matches(|c: char| !('@'..='~').contains(&c)).get(1..).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded from docker 28.2 and podman 4.3: a layer of which something came.
    const DOCKER: &str = "1: Pulling from a/b\r\n\r\n\x1b[1A\x1b[2K\rcf6078433d81: Pulling fs layer \r\x1b[1B\x1b[1A\x1b[2K\rcf6078433d81: Downloading [>      ]  36.75kB/3.001MB\r\x1b[1B";
    const PODMAN: &str = "Trying to pull 127.0.0.1:7801/a/b:1...\r\nGetting image source signatures\r\n\x1b[1A\x1b[JCopying blob cf6078433d81 [>------] 97.7KiB / 2.9MiB\r\n";

    /// How long a pull may be silent after it has shown `pieces`, in seconds.
    fn allowed(pieces: &[&str]) -> u64 {
        let mut pull = Pull::begun(Duration::from_secs(30));
        let begin = pull.moved_at;
        pieces.iter().for_each(|piece| pull.hear(piece, begin));
        (0..).find(|&secs| pull.check("a/b:1", begin + Duration::from_secs(secs)).is_err()).unwrap()
    }

    #[test]
    fn a_download_may_stand_still_for_the_limit_and_an_engine_that_unpacks_for_longer() {
        let of_docker = |state: &str| format!("\x1b[1A\x1b[2K\rcf6078433d81: {state} \r\x1b[1B");
        let of_podman = |state: &str| format!("\x1b[1A\x1b[JCopying blob cf6078433d81 {state}\r\n");
        let extracting = of_docker("Extracting [=====>  ]  1.572MB/3.001MB");
        let waiting = "\x1b[2A\x1b[2K\rbba133e2c0b3: Waiting \r\x1b[2B";
        for (pieces, expected) in [
            (vec![], 15),
            (vec!["Trying to pull 127.0.0.1:7801/a/b:1...\r\n"], 15),
            (vec!["1: Pulling from a/b\r\n"], 30),
            (vec![DOCKER], 30),
            (vec![DOCKER, &of_docker("Verifying Checksum")], 300),
            (vec![DOCKER, &of_docker("Download complete")], 300),
            (vec![DOCKER, &extracting], 300),
            (vec![DOCKER, &extracting, waiting], 300),
            (vec![DOCKER, &of_docker("Pull complete")], 300),
            (vec![DOCKER, &of_docker("Pull complete"), waiting], 30),
            (vec![PODMAN], 30),
            (vec![PODMAN, &of_podman("[=======] 2.9MiB / 2.9MiB")], 300),
            (vec![PODMAN, &of_podman("done  "), "Writing manifest to image destination\r\n"], 300),
        ] {
            assert_eq!(allowed(&pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn only_what_changes_is_progress() {
        let podman = |bytes: &str| format!("\x1b[1A\x1b[JCopying blob cf6078433d81 [>------] {bytes}\r\n");
        let docker = |bytes: &str| format!("\x1b[1A\x1b[2K\rcf6078433d81: Downloading [>      ]  {bytes}\r\x1b[1B");
        for (first, piece, is_progress) in [
            (PODMAN, podman("97.7KiB / 2.9MiB"), false),
            (PODMAN, podman("97.7KiB / 2.9MiB | 3.1 KiB/s"), false),
            (PODMAN, podman("97.8KiB / 2.9MiB"), true),
            (DOCKER, docker("36.75kB/3.001MB"), false),
            (DOCKER, docker("72kB/3.001MB"), true),
            (DOCKER, "\x1b[1A\x1b[2K\rcf6078433d81: Retrying in 4 seconds \r\x1b[1B".to_string(), true),
        ] {
            let mut pull = Pull::begun(Duration::from_secs(30));
            let begin = pull.moved_at;
            let later = begin + Duration::from_secs(29);
            pull.hear(first, begin);
            pull.hear(&piece, later);
            assert_eq!(pull.moved_at == later, is_progress, "{piece:?}");
        }
    }

    #[test]
    fn messages_are_what_is_said_besides_the_bars() {
        let refused = "\x1b[33mWARN\x1b[0m[0002] Failed, retrying in 1s ... (3/3). Error: x: connection refused \r\nError: x: connection refused\r\n";
        let (warning, error) = (
            "WARN[0002] Failed, retrying in 1s ... (3/3). Error: x: connection refused",
            "Error: x: connection refused",
        );
        let before = "Trying to pull 127.0.0.1:7801/a/b:1...\nGetting image source signatures";
        assert_eq!(messages(&format!("{PODMAN}{refused}")), format!("{before}\n{warning}\n{error}"));
        assert_eq!(messages("Error response from daemon: no\n"), "Error response from daemon: no");
        for odd in ["\x1b[", "a\x1b[1", "\x1b[\u{e9}\u{e9}m", "\x1b[@"] {
            assert!(!messages(odd).contains('\x1b'), "{odd:?}");
        }
    }
}
