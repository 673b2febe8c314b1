//! Diagnoses a failed compile: from its exit status and its messages to an error with a hint.

use crate::config::{Config, Network};
use crate::engine::EngineError;
use crate::error::Error;
use crate::report::strip_colours;

/// Why a compile did not make a binary.
#[cfg_attr(test, derive(Debug))]
pub enum CompileError {
    /// The crate's own fault: a retry would fail in the same way.
    Crate(Error),
    /// Something other than cargo ended the compile.
    Ended(Error),
    /// The target directory is damaged; a compile with an empty one can succeed.
    Cache(Error),
    /// A crate that the lockfile names is missing or damaged in cargo's downloads.
    Downloads(Error),
}

impl From<EngineError> for CompileError {
    fn from(error: EngineError) -> Self {
        Self::Ended(error.into())
    }
}

impl From<CompileError> for Error {
    fn from(error: CompileError) -> Self {
        use CompileError::*;
        match error {
            Crate(error) | Ended(error) | Cache(error) | Downloads(error) => error,
        }
    }
}

/// A known failure. In `message` and `hint` these are filled in: `{package}`, `{target}`, `{status}`, `{unit}` (the
/// package that cargo was compiling) and `{program}` (what `*` in the sign stands for).
struct Rule {
    kind: fn(Error) -> CompileError,
    /// The exit status; any if there is none.
    status: Option<i32>,
    /// Parts of messages, of which one must occur; none is needed if there are none.
    signs: &'static [&'static str],
    message: &'static str,
    hint: &'static str,
}

/// The first rule that applies decides.
const RULES: &[Rule] = &[
    Rule {
        kind: CompileError::Crate,
        status: None,
        // The last is LLVM's linker, which writes its output through a mapping.
        signs: &["No space left on device", "(os error 28)", "ld terminated with signal 7 [Bus error]"],
        message: "the disk is full on which {package} is compiled",
        hint: "free space on the disk of the container engine (`docker system df`), or remove this container with its caches",
    },
    Rule {
        kind: CompileError::Crate,
        status: Some(127),
        signs: &[],
        message: "cargo, setsid or flock is missing in the environment of the compile",
        hint: "set `base` to an image with cargo, rustc, a C compiler and util-linux, or to `host`",
    },
    Rule { status: Some(137), ..KILLED },
    Rule { signs: &["(signal: 9, SIGKILL"], ..KILLED },
    // Something other than cargo wrote to the target directory, or cut it off.
    Rule {
        kind: CompileError::Cache,
        status: Some(101),
        signs: &[
            "found invalid metadata files",
            "error[E0786]",
            "error[E0460]",
            "failed to mmap",
            "the compiler unexpectedly panicked",
            "internal compiler error",
            "file truncated",
            "file format not recognized",
            "is not an ar archive",
            "malformed archive",
            "extern location for",
            "failed to parse dep-info",
            "failed to read `/target",
            "failed to write `/target",
            "failed to open: /target",
            "failed to create directory `/target",
        ],
        message: DOES_NOT_COMPILE,
        hint: SEE_ABOVE,
    },
    Rule {
        kind: CompileError::Crate,
        status: Some(101),
        signs: &["can't find crate for `core`", "target may not be installed"],
        message: "the builder has no standard library for the target {target}, which {unit} needs",
        hint: "add it to the base image with `rustup target add {target}`, or set `target_arch` or `base`",
    },
    Rule {
        kind: CompileError::Crate,
        status: Some(101),
        signs: &["linker `*` not found"],
        message: "the builder has no linker {program} for the target {target}, which {unit} needs",
        hint: INSTALL_COMPILER,
    },
    Rule {
        kind: CompileError::Crate,
        status: Some(101),
        // Of the crate cc, in its versions until 1.0 and since then.
        signs: &["Failed to find tool. Is `*` installed", "failed to find tool \"*\""],
        message: "the builder has no C compiler {program} for the target {target}, which {unit} needs",
        hint: INSTALL_COMPILER,
    },
    Rule {
        kind: CompileError::Downloads,
        status: Some(101),
        signs: &[
            "--offline was specified",
            "while offline",
            "using offline mode (--offline)",
            "failed to unpack package",
            "failed to verify the checksum of",
            "unable to verify that",
        ],
        message: "a crate that {package} needs is missing or incomplete in cargo's downloads on this machine",
        hint: "package with `--force`, which fetches it again; cargo's own message is above and in build.log",
    },
];

