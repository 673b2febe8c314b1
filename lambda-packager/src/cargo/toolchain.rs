//! The host's toolchain: where it is, and what tells it from another one. It compiles where no
//! builder image does: mounted into the borrowed container, or on the host itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cargo::Workspace;
use crate::cargo::env::for_host_tools;
use crate::config::Arch;
use crate::error::{Error, Result};
use crate::snapshot::memo::{Computed, Guard, Memo};
use crate::sys::process::{Invocation, Output};
use crate::sys::sha256::Sha;
use crate::sys::{env, fs};

const TIMEOUT: Duration = Duration::from_secs(60);

/// The host's rustc and C compiler for one target; kept in `target/lambda/toolchain-*.json` until
/// one of their files changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Toolchain {
    /// The folder of rustc's `bin` and `lib`.
    pub sysroot: PathBuf,
    /// The release, such as `1.95.0`.
    pub rustc_release: String,
    /// What identifies rustc: a digest of all that `rustc -vV` says.
    pub rustc: Sha,
    /// What identifies the C side: a digest of the compiler, linker and C library files.
    pub cc: Sha,
    /// The C compiler, as the `cc` crate finds it.
    pub cc_program: PathBuf,
}

impl Toolchain {
    /// The toolchain that cargo would use in `workspace`. Asks rustc only if what is remembered no
    /// longer holds.
    ///
    /// # Errors
    /// Where rustc, its standard library for the target, or a C compiler is missing.
    pub fn discover(workspace: &Workspace, arch: Arch) -> Result<Self> {
        let root = workspace.root.as_path();
        // Cargo and rustup name the toolchain to what they start; a shell does not. Both may be right.
        let named = env::var("RUSTUP_TOOLCHAIN").unwrap_or_default();
        let remembered_at =
            workspace.state_folder().join(format!("toolchain-{arch}-{}.json", Sha::of(named.as_bytes()).short(8)));
        // Another user's toolchain may be closed to this one, who has another.
        if let Ok(Some(toolchain)) = Memo::<Self>::load(&remembered_at, root) {
            return Ok(toolchain);
        }
        Memo::compute(|| {
            let (value, guard) = Self::ask(workspace, arch)?;
            Ok(Computed { value, guard, path: remembered_at.clone(), base: root.to_path_buf() })
        })
    }

    /// The toolchain for a container that has none.
    pub fn to_lend(workspace: &Workspace, arch: Arch) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(Error::engine("the host's toolchain can be mounted into a container only on Linux")
                .hint_with("set `base` to an image with cargo, rustc and a C compiler"));
        }
        Self::discover(workspace, arch)
    }

    /// The release of rustc that cargo would use in `workspace`, also where that has nothing else to lend.
    pub fn release(workspace: &Workspace, arch: Arch) -> Result<String> {
        if let Ok(toolchain) = Self::discover(workspace, arch) {
            return Ok(toolchain.rustc_release);
        }
        let rustc = env::find_program("rustc").ok_or_else(|| {
            Error::cargo("rustc is not on PATH").hint_with("install Rust, or add ~/.cargo/bin to PATH")
        })?;
        let version = ask(&rustc, &["-vV"], &workspace.root)?.stdout_text();
        Ok(version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default().to_string())
    }

    fn ask(workspace: &Workspace, arch: Arch) -> Result<(Self, Guard)> {
        let root = workspace.root.as_path();
        let rustc = env::find_program("rustc").ok_or_else(|| {
            Error::cargo("rustc is not on PATH").hint_with("install Rust, or add ~/.cargo/bin to PATH")
        })?;
        let sysroot = PathBuf::from(ask(&rustc, &["--print", "sysroot"], root)?.stdout_text());
        let version = ask(&sysroot.join("bin/rustc"), &["-vV"], root)?.stdout_text();
        let field =
            |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_string();
        check_standard_library(&sysroot, arch)?;
        let cc_program = c_compiler(arch, &field("host: "))?;
        let c_files = c_files(&cc_program, root)?;
        let mut identity = String::new();
        for file in &c_files {
            identity.push_str(&format!("{} {}\n", file.display(), fs::sha_of_file(file)?));
        }
        let toolchain = Self {
            rustc_release: field("release: "),
            rustc: Sha::of(version.as_bytes()),
            cc: Sha::of(identity.as_bytes()),
            cc_program,
            sysroot,
        };
        let mut files = workspace.fixed_files()?;
        files.retain(|file| file.contains("rust-toolchain"));
        let watched = [env::rustup_home()?.join("settings.toml"), rustc, toolchain.sysroot.join("bin/rustc")];
        files.extend(watched.iter().chain(&c_files).map(|file| file.to_string_lossy().into_owned()));
        let names = ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "CC", "HOST_CC", "TARGET_CC"].map(String::from);
        let of_target = format!("CC_{}", arch.triple().replace('-', "_"));
        let guard = Guard {
            files,
            folders: vec![toolchain.sysroot.join("lib").to_string_lossy().into_owned()],
            variables: names.into_iter().chain([of_target]).collect(),
            programs: ["rustc", "cc", "gcc", "clang", "aarch64-linux-gnu-gcc"].map(String::from).into(),
        };
        Ok((toolchain, guard))
    }
}

