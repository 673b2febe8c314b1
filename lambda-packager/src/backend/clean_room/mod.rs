//! The clean room: builds the stages of the Dockerfile with the engine. It has the paths, the variables and the command
//! of the reused container, so that the bytes are the same.

mod context;

use crate::backend::{dockerfile, image_tag};
use crate::cargo::ForwardedConfig;
use crate::compile::{CargoOutput, CompileError, CompileJob, Compiled, output};
use crate::config::{Mode, Network};
use crate::engine::damaged::is_damaged;
use crate::engine::{BuildSpec, Engine, EngineError, WayOut, damaged, file_in};
use crate::error::Result;
use crate::report::{Event, Reporter, strip_colours};
use crate::sys::Stream;

/// A clean room that is ready to be built.
#[derive(Debug)]
pub struct CleanRoom {
    pub engine: Engine,
    /// The image that the first stage is built from.
    pub base: String,
    pub forwarded: ForwardedConfig,
    /// The labels of the containers that it makes.
    pub labels: Vec<String>,
    /// Distinguishes its images from those of another project.
    pub project: String,
}

impl CleanRoom {
    /// Compiles `job`; layers with the same content are taken from the engine's cache.
    pub fn compile(
        &self,
        job: &CompileJob,
        variables: &[(String, String)],
        report: &mut Reporter,
    ) -> Result<Compiled, CompileError> {
        let context = context::archive(job, &self.forwarded, variables, report).map_err(CompileError::Crate)?;
        if self.engine.hands_over_files()? {
            let files = self.build(WayOut::Files, context, job, report)?;
            return output::finish(&file_in(&files, dockerfile::COMPILED).map_err(CompileError::Ended)?, job);
        }
        let name = image_tag(&self.project, &job.functions[0].id, job.config.mode);
        let (tag, reader) = (format!("lambda-packager-parcel:{name}"), format!("lambda-packager-parcel-{name}"));
        self.build(WayOut::Image(&tag), context, job, report)?;
        let file = self.engine.file_of_image(&tag, dockerfile::COMPILED, &reader, &self.labels);
        // The layers stay; the image was needed only to read the file.
        let removed = self.engine.remove_names(&[tag]);
        let compiled = output::finish(&file?, job)?;
        removed?;
        Ok(compiled)
    }

    /// Builds the stage `parcel`, and returns the archive of its files for [`WayOut::Files`].
    ///
    /// # Errors
    /// The diagnosis of a failed compile, or of the engine's own failure.
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
        let (mut tail, mut stderr) = (Vec::new(), Vec::new());
        let (mut status, mut files, mut output) = (None, Vec::new(), CargoOutput::default());
        let push = |stream: Stream, bytes: &[u8]| {
            if way_out == WayOut::Files && stream == Stream::Stdout {
                return files.extend_from_slice(bytes);
            }
            let text = String::from_utf8_lossy(bytes);
            let text = strip_colours(&text);
            for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
                match Line::of(stream, line) {
                    Line::Cargo(line) => match dockerfile::status_in(line) {
                        Some(code) => status = Some(code),
                        None => output.push(format!("{line}\n").as_bytes(), report),
                    },
                    Line::Engine(line) => report.emit(&Event::EngineSaid { line }),
                }
            }
            output::push_tail(&mut tail, text.as_bytes());
            if stream == Stream::Stderr {
                output::push_tail(&mut stderr, text.as_bytes());
            }
        };
        let code = self.engine.build(&spec, context, push);
        match (code?, status) {
            (0, _) => Ok(files),
            (_, Some(code @ 1..)) => Err(output.diagnose(code, job)),
            (code, _) => Err(self.diagnose(code, &stderr, &String::from_utf8_lossy(&tail), job)),
        }
    }

    /// Why the engine's own command failed with `status`; `log` is the end of its messages, and `stderr` of those there.
    fn diagnose(&self, status: i32, stderr: &[u8], log: &str, job: &CompileJob) -> CompileError {
        match self.engine.failure_of_build(status, stderr, &dockerfile::last_lines(log)) {
            EngineError::Refused(error) if is_damaged(&String::from_utf8_lossy(stderr)) => match job.wipe {
                false => CompileError::Cache(error),
                // Without the cache there is only the base.
                true => CompileError::Image(
                    self.base.clone(),
                    error.hint_with(damaged::remedy(self.engine.kind, &self.base)),
                ),
            },
            EngineError::Refused(error) => CompileError::Ended(error.hint_with(
                "set `base` to an image with a POSIX shell, cargo, rustc and a C compiler; the engine's own messages are in build.log",
            )),
            failure => failure.into(),
        }
    }
}

