//! The output of a compile: cargo's messages on stderr, and the sections that `compile.sh` prints on stdout.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::artifact::build_id;
use crate::compile::diagnose::diagnose;
use crate::compile::{CompileError, CompileJob, CompiledUnits, Layout, missing};
use crate::error::Error;
use crate::report::{Event, Reporter, strip_colours};

/// The end of the name of a rule.
const RULE: &str = ".d";

/// The exit status of cargo if a crate does not compile.
const CARGO_FAILED: i32 = 101;

/// The result of a compile.
pub struct Compiled {
    /// Of each function, by its name.
    pub binaries: BTreeMap<String, Vec<u8>>,
    /// If functions of several packages were compiled: the local files that each was made of, by its name.
    pub sources: BTreeMap<String, Vec<PathBuf>>,
    /// The debug information of the one binary, where the user's profile asks for it.
    pub debug: Option<DebugInfo>,
    /// What it read besides its sources, by the path on the host.
    pub outside: BTreeSet<PathBuf>,
    pub compiled_units: CompiledUnits,
    /// A build script looked for a git repository, and there is none.
    pub misses_git: bool,
}

/// Debug information that was separated from a binary.
pub struct DebugInfo {
    /// Its build id in hexadecimal digits; `None` if the linker gives none.
    pub build_id: Option<String>,
    /// An ELF file with everything that was stripped.
    pub file: Vec<u8>,
    /// The package of split debug information; empty if there is none.
    pub dwp: Vec<u8>,
}

impl DebugInfo {
    /// What was separated from `binary`, if anything was. Both get their build id.
    fn of(binary: &mut [u8], mut file: Vec<u8>, dwp: &[u8]) -> Option<Self> {
        if file.is_empty() {
            return None;
        }
        let build_id = build_id::give(binary, &mut file);
        Some(Self { build_id, file, dwp: dwp.to_vec() })
    }
}

impl Compiled {
    /// The binary of a function; empty if there is none, which the check of binaries refuses.
    pub fn binary_of(&self, function: &str) -> &[u8] {
        self.binaries.get(function).map_or(&[], Vec::as_slice)
    }
}

/// Cargo's stderr: passes it on to the reporter, and keeps its end.
#[derive(Default)]
pub struct CargoOutput {
    tail: Vec<u8>,
}

impl CargoOutput {
    pub fn push(&mut self, bytes: &[u8], report: &mut Reporter) {
        let text = String::from_utf8_lossy(bytes);
        if !report.wants_progress {
            // Whole blocks: a build may print faster than its lines can be looked at.
            report.emit(&Event::CargoSaid { lines: text.trim_end_matches('\n') });
            return push_tail(&mut self.tail, bytes);
        }
        for line in text.split(['\n', '\r']).filter(|line| !line.trim_start().is_empty()) {
            if let Some((done, total, what)) = unit_counter(line) {
                report.emit(&Event::Progress { done, total, what: &what });
            } else {
                report.emit(&Event::CargoSaid { lines: line });
                push_tail(&mut self.tail, format!("{line}\n").as_bytes());
            }
        }
    }

    /// Why the compile ended with `status`.
    pub fn diagnose(&self, status: i32, job: &CompileJob) -> CompileError {
        let messages = String::from_utf8_lossy(&self.tail);
        match diagnose(status, &messages, &job.package().name, job.target, job.config) {
            CompileError::Crate(error) if status == CARGO_FAILED && missing::is_told(&messages) => {
                CompileError::Missing(error, missing::named(&messages))
            }
            error => error,
        }
    }
}

/// The result of a compile that ended with status 0 and printed `stdout`.
///
/// # Errors
/// There is no binary where cargo should have made it, or the output is incomplete.
pub fn finish(stdout: &[u8], job: &CompileJob) -> Result<Compiled, CompileError> {
    if stdout.is_empty() {
        let binary = job.shown();
        return Err(CompileError::Crate(
            Error::cargo(format!("cargo ended without making {binary} in the expected place"))
                .hint_with("remove flags from `cargo_flags` that make cargo build into another folder, or build nothing; see build.log"),
        ));
    }
    parse_output(stdout, &job.layout, job.target, &job.compile).map_err(|reason| {
        let error = Error::cargo("the compile ended without a binary").source(reason);
        CompileError::Ended(error.hint_with("see build.log; run again with --force"))
    })
}

/// Appends `bytes` to the end of an output of any length: the reason of a failure is at its end.
pub fn push_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    const ENOUGH: usize = 64 * 1024;
    tail.extend_from_slice(bytes);
    if tail.len() > 2 * ENOUGH {
        tail.drain(..tail.len() - ENOUGH);
    }
}

/// `[=====>   ] 34/102: serde, tokio` → 34, 102, `serde, tokio`.
fn unit_counter(line: &str) -> Option<(u64, u64, String)> {
    let line = strip_colours(line);
    let (head, rest) = line.split_once("] ")?;
    if !head.trim_start().starts_with("Building [") {
        return None;
    }
    let (count, what) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, total) = count.trim().split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?, what.trim().to_string()))
}