fn ask(program: &Path, args: &[&str], folder: &Path) -> Result<Output> {
    let invocation = Invocation::new(program).args(args).only(for_host_tools()).folder(folder);
    let output = invocation.output(None, TIMEOUT)?;
    if output.success() {
        return Ok(output);
    }
    Err(Error::cargo(format!("`{invocation}` failed"))
        .source(output.stderr_text())
        .hint_with("repair the toolchain, for example with `rustup toolchain install`"))
}

fn check_standard_library(sysroot: &Path, arch: Arch) -> Result<()> {
    let triple = arch.triple();
    if fs::is_dir(&sysroot.join("lib/rustlib").join(triple).join("lib")) {
        return Ok(());
    }
    Err(Error::cargo(format!(
        "the toolchain {} has no standard library for the target {triple} ({arch})",
        sysroot.display()
    ))
    .hint_with(format!(
        "run `rustup target add {triple}`, set `target_arch` to the architecture of this machine, or set `base` to an image that has the target"
    )))
}

/// The C compiler for the target by the rules that build scripts use: `CC_<target>`, `CC`, then the
/// usual names.
fn c_compiler(arch: Arch, host: &str) -> Result<PathBuf> {
    let triple = arch.triple();
    let mut build = cc::Build::new();
    build.target(triple).host(host).opt_level(0).cargo_metadata(false).cargo_warnings(false);
    let found = build.try_get_compiler().ok().map(|tool| tool.path().to_path_buf());
    let found = found.and_then(|path| env::find_program(&path.to_string_lossy()));
    found.ok_or_else(|| {
        Error::cargo(format!("there is no C compiler for the target {triple}; rustc needs it to link"))
            .hint_with("install gcc or clang for that target (Debian: `gcc`, for arm64 `gcc-aarch64-linux-gnu`), or set `base` to an image that has one")
    })
}

/// The files that decide what the C side contributes: compiler, linker, C library, start-up code.
fn c_files(compiler: &Path, root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![fs::canonical(compiler)?];
    for name in ["cc1", "collect2", "ld", "as"] {
        files.extend(named_by(compiler, &format!("-print-prog-name={name}"), root)?);
    }
    for name in ["libc.so.6", "libc.a", "libc_nonshared.a", "libgcc.a", "libgcc_eh.a", "Scrt1.o", "crti.o"] {
        files.extend(named_by(compiler, &format!("-print-file-name={name}"), root)?);
    }
    files.dedup();
    Ok(files)
}

/// What the compiler answers is a path, or the bare name where it has no such file.
fn named_by(compiler: &Path, question: &str, root: &Path) -> Result<Option<PathBuf>> {
    let answer = ask(compiler, &[question], root)?.stdout_text();
    let path = if answer.contains('/') { Some(PathBuf::from(answer)) } else { env::find_program(&answer) };
    path.filter(|path| fs::is_file(path)).map(|path| fs::canonical(&path)).transpose()
}