const KILLED: Rule = Rule {
    kind: CompileError::Ended,
    status: None,
    signs: &[],
    message: "the compile of {package} was killed (status {status})",
    hint: "probably out of memory: give the engine more memory, or compile less in parallel with `cargo_flags = [\"-j1\"]`",
};
const DOES_NOT_COMPILE: &str = "{package} does not compile (cargo's status {status})";
const SEE_ABOVE: &str = "cargo's own messages are above and in build.log";
const INSTALL_COMPILER: &str =
    "install it in the base image (Debian: `gcc`, for arm64 `gcc-aarch64-linux-gnu`), or set `target_arch` or `base`";

/// More hints for a crate that does not compile, by signs in its messages.
const MORE_HINTS: &[(&str, &str)] = &[
    ("Read-only file system", "the sources are read-only during the compile: write generated files to OUT_DIR"),
    // Of `PATH` and its like: <https://doc.rust-lang.org/std/env/fn.join_paths.html>.
    ("path segment contains separator", COLON),
];
const COLON: &str = "cargo cannot compile below a folder with `:` in its name: move it, or package in a container, where every project has the same path";
const NETWORK_HINT: &str = "the compile has no network: if a build script needs it, set `network = \"bridge\"`";
const NO_NETWORK: &[&str] = &[
    "Network is unreachable",
    "Temporary failure in name resolution",
    "failed to lookup address",
    "NetworkUnreachable",
];

/// Why a compile of `package` ended with `status`; `log` is the end of its messages.
pub fn diagnose(status: i32, log: &str, package: &str, config: &Config) -> CompileError {
    let log = strip_colours(log);
    let any = |signs: &[&str]| signs.iter().find_map(|sign| find(&log, sign));
    let unit = any(&["failed to run custom build command for `*`", "could not compile `*`"]);
    // Without the folder of a local one.
    let unit = unit.map_or(package, |unit| unit.split(" (").next().unwrap_or(unit));
    let fill = |text: &str, program: &str| {
        let text = text.replace("{package}", package).replace("{target}", config.target_arch.triple());
        text.replace("{status}", &status.to_string()).replace("{unit}", unit).replace("{program}", program)
    };
    for Rule { kind, signs, message, hint, .. } in RULES.iter().filter(|rule| rule.status.is_none_or(|s| s == status)) {
        if let Some(program) = if signs.is_empty() { Some("") } else { any(signs) } {
            return kind(Error::cargo(fill(message, program)).hint_with(fill(hint, program)));
        }
    }
    if status != 101 {
        let message = format!("the compile of {package} was ended by another process (status {status})");
        return CompileError::Ended(Error::cargo(message));
    }
    let mut hints = vec![SEE_ABOVE];
    hints.extend(MORE_HINTS.iter().filter(|(sign, _)| log.contains(sign)).map(|(_, hint)| *hint));
    if config.network == Network::None && any(NO_NETWORK).is_some() {
        hints.push(NETWORK_HINT);
    }
    CompileError::Crate(Error::cargo(fill(DOES_NOT_COMPILE, "")).hint_with(hints.join("; ")))
}

