//! The cargo call, in the container or on the host, and what comes out of it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dependencies::Downloads;
use super::layout::Layout;
use super::trouble::{Trouble, trouble};
use crate::cache::inputs::Unit;
use crate::cache::snapshot::Snapshot;
use crate::config::{Config, Mode, env};
use crate::error::{Error, Result};
use crate::event::{Event, Reporter, strip_colours};
use crate::fs::Sha;
use crate::process::Invocation;
use crate::workspace::{Function, Workspace};

/// Runs in the container or on the host; see its own head.
const SCRIPT: &str = include_str!("compile.sh");

/// What makes a linker put functions and data side by side that compress well together: LLVM's since its version 21,
/// which Rust brings since 1.91 and links with by default on x86_64. One in twenty bytes of a zip; nothing else changes
/// but places. <https://github.com/llvm/llvm-project/pull/125559>
const SORTED: &str = "-Wl,--bp-compression-sort=both";

/// After this much silence somebody looks whether the compile still goes on.
const SILENCE: Duration = Duration::from_secs(5);

/// What decides whether cargo's records in a target directory may be believed. Cargo goes by mtime; a
/// record counts only if it was made of the same content, which the target directory remembers.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Each local package, and a digest of what it is compiled from.
    pub packages: Vec<(String, Sha)>,
    /// A digest of what reaches every compile without cargo seeing it.
    pub surroundings: Sha,
    /// A name for this compile, like no other's.
    pub compile: String,
    /// Former compiles during which no input moved: only what they made is known to be of one content.
    pub settled: Vec<String>,
}

/// What to compile.
pub(crate) struct Order<'a> {
    pub workspace: &'a Workspace,
    pub function: &'a Function<'a>,
    pub config: &'a Config,
    pub layout: &'a Layout,
    /// Cargo's target directory, as the compile sees it.
    pub target: &'a str,
    pub trust: &'a Trust,
    /// The files that it is made of, as far as they are known.
    pub inputs: &'a Snapshot,
    /// Nothing compiled before may be used.
    pub wipe: bool,
    /// A script to run along with the first compile; empty for none.
    pub along: &'static str,
}

/// What a compile leaves.
pub(crate) struct Compiled {
    pub binary: Vec<u8>,
    /// Every source that it read, as the host sees it.
    pub sources: Vec<PathBuf>,
    /// What was read together: the sources of each unit; and for each package with a build script that
    /// names files, those files.
    pub units: Vec<Unit>,
    pub downloads: Downloads,
}

/// How cargo is to say what it does.
pub(crate) fn manners(colour: bool, progress: bool) -> Vec<(String, String)> {
    let when = |yes| if yes { "always" } else { "never" }.to_string();
    vec![
        ("CARGO_TERM_COLOR".into(), when(colour)),
        ("CARGO_TERM_PROGRESS_WHEN".into(), when(progress)),
        ("CARGO_TERM_PROGRESS_WIDTH".into(), "100".into()),
    ]
}

/// Variables for the inner cargo that are the same wherever it runs.
pub(crate) fn variables(target: &str) -> Vec<(String, String)> {
    vec![
        (env::INNER.into(), "1".into()),
        // A wrapper of the host's, such as sccache, is not in the container.
        ("RUSTC_WRAPPER".into(), String::new()),
        ("RUSTC_WORKSPACE_WRAPPER".into(), String::new()),
        ("CARGO_BUILD_BUILD_DIR".into(), target.into()),
        // A dep-info that is relative to some folder of the user's would name other files than were read.
        ("CARGO_BUILD_DEP_INFO_BASEDIR".into(), "/nowhere".into()),
        // The date of the zip's members, for C code that asks for `__DATE__`.
        // <https://reproducible-builds.org/specs/source-date-epoch/>
        ("SOURCE_DATE_EPOCH".into(), "315532800".into()),
    ]
}

