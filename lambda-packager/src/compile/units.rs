//! The compiled units of downloaded crates: other checkouts may reuse them. Together with `pack.sh` this is all that knows
//! how cargo arranges its target directory. In the first layout, until cargo 1.99, the files of a unit have a name that ends
//! with its digest, in the folders `deps`, `build` and `.fingerprint`; in the second one, since 1.100, a unit is a folder
//! `build/PACKAGE/DIGEST`. Nothing is kept of any other.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/build-cache.html>.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::compile::{CARGO_HOME, TARGET};

/// The units of downloaded crates that a compile made or reused.
pub struct CompiledUnits {
    /// The name of the compile.
    pub compile: String,
    /// The ends of the names of its units: `-0123456789abcdef`, or in the second layout `/0123456789abcdef`.
    pub units: BTreeSet<String>,
    /// Downloaded crates were compiled, and no unit of them was found: the layout is another one.
    pub has_other_layout: bool,
    /// The units that images keep: the name of the image, a blank, and the unit; and `= NAME` of the image that may keep more.
    pub kept: BTreeSet<String>,
}

impl CompiledUnits {
    /// Reads cargo's messages in the compile of that name, and the lines of the units that images keep.
    pub fn read(compile: &str, messages: &str, kept: &str) -> Self {
        #[derive(Deserialize)]
        struct Message {
            package_id: Option<String>,
            manifest_path: Option<String>,
            #[serde(default)]
            filenames: Vec<String>,
            out_dir: Option<String>,
        }
        let messages: Vec<Message> = messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let downloaded = |path: &String| Path::new(path).starts_with(CARGO_HOME);
        let packages: BTreeSet<String> = (messages.iter())
            .filter(|message| message.manifest_path.as_ref().is_some_and(downloaded))
            .filter_map(|message| message.package_id.clone())
            .collect();
        let ours =
            messages.iter().filter(|message| message.package_id.as_ref().is_some_and(|id| packages.contains(id)));
        let files: Vec<&String> = ours.flat_map(|message| message.filenames.iter().chain(&message.out_dir)).collect();
        let units: BTreeSet<String> = files.iter().filter_map(|file| unit_of(file)).collect();
        Self {
            compile: compile.into(),
            has_other_layout: units.is_empty() && !files.is_empty(),
            units,
            kept: kept.lines().map(String::from).collect(),
        }
    }

    /// Those of several compiles in one target directory; `last` is of the last one.
    pub fn with(before: Option<Self>, last: Self) -> Option<Self> {
        Some(match before {
            Some(before) => Self {
                units: before.units.into_iter().chain(last.units).collect(),
                has_other_layout: before.has_other_layout || last.has_other_layout,
                ..last
            },
            None => last,
        })
    }
}

/// `/target/release/deps/libserde-0123456789abcdef.rlib` and `/target/release/build/serde-0123456789abcdef/out`
/// as `-0123456789abcdef`; `/target/release/build/serde/0123456789abcdef/out` as `/0123456789abcdef`.
fn unit_of(file: &str) -> Option<String> {
    const DIGITS: usize = 16;
    let is_digest = |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = Path::new(file).strip_prefix(TARGET).ok()?.iter().filter_map(|part| part.to_str());
    let folder = parts.find(|part| ["deps", "build"].contains(part))?;
    let name = parts.next()?;
    let in_name = || {
        let (_, end) = name.rsplit_once('-')?;
        end.get(..DIGITS).filter(|digest| is_digest(digest)).map(|digest| format!("-{digest}"))
    };
    let below = parts.next().filter(|part| folder == "build" && is_digest(part));
    below.map(|digest| format!("/{digest}")).or_else(in_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_units_of_downloads_are_taken() {
        // The last is vendored: a source of the workspace, which anybody may edit.
        let messages = r##"
            {"package_id":"registry+x#a@1.0.0","manifest_path":"/cargo/registry/src/x/a-1.0.0/Cargo.toml","filenames":["/target/t/release/deps/liba_a-0000000000000001.rlib","/target/t/release/deps/liba_a-0000000000000001.rmeta"]}
            {"package_id":"git+y#0.1.0","manifest_path":"/cargo/git/checkouts/y/1/Cargo.toml","filenames":["/target/release/build/y-z-0000000000000002/build-script-build"]}
            {"reason":"build-script-executed","package_id":"git+y#0.1.0","out_dir":"/target/t/release/build/y-z-0000000000000003/out"}
            {"package_id":"path+file:///workspace#0.1.0","manifest_path":"/workspace/Cargo.toml","filenames":["/target/t/release/deps/libw-0000000000000004.rlib"]}
            {"reason":"build-script-executed","package_id":"path+file:///workspace#0.1.0","out_dir":"/target/t/release/build/w-0000000000000005/out"}
            {"package_id":"registry+x#v@1.0.0","manifest_path":"/workspace/vendor/v/Cargo.toml","filenames":["/target/t/release/deps/libv-0000000000000006.rlib"]}
            {"reason":"build-finished","success":true}
            not JSON"##;
        let read = CompiledUnits::read("compile", messages, "name -0000000000000001\n");
        let units: Vec<_> = read.units.iter().map(String::as_str).collect();
        assert_eq!(units, ["-0000000000000001", "-0000000000000002", "-0000000000000003"]);
        assert!(!read.has_other_layout);
        assert_eq!(read.kept, BTreeSet::from(["name -0000000000000001".to_string()]));
    }

    #[test]
    fn both_layouts_are_known_and_another_one_is_told() {
        let units = |files: &str| {
            let downloaded =
                r#""package_id":"registry+x#a-b@1.0.0","manifest_path":"/cargo/registry/src/x/a-b-1.0.0/Cargo.toml""#;
            CompiledUnits::read("compile", &format!("{{{downloaded},{files}}}"), "")
        };
        let second = units(
            r#""filenames":["/target/t/release/build/a-b/00000000000000a1/out/liba_b-00000000000000a1.rlib"],"out_dir":"/target/t/release/build/a-b/00000000000000a2/out""#,
        );
        assert_eq!(second.units.iter().collect::<Vec<_>>(), ["/00000000000000a1", "/00000000000000a2"]);
        assert!(!second.has_other_layout);
        let other = units(r#""filenames":["/target/t/release/units/a-b/liba_b.rlib"]"#);
        assert!(other.units.is_empty() && other.has_other_layout);
        assert!(!units(r#""filenames":[]"#).has_other_layout);
    }

    #[test]
    fn a_file_of_no_unit_has_no_name() {
        for file in [
            "/target/t/release/app",
            "/target/t/release/deps/liba-xyz.rlib",
            "/elsewhere/deps/liba-0000000000000001.rlib",
            "/target/deps/é-é",
        ] {
            assert_eq!(unit_of(file), None, "{file}");
        }
    }
}
