//! Evidence that a container has the toolchain of this machine. An engine on another machine mounts what that machine has
//! at the same path: another compiler than the one in the fingerprint.

use std::path::{Path, PathBuf};

use crate::cargo::Toolchain;
use crate::engine::Mount;
use crate::error::{Error, Result};
use crate::sys::{Sha, fs};

/// Runs in the container; its head says what it does.
const SCRIPT: &str = include_str!("mounted.sh");

/// The exit status of `SCRIPT` if the container has other files.
pub const OTHER_TOOLCHAIN: i32 = 77;

/// How much of each file counts. Compilers and linkers have the digest of their content there, archives their index.
/// All of all files would take longer than many a compile.
const START_BYTES: u64 = 64 << 10;

/// `command` after a check that it runs with the files of `toolchain`, which is mounted as `mounts`.
///
/// # Errors
/// If a file of the toolchain cannot be read.
pub fn checked(toolchain: &Toolchain, mounts: &[Mount], command: Vec<String>) -> Result<Vec<String>> {
    let files = files_of(toolchain)?;
    let seen = files.iter().filter_map(|file| Some((file, place_of(file, mounts)?)));
    let (files, places): (Vec<_>, Vec<_>) = seen.unzip();
    let mut head: Vec<String> = ["sh", "-c", SCRIPT, "lambda-packager"].map(String::from).into();
    head.extend([digest(&files)?.to_string(), places.join("\n")]);
    Ok(head.into_iter().chain(command).collect())
}

/// The error where the container has other files.
pub fn other_toolchain() -> Error {
    Error::engine("the engine mounted another toolchain than the one of this machine").hint_with(
        "it is on another machine, or sees an old copy of these files: set `base` to an image with cargo and a C compiler",
    )
}

/// The C toolchain, and the files of rustc that are not the standard library.
fn files_of(toolchain: &Toolchain) -> Result<Vec<PathBuf>> {
    let (programs, libraries) = (toolchain.sysroot.join("bin"), toolchain.sysroot.join("lib"));
    let mut files = toolchain.cc_files.clone();
    files.extend(["cargo", "rustc"].map(|name| programs.join(name)));
    let names = fs::names_in(&libraries)?.into_iter().filter(|name| name.starts_with("librustc_driver"));
    files.extend(names.map(|name| libraries.join(name)));
    Ok(files)
}

/// The place of a file in the container; `None` if it is not mounted.
fn place_of(file: &Path, mounts: &[Mount]) -> Option<String> {
    let mount = mounts.iter().find(|mount| file.starts_with(&mount.host))?;
    let below = file.strip_prefix(&mount.host).ok()?;
    Some(Path::new(&mount.container).join(below).to_string_lossy().into_owned())
}

fn digest(files: &[&PathBuf]) -> Result<Sha> {
    let (mut sizes, mut starts) = (Vec::new(), Vec::new());
    for file in files {
        let size = fs::stat(file)?.map_or(0, |meta| meta.len());
        sizes.extend(format!("{size}\n").into_bytes());
        starts.extend(fs::read_start(file, START_BYTES)?);
    }
    sizes.extend(starts);
    Ok(Sha::of(&sizes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Invocation;

    #[test]
    fn a_command_runs_only_where_the_files_are_these() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| fs::replace(&folder.path().join(name), content, 0o644, None).unwrap();
        let large = vec![b'a'; 100_000];
        let names = ["cc", "bin/cargo", "bin/rustc", "lib/librustc_driver-1.so"];
        for host in ["here", "there"] {
            names.iter().for_each(|name| write(&format!("{host}/a b/{name}"), &large));
            // Not its start, and not of the toolchain.
            write(&format!("{host}/a b/lib/x"), host.as_bytes());
        }
        let here = folder.path().join("here/a b");
        let toolchain = Toolchain {
            sysroot: here.clone(),
            rustc_release: String::new(),
            rustc: Sha::of(b""),
            cc: Sha::of(b""),
            cc_program: here.join("cc"),
            cc_files: vec![here.join("cc"), folder.path().join("not/mounted")],
            other_tools: Vec::new(),
            compilers: Vec::new(),
            host: "x86_64-unknown-linux-gnu".into(),
        };
        let there = folder.path().join("there/a b");
        let mounts = [Mount { host: here, container: there.to_string_lossy().into_owned() }];
        let run = || {
            let command = checked(&toolchain, &mounts, ["echo", "a b", "*"].map(String::from).into()).unwrap();
            let call = Invocation::new(Path::new("/bin/sh")).args(&command[1..]);
            let output = call.output(None, std::time::Duration::from_secs(60)).unwrap();
            (output.code, output.stdout_text())
        };
        let (same, other) = ((0, "a b *".to_string()), (OTHER_TOOLCHAIN, String::new()));
        assert_eq!(run(), same);
        for name in names {
            let name = format!("there/a b/{name}");
            let mut changed = large.clone();
            changed[40_000] = b'b';
            for content in [&changed[..], &large[..99_999], b""] {
                write(&name, content);
                assert_eq!(run(), other, "{name}");
            }
            fs::remove_tree(&folder.path().join(&name)).unwrap();
            assert_eq!(run(), other, "{name}");
            write(&name, &large);
        }
        assert_eq!(run(), same);
    }
}
