//! What came out of a compile: cargo's messages, and what the script prints at its end.

use std::path::{Path, PathBuf};

use crate::compile::diagnose::{CompileError, trouble};
use crate::compile::job::CompileJob;
use crate::compile::mounts::Mounts;
use crate::compile::units::CompiledUnits;
use crate::error::Error;
use crate::fingerprint::inputs::Unit;
use crate::report::{Event, Reporter, strip_colours};

/// What a compile leaves.
pub struct Compiled {
    pub binary: Vec<u8>,
    /// Every source that it read, as the host sees it.
    pub sources: Vec<PathBuf>,
    /// What was read together: the sources of each unit; and for each package with a build script that
    /// names files, those files.
    pub units: Vec<Unit>,
    pub downloads: CompiledUnits,
}

/// Hears what cargo says.
#[derive(Default)]
pub struct CargoOutput {
    said: Vec<u8>,
}

impl CargoOutput {
    pub fn hear(&mut self, bytes: &[u8], report: &mut Reporter) {
        let text = String::from_utf8_lossy(bytes);
        if !report.wants_progress {
            // Nothing to look for: a build may print faster than line by line can be kept up with.
            report.emit(&Event::CargoSaid { lines: text.trim_end_matches('\n') });
            return keep_end(&mut self.said, bytes);
        }
        for line in text.split(['\n', '\r']).filter(|line| !line.trim_start().is_empty()) {
            if let Some((done, total, what)) = unit_counter(line) {
                report.emit(&Event::Progress { done, total, what: &what });
            } else {
                report.emit(&Event::CargoSaid { lines: line });
                keep_end(&mut self.said, format!("{line}\n").as_bytes());
            }
        }
    }

    /// What a compile that ended with `code` died of, by what it said.
    pub fn trouble(&self, code: i32, job: &CompileJob) -> CompileError {
        trouble(code, &String::from_utf8_lossy(&self.said), job)
    }
}

/// Reads what the script handed over.
pub fn finish(stdout: Vec<u8>, job: &CompileJob) -> Result<Compiled, CompileError> {
    if stdout.is_empty() {
        let binary = &job.function.name;
        return Err(CompileError::Crate(
            Error::cargo(format!("cargo ended without making {binary} in the expected place"))
                .hint_with("remove flags from `cargo_flags` that make cargo build into another folder, or build nothing; see build.log"),
        ));
    }
    parse_output(stdout, job.layout, job.target, &job.trust.compile).ok_or_else(|| {
        CompileError::Ended(
            Error::cargo("the compile ended without a binary").hint_with("see build.log; run again with --force"),
        )
    })
}