/// A line of a build's output, by who prints it.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Cargo(&'a str),
    Engine(&'a str),
}

impl<'a> Line<'a> {
    /// BuildKit prints everything on stderr, each line with a number before it: `#7 1.234 output of a step` and
    /// `#7 DONE 2.0s`. The legacy builder prints everything on stdout, podman only its own lines.
    fn of(stream: Stream, line: &'a str) -> Self {
        if let Some((number, rest)) = line.strip_prefix('#').and_then(|rest| rest.split_once(' '))
            && number.parse::<u32>().is_ok()
        {
            return match rest.split_once(' ') {
                Some((clock, output)) if clock.contains('.') && clock.parse::<f64>().is_ok() => Self::Cargo(output),
                _ => Self::Engine(line),
            };
        }
        #[rustfmt::skip]
        const OWN: &[&str] = &[
            "Step ", "STEP ", "COMMIT ", " ---> ", "--> ", "Removing intermediate container ",
            "Removing intermediate image ", "Successfully built ", "Successfully tagged ", "The command ",
            "[Warning] ", "Sending build context ",
        ];
        // Podman numbers the stages: `[1/4] STEP 1/7: FROM x`. The last line is the image's id.
        let unnumbered =
            line.split_once("] ").filter(|(number, _)| number.starts_with('[')).map_or(line, |(_, rest)| rest);
        let is_id = line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Docker's notice about its legacy builder, in three lines.
        let is_notice = line.contains("legacy builder is deprecated") || line.contains("buildx");
        let is_own = OWN.iter().any(|start| line.starts_with(start) || unnumbered.starts_with(start));
        if is_notice || (stream == Stream::Stdout && (is_own || is_id)) {
            Self::Engine(line)
        } else {
            Self::Cargo(line)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_and_of_the_engine() {
        let cases = [
            (Stream::Stderr, "#9 0.312    Compiling a v1.0.0", Line::Cargo("   Compiling a v1.0.0")),
            (Stream::Stderr, "#9 DONE 0.4s", Line::Engine("#9 DONE 0.4s")),
            (Stream::Stderr, "#9 CACHED", Line::Engine("#9 CACHED")),
            (Stream::Stderr, "#9 [build 2/3] COPY x y", Line::Engine("#9 [build 2/3] COPY x y")),
            (Stream::Stderr, "   Compiling a v1.0.0", Line::Cargo("   Compiling a v1.0.0")),
            (Stream::Stderr, "#[derive(Debug)]", Line::Cargo("#[derive(Debug)]")),
            (Stream::Stdout, "Step 3/9 : RUN x", Line::Engine("Step 3/9 : RUN x")),
            (Stream::Stdout, " ---> Using cache", Line::Engine(" ---> Using cache")),
            (Stream::Stdout, "   Compiling a v1.0.0", Line::Cargo("   Compiling a v1.0.0")),
            (Stream::Stdout, " --> src/main.rs:2:18", Line::Cargo(" --> src/main.rs:2:18")),
            (Stream::Stdout, "[2/4] STEP 1/8: FROM x", Line::Engine("[2/4] STEP 1/8: FROM x")),
            (Stream::Stdout, "--> 540c9aa43c98", Line::Engine("--> 540c9aa43c98")),
        ];
        for (stream, line, expected) in cases {
            assert_eq!(Line::of(stream, line), expected);
        }
    }
}
