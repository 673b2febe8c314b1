//! The clean room: the four-stage Dockerfile, driven through the engine. Same paths, same variables and same
//! command as in the reused container, so that the bytes are the same.

mod context;
mod crates;
mod members;

use std::time::Duration;

use crate::backend::dockerfile;
use crate::backend::identity::image_tag;
use crate::cargo::config::ForwardedConfig;
use crate::compile::diagnose::CompileError;
use crate::compile::job::CompileJob;
use crate::compile::output;
use crate::compile::output::{CargoOutput, Compiled};
use crate::config::{Mode, Network};
use crate::engine::{BuildSpec, Engine, EngineError, WayOut, file_in};
use crate::error::{Error, Result};
use crate::report::{Event, Reporter, strip_colours};
use crate::sys::process::Stream;

/// A clean room that is ready to be built.
#[derive(Debug)]
pub struct CleanRoom {
    pub engine: Engine,
    /// The image that it starts from.
    pub base: String,
    pub forwarded: ForwardedConfig,
    /// For the containers that it makes.
    pub labels: Vec<String>,
    /// Distinguishes what it makes from that of another project.
    pub project: String,
}

/// Signs of a layer that is not there any more as the engine remembers it.
const DAMAGED: &[&str] = &[
    "layer does not exist",
    "layer not known",
    "unknown blob",
    "failed to get digest",
    "failed to register layer",
    "failed to compute cache key",
    "failed to calculate checksum",
    "failed to export layer",
    "error creating overlay mount",
    "invalid argument",
    "failed to mount",
    "no such image",
    "image not known",
    "readlink /",
    "lstat /",
    "stat /",
    "input/output error",
];

impl CleanRoom {
    /// Compiles `order` from the layers that still hold.
    pub fn compile(
        &self,
        job: &CompileJob,
        variables: &[(String, String)],
        report: &mut Reporter,
    ) -> Result<Compiled, CompileError> {
        let context = context::archive(job, &self.forwarded, variables).map_err(CompileError::Crate)?;
        let ended = |failure: EngineError| CompileError::Ended(failure.into());
        if self.engine.hands_over_files().map_err(ended)? {
            let files = self.build(WayOut::Files, context, job, report)?;
            return output::finish(file_in(&files, dockerfile::COMPILED).map_err(CompileError::Ended)?, job);
        }
        let tag = format!("lambda-packager-parcel:{}", image_tag(&self.project, &job.function.name, job.config.mode));
        self.build(WayOut::Image(&tag), context, job, report)?;
        let file = self.engine.file_of_image(&tag, dockerfile::COMPILED, &self.labels);
        // The layers stay; this was only their way out.
        let removed = self.engine.remove_image(&tag);
        let compiled = output::finish(file.map_err(ended)?, job)?;
        removed.map_err(ended)?;
        Ok(compiled)
    }

    /// Builds the stage `parcel`, and returns its files if they are the output.
    fn build(
        &self,
        way_out: WayOut,
        context: Vec<u8>,
        job: &CompileJob,
        report: &mut Reporter,
    ) -> Result<Vec<u8>, CompileError> {
        let build_args: &[(&str, &str)] = &[("BASE_IMAGE", &self.base), ("TOOLS", dockerfile::PREPARED)];
        let fresh = job.wipe || job.config.mode == Mode::Docker;
        let spec =
            BuildSpec { stage: dockerfile::PARCEL, way_out, labels: &[], network: Network::None, build_args, fresh };
        let (mut said, mut status, mut files, mut output) = (Vec::new(), None, Vec::new(), CargoOutput::default());
        let hear = |stream: Stream, piece: &[u8]| {
            if way_out == WayOut::Files && stream == Stream::Stdout {
                return files.extend_from_slice(piece);
            }
            let text = String::from_utf8_lossy(piece);
            let text = strip_colours(&text);
            for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
                match heard(stream, line) {
                    Heard::Cargo(line) => match dockerfile::status_in(line) {
                        Some(code) => status = Some(code),
                        None => output.hear(format!("{line}\n").as_bytes(), report),
                    },
                    Heard::Engine(line) => report.emit(&Event::EngineSaid { line }),
                }
            }
            output::keep_end(&mut said, text.as_bytes());
        };
        let code = self.engine.build(&spec).stream_both(context, Duration::MAX, hear, || Ok(()));
        match (code.map_err(CompileError::Ended)?, status) {
            (0, _) => Ok(files),
            (_, Some(code @ 1..)) => Err(output.trouble(code, job)),
            (code, _) => Err(self.trouble(code, &String::from_utf8_lossy(&said), job)),
        }
    }

    /// What the engine itself died of.
    fn trouble(&self, code: i32, said: &str, job: &CompileJob) -> CompileError {
        let failure = self.engine.failure_of_build(code, &dockerfile::last_lines(said));
        let lower = said.to_lowercase();
        match failure {
            EngineError::Refused(error) if !job.wipe && DAMAGED.iter().any(|sign| lower.contains(sign)) => {
                CompileError::Cache(error)
            }
            failure => {
                let error = Error::from(failure);
                CompileError::Ended(match error.hint() {
                    Some(_) => error,
                    None => error.hint_with(
                        "set `base` to an image with a POSIX shell, cargo, rustc and a C compiler; the engine's own messages are in build.log",
                    ),
                })
            }
        }
    }
}