fn parse_output(stdout: &[u8], layout: &Layout, target: &str, compile: &str) -> Result<Compiled, String> {
    let sections = sections(stdout)?;
    let section = |name: &str| sections.get(name).copied().ok_or_else(|| format!("there is no section `{name}`"));
    let text = |name: &str| str::from_utf8(section(name)?).map_err(|error| format!("section `{name}`: {error}"));
    // Generated files are not sources, wherever they are.
    let is_generated = |path: &String| Path::new(path).starts_with(target);
    let read = text("read")?.lines().flat_map(paths_in).filter(|path| !is_generated(path));
    // Beside each binary, cargo puts a rule with all local files that it is made of.
    let (mut binaries, mut sources) = (BTreeMap::new(), BTreeMap::new());
    for (path, content) in sections.iter().filter(|(path, _)| Path::new(path).starts_with(target)) {
        let name = path.rsplit_once('/').map_or(*path, |(_, name)| name);
        match name.strip_suffix(RULE) {
            Some(function) => {
                let read = String::from_utf8_lossy(content).lines().flat_map(prerequisites).collect::<Vec<_>>();
                sources.insert(function.to_string(), read.iter().filter_map(|path| layout.source(path)).collect());
            }
            None => drop(binaries.insert(name.to_string(), content.to_vec())),
        }
    }
    let (of_debug, dwp) = (section("debug")?.to_vec(), section("dwp")?);
    let debug = binaries.values_mut().next().and_then(|binary| DebugInfo::of(binary, of_debug, dwp));
    Ok(Compiled {
        binaries,
        debug,
        sources,
        outside: read.filter_map(|path| layout.outside(&path)).collect(),
        misses_git: !section("git")?.is_empty(),
        compiled_units: CompiledUnits::read(compile, text("messages")?, text("kept-units")?),
    })
}

/// Splits the output of `compile.sh`: a line with length and name of each section, one with their sum, then the sections.
fn sections(mut rest: &[u8]) -> Result<BTreeMap<&str, &[u8]>, String> {
    let mut list = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("the list of sections is cut off")?;
        let line = String::from_utf8_lossy(&rest[..end]);
        let entry = str::from_utf8(&rest[..end]).ok().and_then(|line| line.trim_start().split_once(' '));
        let entry = entry.and_then(|(length, name)| Some((name, length.parse::<usize>().ok()?)));
        let entry = entry.ok_or_else(|| format!("`{line}` is not the length and the name of a section"))?;
        rest = &rest[end + 1..];
        if entry.0 == "total" {
            break;
        }
        list.push(entry);
    }
    let mut sections = BTreeMap::new();
    for (name, length) in list {
        let cut_off = || format!("section `{name}` is cut off after {} of {length} bytes", rest.len());
        let (section, after) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        sections.insert(name, section);
        rest = after;
    }
    if rest.is_empty() { Ok(sections) } else { Err(format!("{} more bytes follow the last section", rest.len())) }
}

/// The paths in a line of what a compile read: a rule of a dep-info, or `cargo::rerun-if-changed=PATH`.
fn paths_in(line: &str) -> Vec<String> {
    match line.split_once("rerun-if-changed=").filter(|(directive, _)| ["cargo:", "cargo::"].contains(directive)) {
        Some((_, path)) => vec![path.into()],
        None => prerequisites(line),
    }
}

