//! Diagnoses a failed compile: from its exit status and its messages to an error with a hint.

use self::CompileError::{Cache, Crate, Downloads, Ended, Image, Missing, NoTar, OtherSources};
use crate::config::{Config, Network};
use crate::engine::EngineError;
use crate::error::Error;
use crate::fingerprint::declared::has_git;
use crate::report::strip_colours;
use crate::sys;

/// Why a compile did not make a binary.
#[cfg_attr(test, derive(Debug))]
pub enum CompileError {
    /// The crate's own fault: a retry would fail in the same way.
    Crate(Error),
    /// Something other than cargo ended the compile.
    Ended(Error),
    /// The engine does not answer any more.
    Engine(Error),
    /// The target directory is damaged; a compile with an empty one can succeed.
    Cache(Error),
    /// A layer of this image is damaged, which the compile starts from.
    Image(String, Error),
    /// A crate that the lockfile names is missing or damaged in cargo's downloads.
    Downloads(Error),
    /// The crate's own fault, unless it missed one of these paths.
    Missing(Error, Vec<String>),
    /// Other sources stand beside the target directory than were expected: all have to be sent.
    OtherSources,
    /// Nothing can unpack the sources there: the engine has to.
    NoTar,
}

impl From<EngineError> for CompileError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreachable(error) | EngineError::Hangs(error) => Self::Engine(error),
            failure => Self::Ended(failure.into()),
        }
    }
}

impl From<CompileError> for Error {
    fn from(error: CompileError) -> Self {
        match error {
            Crate(error) | Missing(error, _) | Ended(error) | CompileError::Engine(error) => error,
            Cache(error) | Image(_, error) | Downloads(error) => error,
            OtherSources => Error::cargo("the sources beside the target directory changed while they were sent")
                .hint_with("run again; does another program write into the container?"),
            NoTar => Error::cargo("there is no tar to unpack the sources with").hint_with("install tar"),
        }
    }
}

/// A known failure: its kind; the exit status, if only one can have it; the parts of messages of which one must occur, if
/// there are any, in which `{cache}` stands for a path in the target directory; message and hint. These are filled in: `{package}`, `{target}`, `{status}`, `{unit}` (the package that
/// cargo was compiling) and `{program}` (what `*` in the part of a message stands for).
type Rule = (fn(Error) -> CompileError, Option<i32>, &'static [&'static str], &'static str, &'static str);

/// What cargo, the compiler and the linker say, and exit statuses. The first rule that applies decides; what build scripts
/// and macros say is not looked at, for they may print the same words about something else.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    // The last is LLVM's linker, which writes its output through a mapping.
    (Crate, None, &["No space left on device", "(os error 28)", "ld terminated with signal 7 [Bus error]"],
        "the disk is full on which {package} is compiled",
        "free space on the disk of the container engine (`docker system df`), or remove this container with its caches"),
    (Crate, Some(127), &[],
        "cargo, setsid or flock is missing in the environment of the compile",
        "set `base` to an image with cargo, rustc, a C compiler and util-linux, or to `host`"),
    // Of clap, by which cargo reads them.
    (Crate, Some(1), &["For more information, try '--help'"],
        "cargo refuses its arguments",
        "its own message is above; `cargo_flags` are given to it as they are, beside those for `profile`, `features` and `target_arch`"),
    // Of `compile.sh`.
    (Crate, Some(79), &[],
        "the debug information of {package}, which its profile asks for, cannot be separated from the binary",
        "install objcopy for the target {target} in the base image (binutils), or set `debug = false` or `strip` in the profile"),
    (Ended, Some(137), &[], KILLED, OUT_OF_MEMORY),
    (Ended, None, &["(signal: 9, SIGKILL"], KILLED, OUT_OF_MEMORY),
    // Something other than cargo wrote to the target directory, or cut it off.
    (Cache, Some(101), &["found invalid metadata files", "error[E0786]", "error[E0460]", "failed to mmap",
        "rustc_metadata/src/", "rustc_serialize/src/", "rustc_incremental/src/", "extern location for",
        "failed to parse dep-info", "failed to read `{cache}", "failed to write `{cache}", "failed to open: {cache}",
        "failed to create directory `{cache}",
        // Of linkers: they say the same of a library of the user's own.
        "{cache}*file truncated", "{cache}*file format not recognized", "{cache}*is not an ar archive",
        "{cache}*malformed archive"],
        DOES_NOT_COMPILE, SEE_ABOVE),
    // It crashed elsewhere than where it reads what it compiled before: it would again.
    (Crate, Some(101), &["the compiler unexpectedly panicked", "internal compiler error"],
        "the compiler crashed on {unit}",
        "compile with another version of Rust; cargo's own messages are above and in build.log, and say where to report it"),
    (Crate, Some(101), &["can't find crate for `core`", "target may not be installed"],
        "the builder has no standard library for the target {target}, which {unit} needs",
        "add it to the base image with `rustup target add {target}`, or set `target_arch` or `base`"),
    (Crate, Some(101), &["linker `*` not found"],
        "the builder has no linker {program} for the target {target}, which {unit} needs", INSTALL_COMPILER),
    (Downloads, Some(101), &["--offline was specified", "while offline", "using offline mode (--offline)",
        "failed to unpack package", "failed to verify the checksum of", "unable to verify that"],
        "a crate that {package} needs is missing or incomplete in cargo's downloads on this machine",
        "package with `--force`, which fetches it again; cargo's own message is above and in build.log"),
];