/// What `*` in `sign` stands for, where the log has the sign. It is a part of one line.
fn find<'a>(log: &'a str, sign: &str) -> Option<&'a str> {
    match sign.split_once('*') {
        None => log.contains(sign).then_some(""),
        Some((before, after)) => log.lines().find_map(|line| Some(line.split_once(before)?.1.split_once(after)?.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Arch;

    #[test]
    fn recorded_failures_are_known() {
        let bus = "error: linking with `cc` failed: exit status: 1\n  collect2: fatal error: ld terminated with signal 7 [Bus error]\n";
        let killed = "error: could not compile `app` (bin \"app\")\n\nCaused by:\n  process didn't exit successfully: `rustc --crate-name app` (signal: 9, SIGKILL: kill)\n";
        let target = "error[E0463]: can't find crate for `std`\n  |\n  = note: the `aarch64-unknown-linux-gnu` target may not be installed\nerror: could not compile `dep` (lib) due to 1 previous error\n";
        let linker =
            "error: linker `aarch64-linux-gnu-gcc` not found\n  |\n  = note: No such file or directory (os error 2)\n";
        let cc = "error: failed to run custom build command for `needs_cc v0.1.0 (/workspace/needs_cc)`\n\nCaused by:\n  error occurred in cc-rs: failed to find tool \"aarch64-linux-gnu-gcc\": No such file or directory (os error 2)\n";
        let old_cc = "error: failed to run custom build command for `old v0.1.0`\n  error occurred: Failed to find tool. Is `musl-gcc` installed?\n";
        let absent = "error: failed to download `itoa v1.0.18`\n\nCaused by:\n  attempting to make an HTTP request, but --offline was specified\n";
        let unknown = "error: no matching package named `itoa` found\nAs a reminder, you're using offline mode (--offline) which can sometimes cause surprising resolution failures";
        let damaged = "error: failed to download `itoa v1.0.18`\n\nCaused by:\n  failed to unpack package `itoa v1.0.18`\n\nCaused by:\n  invalid gzip header\n";
        let read_only = "  called `Result::unwrap()` on an `Err` value: Os { code: 30, kind: ReadOnlyFilesystem, message: \"Read-only file system\" }\n";
        let colon = "error: failed to join paths from `$LD_LIBRARY_PATH` together\n\nCaused by:\n  path segment contains separator `:`\n";
        let network = "  called `Result::unwrap()` on an `Err` value: Os { code: 101, kind: NetworkUnreachable, message: \"Network is unreachable\" }\n";
        let mut config = Config::resolve(Vec::new());
        config.target_arch = Arch::Arm64;
        let needs = "for the target aarch64-unknown-linux-gnu, which";
        for (status, log, kind, text) in [
            (101, "  No space left on device (os error 28)\n", "Crate", "the disk is full on which app is compiled\n"),
            (101, bus, "Crate", "the disk is full on which app is compiled\n"),
            (
                127,
                "setsid: failed to execute cargo: No such file or directory\n",
                "Crate",
                "setsid or flock is missing",
            ),
            (137, "", "Ended", "the compile of app was killed (status 137)\n"),
            (101, killed, "Ended", "the compile of app was killed (status 101)\n"),
            (101, "error[E0786]: found invalid metadata files for crate `dep`\n", "Cache", "app does not compile"),
            (101, target, "Crate", &format!("no standard library {needs} dep needs")),
            (101, linker, "Crate", &format!("no linker aarch64-linux-gnu-gcc {needs} app needs")),
            (101, cc, "Crate", &format!("no C compiler aarch64-linux-gnu-gcc {needs} needs_cc v0.1.0 needs")),
            (101, old_cc, "Crate", &format!("no C compiler musl-gcc {needs} old v0.1.0 needs")),
            (101, absent, "Downloads", "a crate that app needs is missing"),
            (101, unknown, "Downloads", "a crate that app needs is missing"),
            (101, damaged, "Downloads", "a crate that app needs is missing"),
            (101, read_only, "Crate", MORE_HINTS[0].1),
            (101, colon, "Crate", COLON),
            (101, network, "Crate", NETWORK_HINT),
            (101, "failed to lookup address information: Temporary failure in name resolution", "Crate", NETWORK_HINT),
            (101, "error[E0308]: mismatched types\n", "Crate", "app does not compile (cargo's status 101)\n"),
            (143, "error[E0308]: mismatched types\n", "Ended", "ended by another process (status 143)"),
        ] {
            let error = diagnose(status, log, "app", &config);
            assert!(format!("{error:?}").starts_with(kind), "{error:?}");
            let report = Error::from(error).report();
            assert!(report.contains(text) && !report.contains('{'), "{report}");
        }
        config.network = Network::Bridge;
        assert_eq!(Error::from(diagnose(101, network, "app", &config)).hint(), Some(SEE_ABOVE));
    }
}
