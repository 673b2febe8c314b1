//! The host's Rust as a part of the builder image: cargo, rustc and the standard library of the target, as they lie in the
//! folder that `rustc --print sysroot` names. For another architecture that of this machine is needed too: build scripts
//! and macros run in the image.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::artifact::Archive;
use crate::cargo::toolchain::{Rustc, check_standard_library};
use crate::config::Arch;
use crate::error::{Error, Result};
use crate::sys::fs;

/// The programs of a compile. Some build scripts call rustfmt.
const PROGRAMS: &[&str] = &["cargo", "rustc", "rustfmt"];

/// The compiler itself: `rustc` only starts it.
const COMPILER: &str = "librustc_driver-";

/// The files of a sysroot that a compile uses.
#[derive(Debug)]
pub struct Sysroot {
    root: PathBuf,
    /// By path from the root, in order.
    nodes: Vec<(String, Node)>,
}

#[derive(Debug)]
enum Node {
    Folder,
    File {
        mode: u32,
        size: u64,
    },
    /// To a file beside it.
    Link(PathBuf),
}

impl Sysroot {
    /// The sysroot of `rustc`, which compiles for `arch`. `None` if its programs cannot run in a builder image: they are for
    /// another system, or need libraries outside of it, as the packages of most Linux distributions do.
    ///
    /// # Errors
    /// If it lacks cargo or the standard library of the target, or cannot be read.
    pub fn of(rustc: &Rustc, arch: Arch) -> Result<Option<Self>> {
        let root = &rustc.sysroot;
        let is_own = |name: &String| name.starts_with(COMPILER);
        let own = Arch::of_this_machine();
        if rustc.host != own.triple() || !fs::names_in(&root.join("lib")).is_ok_and(|names| names.iter().any(is_own)) {
            return Ok(None);
        }
        if !fs::is_file(&root.join("bin/cargo")) {
            let folder = root.display();
            return Err(Error::engine(format!(
                "the toolchain {folder} has no bin/cargo; no builder image can be made of it"
            ))
            .hint_with("use a complete toolchain, or set `base` to an image that has one"));
        }
        let mut sysroot = Self { root: root.clone(), nodes: Vec::new() };
        sysroot.folder("bin", |name| PROGRAMS.contains(&name))?;
        sysroot.folder("lib", |name| name.contains(".so"))?;
        sysroot.folder("lib/rustlib", |_| false)?;
        for arch in std::iter::once(own).chain(Some(arch).filter(|arch| *arch != own)) {
            check_standard_library(root, arch)?;
            sysroot.tree(&format!("lib/rustlib/{}", arch.triple()))?;
        }
        Ok(Some(sysroot))
    }

    /// A folder and those of its files that have such a name.
    fn folder(&mut self, path: &str, is_used: impl Fn(&str) -> bool) -> Result<()> {
        self.nodes.push((path.into(), Node::Folder));
        for name in fs::names_in(&self.root.join(path))?.into_iter().filter(|name| is_used(name)) {
            self.add(format!("{path}/{name}"))?;
        }
        Ok(())
    }

    /// A folder with all that is in it.
    fn tree(&mut self, path: &str) -> Result<()> {
        self.nodes.push((path.into(), Node::Folder));
        for name in fs::names_in(&self.root.join(path))? {
            let inner = format!("{path}/{name}");
            if fs::is_dir(&self.root.join(&inner)) { self.tree(&inner)? } else { self.add(inner)? }
        }
        Ok(())
    }

    fn add(&mut self, path: String) -> Result<()> {
        let file = self.root.join(&path);
        if fs::lstat(&file)?.is_some_and(|meta| meta.is_symlink()) {
            let target = fs::read_link(&file)?;
            if target.components().count() == 1 {
                self.nodes.push((path, Node::Link(target)));
                return Ok(());
            }
        }
        if let Some(meta) = fs::stat(&file)?.filter(|meta| meta.is_file()) {
            let mode = if meta.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
            self.nodes.push((path, Node::File { mode, size: meta.len() }));
        }
        Ok(())
    }

    /// What distinguishes it from others of the same version: the names and sizes of its files. To read them all would take
    /// a second in each run.
    pub fn identity(&self) -> String {
        format!("{:?}", self.nodes)
    }