/// The same for build scripts: what crates that many of them use say.
#[rustfmt::skip]
const RULES_OF_SCRIPTS: &[Rule] = &[
    // Of the crate cc, in its versions until 1.0 and since then.
    (Crate, Some(101), &["Failed to find tool. Is `*` installed", "failed to find tool \"*\""],
        "the builder has no C compiler {program} for the target {target}, which {unit} needs", INSTALL_COMPILER),
    // Of the crates cmake and prost-build.
    (Crate, Some(101), &["is `*` not installed?", "Could not find `*`. If"],
        "the builder has no program {program}, which {unit} needs", INSTALL_PROGRAM),
];

const KILLED: &str = "the compile of {package} was killed (status {status})";
const OUT_OF_MEMORY: &str =
    "probably out of memory: give the engine more memory, or compile less in parallel with `cargo_flags = [\"-j1\"]`";
const DOES_NOT_COMPILE: &str = "{package} does not compile (cargo's status {status})";
const SEE_ABOVE: &str = "cargo's own messages are above and in build.log";
const INSTALL_COMPILER: &str =
    "install it in the base image (Debian: `gcc`, for arm64 `gcc-aarch64-linux-gnu`), or set `target_arch` or `base`";

const INSTALL_PROGRAM: &str = "install it in the base image; with the host's toolchain in a container install it below /usr, which is all that is mounted";

/// More hints for a crate that does not compile, by signs in all messages; the last ones only without repository and without
/// network.
#[rustfmt::skip]
const MORE_HINTS: &[(&[&str], &str)] = &[
    (&["Read-only file system", "PermissionDenied", "Permission denied"],
        "the sources are read-only during the compile: write generated files to OUT_DIR"),
    (&["No space left on device", "(os error 28)"],
        "{unit} says that no space is left: if that is so, free space on the disk of the container engine (`docker system df`)"),
    // Of `PATH` and its like: <https://doc.rust-lang.org/std/env/fn.join_paths.html>.
    (&["path segment contains separator"],
        "cargo cannot compile below a folder with `:` in its name: move it, or package in a container, where every project has the same path"),
    // Of git, libgit2 and gitoxide.
    (&["not a git repository", "could not find repository", "Could not find a git repository"], NO_REPOSITORY),
    (&["environment variable `*` not defined at compile time"],
        "the compile sees no variable of this shell: hand it on with `pass_env = [\"{program}\"]`"),
    // Of a build script that unwraps it.
    (&["value: NotPresent", "environment variable not found"],
        "the compile sees no variable of this shell: if a build script needs one, hand it on with `pass_env = [\"NAME\"]`"),
    // Of sqlx.
    (&["set `DATABASE_URL` to use query macros online", "error communicating with database"],
        "run `cargo sqlx prepare` and keep `.sqlx`, so that no database is asked; or set `pass_env = [\"DATABASE_URL\"]` and `network = \"bridge\"`"),
    (&["Network is unreachable", "Connection refused", "Temporary failure in name resolution", "failed to lookup address", "NetworkUnreachable"],
        NO_NETWORK),
];
const NO_REPOSITORY: &str = "the compile sees no git repository: to name the commit, add `inputs = [\".git\"]` in [package.metadata.lambda-packager]";
const NO_NETWORK: &str = "the compile has no network: if a build script needs it, set `network = \"bridge\"`";