/// The command line that compiles: the script and its arguments.
pub(crate) fn command(order: &Order) -> Vec<String> {
    let profile_folder = match order.config.profile.as_str() {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    };
    let triple = order.config.target_arch.triple();
    let binary = format!("{}/{triple}/{profile_folder}/{}", order.target, order.function.name);
    let mut command: Vec<String> =
        ["sh", "-c", SCRIPT, "lambda-packager", order.target, &binary].map(String::from).into();
    command.push(if order.wipe { "wipe" } else { "keep" }.into());
    command.push(if is_sorted(order.config) { SORTED } else { "" }.into());
    let trust = order.trust;
    command.extend([trust.surroundings.to_string(), trust.compile.clone(), trust.settled.join(" ")]);
    command.extend([order.along.to_string(), trust.packages.len().to_string()]);
    for (package, digest) in &trust.packages {
        command.extend([package.clone(), digest.to_string()]);
    }
    command.extend(cargo(order, triple));
    command
}

/// Whether the linker is to sort. `cargo rustc` takes the names of these profiles for a wish to compile tests.
fn is_sorted(config: &Config) -> bool {
    config.mode.is_for_production() && !["test", "bench"].contains(&config.profile.as_str())
}

fn cargo(order: &Order, triple: &str) -> Vec<String> {
    let config = order.config;
    let manifest = order.layout.to_container(&order.function.package.manifest).unwrap_or_default();
    // `rustc` is `build` with flags for the binary alone.
    let verb = if is_sorted(config) { "rustc" } else { "build" };
    let mut args: Vec<String> = ["cargo", verb, "--offline", "--locked"].map(String::from).into();
    args.extend([format!("--manifest-path={manifest}"), format!("--bin={}", order.function.name)]);
    args.extend([format!("--target={triple}"), format!("--profile={}", config.profile)]);
    for feature in &config.features {
        args.push(format!("--features={feature}"));
    }
    for (key, value) in profile_settings(config.mode) {
        // What the user's manifest says of a profile stands.
        if !order.workspace.profiles.sets(&config.profile, key) {
            args.extend(["--config".into(), format!("profile.{}.{key}={value}", config.profile)]);
        }
    }
    // What cargo made, for programs; what people read stays as it is.
    if !config.cargo_flags.iter().any(|flag| flag.starts_with("--message-format")) {
        args.push("--message-format=json-render-diagnostics".into());
    }
    args.extend(config.cargo_flags.iter().cloned());
    args
}

/// What a mode adds to the user's profile.
fn profile_settings(mode: Mode) -> &'static [(&'static str, &'static str)] {
    match mode {
        Mode::Release => &[("strip", "\"symbols\"")],
        Mode::Prod | Mode::Docker => &[("lto", "\"fat\""), ("codegen-units", "1"), ("strip", "\"symbols\"")],
        Mode::Dev => &[("incremental", "true"), ("debug", "0"), ("strip", "\"debuginfo\"")],
    }
}

/// Runs `invocation` (the script, wherever) and reads what it hands over. Cargo's own lines are told
/// to the reporter. `look_after` is called when nothing was said for a while; its error ends the run.
pub(crate) fn run(
    invocation: &Invocation,
    order: &Order,
    report: &RefCell<&mut Reporter>,
    look_after: impl FnMut() -> Result<()>,
) -> Result<Compiled, Trouble> {
    let mut ear = Ear::default();
    let hear = |bytes: &[u8]| ear.hear(bytes, &mut report.borrow_mut());
    let output = invocation.stream(SILENCE, hear, look_after).map_err(Trouble::Ended)?;
    if output.code != 0 { Err(ear.trouble(output.code, order)) } else { conclude(output.stdout, order) }
}

/// Hears what cargo says.
#[derive(Default)]
pub(super) struct Ear {
    said: Vec<u8>,
}