/// The prerequisites of a rule in a dep-info, in which spaces are escaped by `\`.
fn prerequisites(rule: &str) -> Vec<String> {
    let Some((_, list)) = rule.trim_end().split_once(": ") else {
        return Vec::new();
    };
    let paths = list.replace("\\ ", "\0");
    paths.split(' ').filter(|path| !path.is_empty()).map(|path| path.replace('\0', " ")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Mount;
    use crate::sys::Invocation;

    #[test]
    fn reads_cargos_unit_counter_and_nothing_else() {
        let line = "\x1b[1m\x1b[36m    Building\x1b[0m [====>    ] 34/102: serde, tokio(build)";
        assert_eq!(unit_counter(line), Some((34, 102, "serde, tokio(build)".into())));
        assert_eq!(unit_counter("    Building [>  ] 0/3"), Some((0, 3, String::new())));
        assert_eq!(unit_counter("   Compiling serde v1.0.0"), None);
        assert_eq!(unit_counter("error: see [1] 2/3: x"), None);
    }

    #[test]
    fn dep_info_with_spaces_is_read() {
        let text = "/target/r/a b: /workspace/src/a\\ b.rs /workspace/src/main.rs /target/out/gen.rs\n";
        assert_eq!(prerequisites(text), ["/workspace/src/a b.rs", "/workspace/src/main.rs", "/target/out/gen.rs"]);
        assert!(prerequisites("/target/r/a:\n").is_empty());
    }

    #[test]
    fn only_the_end_of_an_output_is_kept() {
        let mut tail = Vec::new();
        for byte in 0..=255 {
            push_tail(&mut tail, &[byte; 1024]);
        }
        assert!((64 * 1024..=128 * 1024).contains(&tail.len()) && tail.last() == Some(&255), "{}", tail.len());
    }

    /// What `compile.sh` prints for a command that is not cargo, but makes the same files.
    fn compile(folder: &str, fields: &[&str], command: &str) -> (i32, Vec<u8>, String) {
        let (target, binary) = (format!("--target={folder}"), format!("--binary={folder}/x/app"));
        let mut args = vec!["-c", include_str!("compile.sh"), "lambda-packager", &target, &binary];
        args.extend(["--surroundings=s", "--compile=c1"].iter().chain(fields).chain(&["--", "sh", "-c", command]));
        let call = Invocation::new(Path::new("/bin/sh")).args(&args).folder(Path::new(folder));
        let mut stderr = Vec::new();
        let output =
            call.stream_stderr(Vec::new(), Duration::MAX, |bytes| stderr.extend_from_slice(bytes), || Ok(())).unwrap();
        (output.code, output.stdout, String::from_utf8_lossy(&stderr).into_owned())
    }

    #[test]
    fn the_script_prints_what_is_read() {
        let folder = tempfile::Builder::new().prefix("a b").tempdir().unwrap();
        let target = folder.path().to_str().unwrap();
        let mut layout = Layout::of_roots(Path::new("/p"), std::iter::empty());
        layout.toolchain_mounts.push(Mount::at_its_own_path("/usr".as_ref()));
        let command = "mkdir -p x/deps x/build/my-part/0123456789abcdef/run && printf 'E\nF' >x/app && \
            echo 't: /workspace/app/src/main.rs /elsewhere/a.rs /usr/include/a\\ b.h' >x/app.d && \
            echo 'cargo:rerun-if-changed=../words\ncargo::rerun-if-changed=/usr/include/c d.h' \
            >x/build/my-part/0123456789abcdef/run/stdout && echo Compiling >&2";
        let (code, stdout, stderr) = compile(target, &["--outside"], command);
        assert_eq!((code, stderr.trim()), (0, "Compiling"));
        let compiled = parse_output(&stdout, &layout, target, "c1").ok().unwrap();
        assert_eq!(compiled.binaries, [("app".to_string(), b"E\nF".to_vec())].into());
        let outside: Vec<_> = compiled.outside.iter().map(|path| path.to_string_lossy()).collect();
        assert_eq!(outside, ["/usr/include/a b.h", "/usr/include/c d.h"]);
        for end in 0..stdout.len() {
            let error = parse_output(&stdout[..end], &layout, target, "c1").err();
            assert!(error.is_some_and(|error| error.contains("cut off")), "{end}");
        }
        for (other, error) in [("0 total\nx", "1 more bytes"), ("x\n", "`x`"), ("0 total\n", "section `read`")] {
            let found = parse_output(other.as_bytes(), &layout, target, "c1").err();
            assert!(found.as_ref().is_some_and(|found| found.contains(error)), "{found:?}");
        }
        assert!(!compiled.misses_git);
        let folder_of = format!("{target}/x/build/app-0123456789abcdef");
        let message = |id: &str| {
            format!("{{\"reason\":\"build-script-executed\",\"package_id\":\"{id}\",\"out_dir\":\"{folder_of}/out\"}}")
        };
        for (id, line, misses) in [
            ("path+file:///workspace/app#0.1.0", "cargo:rerun-if-changed=../.git/HEAD", true),
            ("path+file:///workspace/app#0.1.0", "cargo::rerun-if-changed=.git", true),
            ("path+file:///workspace/app#0.1.0", "fatal: not a git repository", true),
            ("path+file:///workspace/app#0.1.0", "cargo:rustc-env=VERGEN_GIT_SHA=VERGEN_IDEMPOTENT_OUTPUT", true),
            ("path+file:///workspace/app#0.1.0", "cargo:rerun-if-changed=.gitignore", false),
            ("registry+https://x#a@1.0.0", "cargo:rerun-if-changed=.git/HEAD", false),
        ] {
            let command = format!(
                "mkdir -p x '{folder_of}' && echo '{line}' >'{folder_of}/output' && echo E >x/app && echo '{}'",
                message(id)
            );
            // The script takes what is JSON from a cargo that is told to print it.
            let fields = ["--git"];
            let (code, stdout, _) =
                compile(target, &fields, &(command + " # --message-format=json-render-diagnostics "));
            assert_eq!(code, 0);
            assert_eq!(parse_output(&stdout, &layout, target, "c1").ok().unwrap().misses_git, misses, "{id} {line}");
        }
        assert_eq!(compile(target, &["--wipe"], "ls").1, b"");
        assert!(!folder.path().join("x").exists());
        assert_eq!(compile(target, &[], "exit 7").0, 7);
        let (code, _, stderr) = compile(target, &["--unknown=1"], "true");
        assert_eq!((code, stderr.trim()), (2, "compile.sh: unknown field --unknown=1"));
    }
}