/// Why a compile of `package` in the target directory `target` ended with `status`; `log` is the end of its messages.
pub fn diagnose(status: i32, log: &str, package: &str, target: &str, config: &Config) -> CompileError {
    let log = errors_of(&strip_colours(log));
    let any = |signs: &[&str]| signs.iter().find_map(|sign| find(&log, sign));
    let unit = any(&["failed to run custom build command for `*`", "could not compile `*`"]);
    // Without the folder of a local one.
    let unit = unit.map_or(package, |unit| unit.split(" (").next().unwrap_or(unit));
    let fill = |text: &str, program: &str| {
        let text = text.replace("{package}", package).replace("{target}", config.target_arch.triple());
        text.replace("{status}", &status.to_string()).replace("{unit}", unit).replace("{program}", program)
    };
    let own = without_scripts(&log);
    let rules = RULES.iter().map(|rule| (&own, rule)).chain(RULES_OF_SCRIPTS.iter().map(|rule| (&log, rule)));
    for (log, (kind, only, signs, message, hint)) in rules {
        let found = |sign: &&str| match sign.split_once("{cache}") {
            Some((before, after)) => has_below(log, before, target, after).then_some(""),
            None => find(log, sign),
        };
        let found = if signs.is_empty() { Some("") } else { signs.iter().find_map(found) };
        if let Some(program) = found.filter(|_| only.is_none_or(|only| only == status)) {
            let error = Error::cargo(fill(message, program)).hint_with(fill(hint, program));
            let place = sys::env::find_program(program).filter(|_| *hint == INSTALL_PROGRAM);
            return kind(match place {
                Some(path) => error.and_hint(&format!("the one of this machine is {}", path.display())),
                None => error,
            });
        }
    }
    if status != 101 {
        let message = format!("the compile of {package} was ended by another process (status {status})");
        return Ended(Error::cargo(message));
    }
    let mut hints = vec![SEE_ABOVE.to_string()];
    for (signs, hint) in MORE_HINTS {
        let applies = match *hint {
            NO_REPOSITORY => !has_git(config),
            NO_NETWORK => config.network == Network::None,
            _ => true,
        };
        if let Some(found) = any(signs).filter(|_| applies) {
            hints.push(fill(hint, found));
        }
    }
    Crate(Error::cargo(fill(DOES_NOT_COMPILE, "")).hint_with(hints.join("; ")))
}

/// The log without what only looks like a message: warnings that tell of no error, what build scripts print on the way
/// (with `-vv`, after `[package version]`), and lines of source code.
fn errors_of(log: &str) -> String {
    let is_source = |line: &str| {
        let line = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        line.starts_with('|')
    };
    let is_told = |line: &&str| {
        let is_warning = line.starts_with("warning") && !line.contains("error");
        !is_warning && !line.starts_with('[') && !is_source(line)
    };
    log.lines().filter(is_told).map(|line| format!("{line}\n")).collect()
}

/// The log without what build scripts and macros say: what cargo shows below a heading of the output of a program that
/// failed, indented, or as a warning that names the package; and the message of a macro that panicked.
fn without_scripts(log: &str) -> String {
    let mut in_output = false;
    let is_own = |line: &&str| {
        if ["  --- stdout", "  --- stderr"].contains(line) {
            in_output = true;
        }
        in_output &= line.is_empty() || line.starts_with("  ");
        let warned = line.strip_prefix("warning: ").and_then(|rest| rest.split_once(": "));
        let is_warning = warned.is_some_and(|(package, _)| package.contains('@'));
        !in_output && !is_warning && !line.contains("= help: message: ")
    };
    log.lines().filter(is_own).map(|line| format!("{line}\n")).collect()
}

/// What `*` in `sign` stands for, where the log has the sign. It is a part of one line.
fn find<'a>(log: &'a str, sign: &str) -> Option<&'a str> {
    match sign.split_once('*') {
        None => log.contains(sign).then_some(""),
        Some((before, after)) => log.lines().find_map(|line| Some(line.split_once(before)?.1.split_once(after)?.0)),
    }
}