/// Adds `bytes`, and forgets what is long past: why a compile ended is said at its end.
pub fn keep_end(said: &mut Vec<u8>, bytes: &[u8]) {
    const ENOUGH: usize = 64 * 1024;
    said.extend_from_slice(bytes);
    if said.len() > 2 * ENOUGH {
        said.drain(..said.len() - ENOUGH);
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

fn parse_output(stdout: Vec<u8>, layout: &Mounts, target: &str, compile: &str) -> Option<Compiled> {
    let line_end = stdout.iter().position(|byte| *byte == b'\n')?;
    let lengths = std::str::from_utf8(&stdout[..line_end]).ok()?.split_whitespace();
    let lengths: Vec<usize> = lengths.map(|length| length.parse().ok()).collect::<Option<_>>()?;
    let mut at = line_end + 1;
    let mut texts = Vec::new();
    for length in lengths {
        texts.push(std::str::from_utf8(stdout.get(at..at + length)?).ok()?);
        at += length;
    }
    let [read, made, kept] = texts[..] else { return None };
    let mut lines = read.lines();
    // What was made on the way is no source, wherever it is made.
    let to_host = |path: &String| if Path::new(path).starts_with(target) { None } else { layout.to_host(path) };
    let on_host = |paths: Vec<String>| paths.iter().filter_map(to_host).collect();
    let sources = on_host(named_in(lines.next()?));
    let units = units(lines, layout, on_host);
    let downloads = CompiledUnits::read(compile, made, kept);
    let mut binary = stdout;
    binary.drain(..at);
    Some(Compiled { binary, sources, units, downloads })
}

fn units<'a>(
    lines: impl Iterator<Item = &'a str>,
    layout: &Mounts,
    on_host: impl Fn(Vec<String>) -> Vec<PathBuf>,
) -> Vec<Unit> {
    let mut units = Vec::new();
    for line in lines {
        // The output of a build script: `<target>/build/<package>-<hash>/output:cargo:rerun-if-changed=<path>`.
        let named = line.split_once("/output:cargo:").filter(|(folder, _)| !folder.contains(": "));
        match named.and_then(|(folder, rest)| Some((folder, rest.split_once("rerun-if-changed=")?.1))) {
            Some((folder, path)) => {
                let name = folder.rsplit('/').next().and_then(|name| Some(name.rsplit_once('-')?.0));
                // A relative path starts at the package, which only its name tells of.
                let sources = if path.starts_with('/') { layout.to_host(path) } else { Some(PathBuf::from(path)) };
                units.push(Unit { package: name.map(String::from), sources: sources.into_iter().collect() });
            }
            None => units.push(Unit { package: None, sources: on_host(named_in(line)) }),
        }
    }
    units
}

/// The prerequisites of a rule in a dep-info, in which spaces are escaped by `\`.
fn named_in(rule: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let Some((_, list)) = rule.trim_end().split_once(": ") else {
        return paths;
    };
    let mut path = String::new();
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&' ') => path.extend(chars.next()),
            ' ' => paths.push(std::mem::take(&mut path)),
            c => path.push(c),
        }
    }
    paths.push(path);
    paths.retain(|path| !path.is_empty());
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Mount;

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
        assert_eq!(named_in(text), ["/workspace/src/a b.rs", "/workspace/src/main.rs", "/target/out/gen.rs"]);
        assert!(named_in("/target/r/a:\n").is_empty());
    }

    #[test]
    fn units_tell_who_read_what() {
        let layout = Mounts {
            common: "/p".into(),
            workspace: "/workspace".into(),
            mounts: Vec::new(),
            toolchain_mounts: Vec::new(),
        };
        let layout = Mounts { mounts: vec![Mount { host: "/p".into(), container: "/workspace".into() }], ..layout };
        let text = "/target/r/app: /workspace/app/src/main.rs\n\
            /target/r/deps/part-1.d: part/src/lib.rs part/src/../../text\n\
            /target/x/release/build/my-part-0123456789abcdef/output:cargo:rerun-if-changed=../words\n\
            /target/x/release/build/my-part-0123456789abcdef/output:cargo::rerun-if-changed=/workspace/app/words\n";
        let stdout = format!("{} 0 0\n{text}ELF", text.len()).into_bytes();
        let compiled = parse_output(stdout, &layout, "/target", "compile").unwrap();
        assert_eq!(compiled.sources, [PathBuf::from("/p/app/src/main.rs")]);
        let unit = |package: Option<&str>, sources: &[&str]| Unit {
            package: package.map(String::from),
            sources: sources.iter().map(PathBuf::from).collect(),
        };
        let expected = [
            unit(None, &["/p/part/src/lib.rs", "/p/part/src/../../text"]),
            unit(Some("my-part"), &["../words"]),
            unit(Some("my-part"), &["/p/app/words"]),
        ];
        assert_eq!(compiled.units, expected);
    }

    #[test]
    fn a_cut_off_stream_is_no_binary() {
        let layout = Mounts {
            common: "/p".into(),
            workspace: "/workspace".into(),
            mounts: Vec::new(),
            toolchain_mounts: Vec::new(),
        };
        let whole = parse_output(b"5 0 0\na: b\nELF".to_vec(), &layout, "/target", "compile").unwrap();
        assert_eq!(whole.binary, b"ELF");
        for cut in [&b""[..], b"4", b"9 0 0\na: b", b"5 0 9\na: b\n", b"5\na: b\n", b"x\n"] {
            assert!(parse_output(cut.to_vec(), &layout, "/target", "compile").is_none(), "{cut:?}");
        }
    }
}
