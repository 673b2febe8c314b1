//! The Dockerfile and its scripts, and build contexts with them.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::artifact::Archive;
use crate::config::{Arch, Runtime};
use crate::error::{Error, ErrorKind};
use crate::report::strip_colours;

/// The path of the Dockerfile in a build context.
pub const DOCKERFILE: &str = "Dockerfile";

/// The path of the toolchain's installer.
pub const INSTALLER: &str = "toolchain/lambda-packager/install-toolchain";

/// The folder of the Rust toolchain, if one is sent.
pub const RUST: &str = "toolchain/rust";

/// Every file, by its path in a build context.
const FILES: &[(&str, &str)] = &[
    (DOCKERFILE, include_str!("../../docker/Dockerfile")),
    (INSTALLER, include_str!("../../docker/install-toolchain")),
    ("tools/run-recipe", include_str!("../../docker/run-recipe")),
];

/// The end of the installer in an image that compiles for another architecture.
const CROSS: &str = include_str!("../../docker/install-cross");

/// The stage with the compiled binary and the list of what was read for it, and nothing else.
pub const PARCEL: &str = "parcel";
/// The file in that stage.
pub const COMPILED: &str = "/parcel/compiled";

/// The label that the Dockerfile puts on the images of clean rooms.
pub const CLEAN_ROOM: &str = "lambda-packager.clean-room";

/// The base image of the builder image for a runtime.
pub fn base_of(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::ProvidedAl2023 => "amazonlinux:2023",
        Runtime::ProvidedAl2 => "amazonlinux:2",
    }
}

/// The programs that an image of the user must have: nothing is installed into it.
pub const PREPARED: &str = "cargo rustc cc";

/// The exit status of a step, if `line` has it. `run-recipe` prints it: the engines' own words differ.
pub fn status_in(line: &str) -> Option<i32> {
    let (_, rest) = line.split_once("lambda-packager: ")?;
    rest.split_once(" ended with status ")?.1.trim().parse().ok()
}

/// Why the installer failed, in its own words, if `said` has them.
pub fn told_by_installer(said: &str) -> Option<String> {
    let (_, why) = said.lines().rev().find_map(|line| line.split_once("install-toolchain: "))?;
    Some(strip_colours(why).trim().to_string())
}

/// The last lines of what an engine printed, where the reason is.
pub fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// The date of every file in a context, the same as in the zip.
const MTIME: u64 = 315_532_800;

/// A build context that cannot be made.
pub fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, "cannot make the build context").source(error.to_string())
}

/// A context that is written to `out`, empty until now.
pub fn context<W: Write>(out: W) -> Archive<W> {
    Archive::to(out, (0, 0), MTIME)
}

/// The recipe's own files for an image that compiles for `arch`, by path in a build context.
pub fn files(arch: Arch) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
    // More text in the installer itself would give the images for this machine's architecture another name too.
    FILES.iter().map(move |(path, text)| match *path {
        INSTALLER if arch != Arch::of_this_machine() => (*path, format!("{text}\n{CROSS}").into()),
        _ => (*path, Cow::Borrowed(*text)),
    })
}

/// Adds these files to a context.
///
/// # Errors
/// If it cannot be written.
pub fn add_files<W: Write>(context: &mut Archive<W>, arch: Arch) -> io::Result<()> {
    files(arch).try_for_each(|(path, text)| context.file(path, 0o755, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dockerfile_has_its_stages_in_order_and_pulls_no_syntax() {
        let text = FILES[0].1;
        let stages = text.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(" AS ").nth(1));
        let stages: Vec<_> = stages.filter(|stage| *stage != PARCEL).collect();
        assert_eq!(stages, ["base", "dependencies", "build", "runtime"]);
        assert!(!text.lines().any(|line| line.replace(' ', "").starts_with("#syntax=")));
        assert!(text.contains("COPY tools/run-recipe "));
        // One step copies the installer, and Rust if it is there.
        let copied = INSTALLER.strip_prefix("toolchain").unwrap();
        assert!(text.contains("COPY toolchain /opt/") && text.contains(&format!("RUN sh /opt{copied}")));
        assert_eq!(RUST, "toolchain/rust");
        assert!(text.contains("PATH=/opt/rust/bin:"));
        assert!(text.contains(base_of(Runtime::ProvidedAl2023)));
        assert!(text.contains(&format!("LABEL {CLEAN_ROOM}=1")));
    }

    #[test]
    fn the_installer_of_another_architecture_is_the_same_with_one_more_part() {
        let own = Arch::of_this_machine();
        let other = if own == Arch::Arm64 { Arch::X86_64 } else { Arch::Arm64 };
        assert!(files(own).eq(FILES.iter().map(|(path, text)| (*path, Cow::Borrowed(*text)))));
        for ((path, text), (_, cross)) in files(own).zip(files(other)) {
            let part = cross.strip_prefix(&*text).unwrap();
            assert_eq!(!part.is_empty(), path == INSTALLER, "{path}");
        }
        // Of both package managers, for both architectures.
        for name in ["gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross", "libc6-dev-amd64-cross"] {
            assert!(CROSS.contains(name), "{name}");
        }
        for arg in ["--forcearch=\"$machine\"", "--installroot=\"$root\"", "--releasever=/", "tsflags=noscripts"] {
            assert!(CROSS.contains(arg), "{arg}");
        }
        for arch in [Arch::X86_64, Arch::Arm64] {
            let machine = arch.triple().split('-').next().unwrap();
            assert!(arch == own || arch.cross_compiler().unwrap() == format!("{machine}-linux-gnu-gcc"));
        }
        // Its errors are found as those of the first part.
        assert!(CROSS.contains("echo \"install-toolchain: $*; set "));
    }

    #[test]
    fn the_status_is_found_whatever_an_engine_writes_before_it() {
        for prefix in ["", "#9 12.34 "] {
            assert_eq!(status_in(&format!("{prefix}lambda-packager: build ended with status 101")), Some(101));
        }
        let said =
            "\u{1b}[91minstall-toolchain: still missing: cc\u{1b}[0m\nRUN sh /opt/install-toolchain]: exit code 1\n";
        assert_eq!(told_by_installer(said).as_deref(), Some("still missing: cc"));
        assert_eq!(told_by_installer("no space left"), None);
        assert_eq!(status_in("   Compiling lambda-packager v0.1.0"), None);
    }
}