/// Whether a line has, behind `before`, a path below `target`, and then `after`, right there or (with `*`) anywhere.
fn has_below(log: &str, before: &str, target: &str, after: &str) -> bool {
    let is_in_a_path = |c: char| c.is_alphanumeric() || ['/', '.', '-', '_'].contains(&c);
    let is_it = |line: &str| {
        line.match_indices(target).any(|(at, _)| {
            let (start, rest) = (&line[..at], &line[at + target.len()..]);
            let is_target = !start.ends_with(is_in_a_path) && !rest.starts_with(|c: char| c != '/' && is_in_a_path(c));
            is_target && start.ends_with(before) && rest.contains(after.trim_start_matches('*'))
        })
    };
    log.lines().any(is_it)
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
        let crashed = "thread 'rustc' (7) panicked at compiler/rustc_mir_build/src/lib.rs:1:2:\nerror: the compiler unexpectedly panicked. this is a bug.\n";
        let damaged_unit = "thread 'rustc' panicked at compiler/rustc_metadata/src/rmeta/decoder.rs:1:2:\nerror: the compiler unexpectedly panicked. this is a bug.\n";
        let quoted = "error[E0308]: mismatched types\n  |\n3 |     let a: u8 = \"No space left on device\";\n  |                 ^\nwarning: app@0.1.0: No space left on device once\n[app 0.1.0] No space left on device\n";
        let linked = |said: &str| {
            format!(
                "error: linking with `cc` failed: exit status: 1\n  |\n  = note:  \"cc\" \"/target/release/deps/app.o\"\n  = note: /usr/bin/ld: {said}\n          collect2: error: ld returned 1 exit status\n"
            )
        };
        let own_library = linked("/workspace/libs/libfoo.a: file format not recognized; treating as linker script");
        let own_target = linked("/workspace/target/libfoo.a: error adding symbols: file truncated");
        let own_relative = linked("libs/libfoo.a(a.o): file not recognized: file format not recognized");
        let cut_unit = linked("/target/release/deps/libdep.rlib: error adding symbols: file truncated");
        let cut_by_lld =
            linked("error: /target/release/deps/libdep.rlib: truncated or malformed archive (at offset 8)");
        let unreadable = "error: failed to read `/target/release/.fingerprint/dep/invoked.timestamp`\n";
        let own_unreadable = "error: failed to read `/targets/a`\n";
        let cmake = "error: failed to run custom build command for `zmq v0.1.0`\n  failed to execute command: No such file or directory (os error 2)\n  is `sh` not installed?\n";
        let variable = "error: environment variable `API_URL` not defined at compile time\n";
        let sqlx = "error: error communicating with database: Connection refused (os error 111)\n";
        let script = |said: &str| {
            format!(
                "error: failed to run custom build command for `app v0.1.0 (/workspace)`\n\nCaused by:\n  process didn't exit successfully: `/target/release/build/app-1/build-script-build` (exit status: 101)\n  --- stdout\n  cargo:rerun-if-changed=build.rs\n\n  --- stderr\n\n  thread 'main' panicked at build.rs:1:13:\n  {said}\n"
            )
        };
        let (quota, corrupt) = (script("No space left on device in the bucket"), script("malformed archive"));
        let unset = script("called `Result::unwrap()` on an `Err` value: NotPresent");
        let killed_itself = script("sh: 1 (signal: 9, SIGKILL: kill)");
        let killed_script = "Caused by:\n  process didn't exit successfully: `/target/release/build/app-1/build-script-build` (signal: 9, SIGKILL: kill)\n  --- stdout\n  a\n";
        let then_full =
            format!("{quota}error: failed to write /target/a.rmeta: No space left on device (os error 28)\n");
        let cc_warned = "warning: app@0.1.0: cc1: fatal error: error writing to /tmp/a.s: No space left on device\n";
        let a_macro =
            "error: proc macro panicked\n --> src/main.rs:1:1\n  |\n  = help: message: No space left on device\n";
        let refused = "error: unexpected argument '--bogus' found\n\nUsage: cargo build [OPTIONS]\n\nFor more information, try '--help'.\n";
        let setsid = "setsid: failed to execute cargo: No such file or directory\n";
        let mut config = Config::resolve(Vec::new());
        config.target_arch = Arch::Arm64;
        let needs = "for the target aarch64-unknown-linux-gnu, which";
        for (status, log, kind, text) in [
            (101, "  No space left on device (os error 28)\n", "Crate", "the disk is full on which app is compiled\n"),
            (101, &quota, "Crate", "app does not compile (cargo's status 101)\n"),
            (101, &unset, "Crate", "hand it on with `pass_env = [\"NAME\"]`"),
            (101, &quota, "Crate", "app v0.1.0 says that no space is left: if that is so"),
            (101, &then_full, "Crate", "the disk is full on which app is compiled\n"),
            (101, cc_warned, "Crate", "app does not compile (cargo's status 101)\n"),
            (101, a_macro, "Crate", "app does not compile (cargo's status 101)\n"),
            (101, &corrupt, "Crate", "app does not compile (cargo's status 101)\n"),
            (101, &killed_itself, "Crate", "app does not compile (cargo's status 101)\n"),
            (101, killed_script, "Ended", "the compile of app was killed (status 101)\n"),
            (101, bus, "Crate", "the disk is full on which app is compiled\n"),
            (1, refused, "Crate", "cargo refuses its arguments"),
            (127, setsid, "Crate", "setsid or flock is missing"),
            (79, "", "Crate", "install objcopy for the target aarch64-unknown-linux-gnu"),
            (137, "", "Ended", "the compile of app was killed (status 137)\n"),
            (101, killed, "Ended", "the compile of app was killed (status 101)\n"),
            (101, crashed, "Crate", "the compiler crashed on app\n"),
            (101, damaged_unit, "Cache", "app does not compile"),
            (101, quoted, "Crate", "app does not compile (cargo's status 101)\n"),
            (101, "error[E0786]: found invalid metadata files for crate `dep`\n", "Cache", "app does not compile"),
            (101, &own_library, "Crate", "app does not compile"),
            (101, &own_target, "Crate", "app does not compile"),
            (101, &own_relative, "Crate", "app does not compile"),
            (101, &cut_unit, "Cache", "app does not compile"),
            (101, &cut_by_lld, "Cache", "app does not compile"),
            (101, unreadable, "Cache", "app does not compile"),
            (101, own_unreadable, "Crate", "app does not compile"),
            (101, target, "Crate", &format!("no standard library {needs} dep needs")),
            (101, linker, "Crate", &format!("no linker aarch64-linux-gnu-gcc {needs} app needs")),
            (101, cc, "Crate", &format!("no C compiler aarch64-linux-gnu-gcc {needs} needs_cc v0.1.0 needs")),
            (101, old_cc, "Crate", &format!("no C compiler musl-gcc {needs} old v0.1.0 needs")),
            (101, cmake, "Crate", "the builder has no program sh, which zmq v0.1.0 needs\n"),
            (101, cmake, "Crate", "which is all that is mounted; the one of this machine is /"),
            (101, variable, "Crate", "`pass_env = [\"API_URL\"]`"),
            (101, sqlx, "Crate", "run `cargo sqlx prepare`"),
            (101, sqlx, "Crate", NO_NETWORK),
            (101, absent, "Downloads", "a crate that app needs is missing"),
            (101, unknown, "Downloads", "a crate that app needs is missing"),
            (101, damaged, "Downloads", "a crate that app needs is missing"),
            (101, read_only, "Crate", "write generated files to OUT_DIR"),
            (101, colon, "Crate", "a folder with `:` in its name"),
            (101, network, "Crate", NO_NETWORK),
            (101, "fatal: not a git repository (or any of the parent directories): .git", "Crate", NO_REPOSITORY),
            (101, "code: -3, klass: 6, message: \"could not find repository at '.'\"", "Crate", NO_REPOSITORY),
            (101, "failed to lookup address information: Temporary failure in name resolution", "Crate", NO_NETWORK),
            (101, "error[E0308]: mismatched types\n", "Crate", "app does not compile (cargo's status 101)\n"),
            (143, "error[E0308]: mismatched types\n", "Ended", "ended by another process (status 143)"),
        ] {
            let error = diagnose(status, log, "app", "/target", &config);
            assert!(format!("{error:?}").starts_with(kind), "{error:?}");
            let report = Error::from(error).report();
            assert!(report.contains(text) && !report.contains('{'), "{report}");
        }
        config.network = Network::Bridge;
        assert_eq!(Error::from(diagnose(101, network, "app", "/target", &config)).hint(), Some(SEE_ABOVE));
    }
}