impl Ear {
    pub fn hear(&mut self, bytes: &[u8], report: &mut Reporter) {
        let text = String::from_utf8_lossy(bytes);
        if !report.wants_progress {
            // Nothing to look for: a build may print faster than line by line can be kept up with.
            report.tell(&Event::CargoSaid { lines: text.trim_end_matches('\n') });
            return keep_end(&mut self.said, bytes);
        }
        for line in text.split(['\n', '\r']).filter(|line| !line.trim_start().is_empty()) {
            if let Some((done, total, what)) = unit_counter(line) {
                report.tell(&Event::Progress { done, total, what: &what });
            } else {
                report.tell(&Event::CargoSaid { lines: line });
                keep_end(&mut self.said, format!("{line}\n").as_bytes());
            }
        }
    }

    /// What a compile that ended with `code` died of, by what it said.
    pub fn trouble(&self, code: i32, order: &Order) -> Trouble {
        trouble(code, &String::from_utf8_lossy(&self.said), order)
    }
}

/// Reads what the script handed over.
pub(super) fn conclude(stdout: Vec<u8>, order: &Order) -> Result<Compiled, Trouble> {
    if stdout.is_empty() {
        let binary = &order.function.name;
        return Err(Trouble::Crate(
            Error::cargo(format!("cargo ended without making {binary} where it was told to"))
                .hint_with("drop from `cargo_flags` what makes cargo build elsewhere, or nothing; see build.log"),
        ));
    }
    hand_over(stdout, order.layout, order.target, &order.trust.compile).ok_or_else(|| {
        Trouble::Ended(
            Error::cargo("the compile ended without handing over a binary")
                .hint_with("see build.log; run again with --force"),
        )
    })
}

/// Adds `bytes`, and forgets what is long past: why a compile ended is said at its end.
pub(super) fn keep_end(said: &mut Vec<u8>, bytes: &[u8]) {
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

fn hand_over(stdout: Vec<u8>, layout: &Layout, target: &str, compile: &str) -> Option<Compiled> {
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
    let downloads = Downloads::read(compile, made, kept);
    let mut binary = stdout;
    binary.drain(..at);
    Some(Compiled { binary, sources, units, downloads })
}

fn units<'a>(
    lines: impl Iterator<Item = &'a str>,
    layout: &Layout,
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

/// Where the host compiles: a target directory of its own for each toolchain.
pub(crate) fn host_target(state: &Path, identity: &str) -> String {
    state.join(format!("host-target-{identity}")).to_string_lossy().into_owned()
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
        let layout =
            Layout { common: "/p".into(), workspace: "/workspace".into(), mounts: Vec::new(), lent: Vec::new() };
        let layout = Layout { mounts: vec![Mount { host: "/p".into(), container: "/workspace".into() }], ..layout };
        let text = "/target/r/app: /workspace/app/src/main.rs\n\
            /target/r/deps/part-1.d: part/src/lib.rs part/src/../../text\n\
            /target/x/release/build/my-part-0123456789abcdef/output:cargo:rerun-if-changed=../words\n\
            /target/x/release/build/my-part-0123456789abcdef/output:cargo::rerun-if-changed=/workspace/app/words\n";
        let stdout = format!("{} 0 0\n{text}ELF", text.len()).into_bytes();
        let compiled = hand_over(stdout, &layout, "/target", "compile").unwrap();
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
        let layout =
            Layout { common: "/p".into(), workspace: "/workspace".into(), mounts: Vec::new(), lent: Vec::new() };
        let whole = hand_over(b"5 0 0\na: b\nELF".to_vec(), &layout, "/target", "compile").unwrap();
        assert_eq!(whole.binary, b"ELF");
        for cut in [&b""[..], b"4", b"9 0 0\na: b", b"5 0 9\na: b\n", b"5\na: b\n", b"x\n"] {
            assert!(hand_over(cut.to_vec(), &layout, "/target", "compile").is_none(), "{cut:?}");
        }
    }
}
