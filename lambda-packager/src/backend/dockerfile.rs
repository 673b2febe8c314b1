//! The Dockerfile and its scripts, and build contexts with them.

use std::io::{self, Write};

use crate::artifact::Archive;
use crate::config::Runtime;
use crate::error::Error;
use crate::report::strip_colours;

/// The path of the Dockerfile in a build context.
pub const DOCKERFILE: &str = "Dockerfile";

/// The path of the toolchain's installer.
pub const INSTALLER: &str = "toolchain/lambda-packager/install-toolchain";

/// The folder of the Rust toolchain, if one is sent.
pub const RUST: &str = "toolchain/rust";

/// Every file, by its path in a build context.
pub const FILES: &[(&str, &str)] = &[
    (DOCKERFILE, include_str!("../../docker/Dockerfile")),
    (INSTALLER, include_str!("../../docker/install-toolchain")),
    ("tools/run-recipe", include_str!("../../docker/run-recipe")),
];

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
    Error::engine("cannot make the build context").source(error.to_string())
}

/// A context that is written to `out`, empty until now.
pub fn context<W: Write>(out: W) -> Archive<W> {
    Archive::to(out, (0, 0), MTIME)
}

/// Adds the recipe's own files to a context.
///
/// # Errors
/// If it cannot be written.
pub fn add_files<W: Write>(context: &mut Archive<W>) -> io::Result<()> {
    FILES.iter().try_for_each(|(path, text)| context.file(path, 0o755, text.as_bytes()))
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