    /// Writes it into an archive, below the folder `place`.
    ///
    /// # Errors
    /// A file cannot be read, or is not as it was; or nobody reads the archive any more.
    pub fn write<W: Write>(&self, archive: &mut Archive<W>, place: &str) -> io::Result<()> {
        archive.folder(place, 0o755)?;
        for (path, node) in &self.nodes {
            let inner = format!("{place}/{path}");
            match node {
                Node::Folder => archive.folder(&inner, 0o755)?,
                Node::Link(target) => archive.link(&inner, target)?,
                Node::File { mode, size } => {
                    let content = fs::open(&self.root.join(path)).map_err(io::Error::other)?;
                    archive.file_from(&inner, *mode, *size, content)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sys::Sha;

    const OWN: Arch = if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::X86_64 };
    const OTHER: Arch = if cfg!(target_arch = "aarch64") { Arch::X86_64 } else { Arch::Arm64 };

    /// A toolchain of one-byte files.
    fn toolchain(folder: &Path, files: &[&str]) -> Rustc {
        for file in files {
            let path = folder.join(file);
            fs::create_dirs(path.parent().unwrap()).unwrap();
            fs::replace(&path, b"x", if file.starts_with("bin/") { 0o755 } else { 0o644 }, None).unwrap();
        }
        let host = OWN.triple().to_string();
        Rustc { sysroot: folder.into(), host, release: "1.95.0".into(), identity: Sha::of(b"") }
    }

    const COMPLETE: &[&str] = &[
        "bin/cargo",
        "bin/cargo-clippy",
        "bin/rustc",
        "lib/libLLVM.so.22",
        "lib/libother.a",
        "lib/librustc_driver-1.so",
        "lib/rustlib/aarch64-unknown-linux-gnu/bin/rust-lld",
        "lib/rustlib/aarch64-unknown-linux-gnu/lib/libcore.rlib",
        "lib/rustlib/manifest-rustc",
        "lib/rustlib/src/rust/library/std/src/lib.rs",
        "lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld",
        "lib/rustlib/x86_64-unknown-linux-gnu/lib/libcore.rlib",
        "share/doc/rust/README.md",
    ];

    #[test]
    fn an_archive_has_what_a_compile_uses_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let rustc = toolchain(folder.path(), COMPLETE);
        std::os::unix::fs::symlink("libLLVM.so.22", folder.path().join("lib/libLLVM.so")).unwrap();
        let sysroot = Sysroot::of(&rustc, OWN).unwrap().unwrap();
        let mut archive = Archive::of((0, 0), 0);
        sysroot.write(&mut archive, "rust").unwrap();
        let bytes = archive.finish().unwrap();
        let mut read = ::tar::Archive::new(&bytes[..]);
        let mut names = Vec::new();
        for entry in read.entries().unwrap() {
            let entry = entry.unwrap();
            let kind = entry.header().entry_type();
            let is_program = kind.is_file() && entry.header().mode().unwrap() == 0o755;
            assert_eq!(is_program, entry.path().unwrap().starts_with("rust/bin") && kind.is_file());
            if !kind.is_dir() {
                names.push(entry.path().unwrap().to_string_lossy().into_owned());
            }
        }
        let own = format!("lib/rustlib/{}", OWN.triple());
        let expected = ["bin/cargo", "bin/rustc", "lib/libLLVM.so", "lib/libLLVM.so.22", "lib/librustc_driver-1.so"];
        let expected = expected.map(String::from).into_iter();
        let expected = expected.chain([format!("{own}/bin/rust-lld"), format!("{own}/lib/libcore.rlib")]);
        assert_eq!(names, expected.map(|name| format!("rust/{name}")).collect::<Vec<_>>());
    }

    #[test]
    fn for_another_architecture_it_has_the_standard_libraries_of_both() {
        let folder = tempfile::tempdir().unwrap();
        let rustc = toolchain(folder.path(), COMPLETE);
        let of = |arch| Sysroot::of(&rustc, arch).unwrap().unwrap().identity();
        let (own, cross) = (of(OWN), of(OTHER));
        let library = |arch: Arch| format!("lib/rustlib/{}/lib/libcore.rlib", arch.triple());
        assert!(own.contains(&library(OWN)) && !own.contains(OTHER.triple()), "{own}");
        assert!(cross.contains(&library(OWN)) && cross.contains(&library(OTHER)), "{cross}");
        fs::remove_tree(&folder.path().join("lib/rustlib").join(OTHER.triple())).unwrap();
        let error = Sysroot::of(&rustc, OTHER).unwrap_err();
        assert!(error.hint().unwrap().contains(&format!("rustup target add {}", OTHER.triple())), "{error}");
        assert_eq!(of(OWN), own);
    }

    #[test]
    fn another_size_is_another_identity_and_a_file_that_changes_while_it_is_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let rustc = toolchain(folder.path(), COMPLETE);
        let identity = || Sysroot::of(&rustc, OWN).unwrap().unwrap().identity();
        let (before, sysroot) = (identity(), Sysroot::of(&rustc, OWN).unwrap().unwrap());
        assert_eq!(identity(), before);
        let compiler = folder.path().join("lib/librustc_driver-1.so");
        fs::replace(&compiler, b"", 0o644, None).unwrap();
        assert_ne!(identity(), before);
        let error = sysroot.write(&mut Archive::of((0, 0), 0), "rust").unwrap_err();
        assert!(error.to_string().contains("became shorter while it was read"), "{error}");
    }

    #[test]
    fn a_toolchain_that_cannot_run_in_the_image_is_not_taken_and_one_that_lacks_something_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let of = |files: &[&str], name: &str| Sysroot::of(&toolchain(&folder.path().join(name), files), OWN);
        let without = |part: &str| COMPLETE.iter().copied().filter(|file| !file.contains(part)).collect::<Vec<_>>();
        // As a package of a distribution: the compiler is in another folder.
        assert!(of(&without("librustc_driver"), "1").unwrap().is_none());
        let other = Rustc { host: "x86_64-unknown-linux-musl".into(), ..toolchain(&folder.path().join("2"), COMPLETE) };
        assert!(Sysroot::of(&other, OWN).unwrap().is_none());
        let error = of(&without("bin/cargo"), "3").unwrap_err();
        assert!(error.to_string().contains("has no bin/cargo"), "{error}");
        let error = of(&without(OWN.triple()), "4").unwrap_err();
        assert!(error.hint().unwrap().contains(&format!("rustup target add {}", OWN.triple())), "{error}");
    }
}