/// Who says a line.
#[derive(Debug, PartialEq, Eq)]
enum Heard<'a> {
    Cargo(&'a str),
    Engine(&'a str),
}

/// Tells cargo's lines from the engine's. BuildKit says all on stderr, each line with a number before it:
/// `#7 1.234 what a step says` and `#7 DONE 2.0s`. The legacy builder says all on stdout, podman its own there.
fn heard(stream: Stream, line: &str) -> Heard<'_> {
    if let Some((number, rest)) = line.strip_prefix('#').and_then(|rest| rest.split_once(' '))
        && number.parse::<u32>().is_ok()
    {
        return match rest.split_once(' ') {
            Some((clock, said)) if clock.contains('.') && clock.parse::<f64>().is_ok() => Heard::Cargo(said),
            _ => Heard::Engine(line),
        };
    }
    const OWN: &[&str] = &[
        "Step ",
        "STEP ",
        "COMMIT ",
        " ---> ",
        "--> ",
        "Removing intermediate container ",
        "Removing intermediate image ",
        "Successfully built ",
        "Successfully tagged ",
        "The command ",
        "[Warning] ",
        "Sending build context ",
    ];
    // Podman numbers the stages: `[1/4] STEP 1/7: FROM x`. The last line is the image's id.
    let unnumbered = line.split_once("] ").filter(|(number, _)| number.starts_with('[')).map_or(line, |(_, rest)| rest);
    let is_id = line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Docker on its own legacy builder, in three lines.
    let on_itself = line.contains("legacy builder is deprecated") || line.contains("buildx");
    let is_own = OWN.iter().any(|start| line.starts_with(start) || unnumbered.starts_with(start));
    if on_itself || (stream == Stream::Stdout && (is_own || is_id)) { Heard::Engine(line) } else { Heard::Cargo(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_lines_are_told_from_the_engines() {
        let cases = [
            (Stream::Stderr, "#9 0.312    Compiling a v1.0.0", Heard::Cargo("   Compiling a v1.0.0")),
            (Stream::Stderr, "#9 DONE 0.4s", Heard::Engine("#9 DONE 0.4s")),
            (Stream::Stderr, "#9 CACHED", Heard::Engine("#9 CACHED")),
            (Stream::Stderr, "#9 [build 2/3] COPY x y", Heard::Engine("#9 [build 2/3] COPY x y")),
            (Stream::Stderr, "   Compiling a v1.0.0", Heard::Cargo("   Compiling a v1.0.0")),
            (Stream::Stderr, "#[derive(Debug)]", Heard::Cargo("#[derive(Debug)]")),
            (Stream::Stdout, "Step 3/9 : RUN x", Heard::Engine("Step 3/9 : RUN x")),
            (Stream::Stdout, " ---> Using cache", Heard::Engine(" ---> Using cache")),
            (Stream::Stdout, "   Compiling a v1.0.0", Heard::Cargo("   Compiling a v1.0.0")),
            (Stream::Stdout, " --> src/main.rs:2:18", Heard::Cargo(" --> src/main.rs:2:18")),
            (Stream::Stdout, "[2/4] STEP 1/8: FROM x", Heard::Engine("[2/4] STEP 1/8: FROM x")),
            (Stream::Stdout, "--> 540c9aa43c98", Heard::Engine("--> 540c9aa43c98")),
        ];
        for (stream, line, expected) in cases {
            assert_eq!(heard(stream, line), expected);
        }
    }
}
