//! The host's toolchain: its location and its identity. It compiles if there is no builder image: mounted into a
//! container, or on the host itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cargo::env::for_host_tools;
use crate::cargo::{Workspace, native_tools};
use crate::config::Arch;
use crate::error::{Error, Result};
use crate::snapshot::{Computed, Memo, MemoDeps};
use crate::sys::{Invocation, Output, Sha, env, fs};

const TIMEOUT: Duration = Duration::from_secs(60);

/// The host's rustc and C compiler for one target.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The folder of rustc's `bin` and `lib`.
    pub sysroot: PathBuf,
    /// The target that rustc runs on.
    pub host: String,
    /// The release, such as `1.95.0`.
    pub rustc_release: String,
    /// The identity of rustc: a digest of the output of `rustc -vV`.
    pub rustc: Sha,
    /// The identity of the C toolchain: a digest of the files of compiler, linker and C library, of size and date of what
    /// else a compile may use, and of the variables that choose among them.
    pub cc: Sha,
    /// The C compiler, as the `cc` crate finds it.
    pub cc_program: PathBuf,
    /// The files of compiler, linker and C library.
    pub cc_files: Vec<PathBuf>,
    /// What else a compile may use: known by size and date.
    pub other_tools: Vec<PathBuf>,
    /// The variables that choose the compilers, of those that are set. The compile gets them.
    pub compilers: Vec<String>,
}

/// The host's rustc alone.
#[derive(Debug)]
pub struct Rustc {
    /// As in [`Toolchain`].
    pub sysroot: PathBuf,
    /// The target that it runs on.
    pub host: String,
    /// As `rustc_release` in [`Toolchain`].
    pub release: String,
    /// As `rustc` in [`Toolchain`].
    pub identity: Sha,
}

/// What the programs say of themselves. Cached in `target/lambda/toolchain-*.json` until one of their files changes.
#[derive(Serialize, Deserialize)]
struct Answers {
    sysroot: PathBuf,
    host: String,
    rustc_release: String,
    rustc: Sha,
    cc_program: PathBuf,
    /// Of the files of the cached record those that can change the output of the C toolchain.
    cc_files: Vec<String>,
}

impl Toolchain {
    /// The toolchain that cargo would use in `workspace`. Calls rustc only if there is no valid cached record.
    ///
    /// # Errors
    /// If rustc, its standard library for the target, or a C compiler is missing.
    pub fn discover(workspace: &Workspace, arch: Arch) -> Result<Self> {
        let root = workspace.root.as_path();
        // Cargo and rustup set this variable for the programs that they start, a shell does not. So there can be two
        // valid records.
        let named = env::var("RUSTUP_TOOLCHAIN").unwrap_or_default();
        let memo_path =
            workspace.state_folder().join(format!("toolchain-{arch}-{}.json", Sha::of(named.as_bytes()).short(8)));
        // On an error, compute it again: the record may be of another user, whose toolchain this user cannot read.
        let answered = match Memo::load(&memo_path, root) {
            Ok(Some(known)) => known,
            _ => Memo::compute(|| {
                let (value, deps) = Self::ask(workspace, arch)?;
                Ok(Computed { value, deps, path: memo_path.clone(), base: root.to_path_buf() })
            })?,
        };
        Ok(Self::of(answered, arch))
    }

    fn of(answered: Memo<Answers>, arch: Arch) -> Self {
        let Memo {
            files, stamped, value: Answers { sysroot, host, rustc_release, rustc, cc_program, cc_files }, ..
        } = answered;
        let compilers: Vec<String> =
            native_tools::variables(arch).into_iter().filter(|name| env::var_os(name).is_some()).collect();
        let digest = |name: &String| files.files.iter().find(|entry| entry.name == *name).map(|entry| entry.sha);
        let mut text: String = cc_files.iter().filter_map(|name| Some(format!("{name} {}\n", digest(name)?))).collect();
        text.push_str(&format!("{}\n", stamped.identity));
        text.extend(compilers.iter().map(|name| format!("{name}={:?}\n", env::var_os(name))));
        let (cc, other_tools) = (Sha::of(text.as_bytes()), stamped.files().collect());
        let cc_files = cc_files.into_iter().map(PathBuf::from).collect();
        Self { sysroot, host, rustc_release, rustc, cc, cc_program, cc_files, other_tools, compilers }
    }

    /// The variables that choose the C toolchain.
    pub fn variables(arch: Arch) -> Vec<String> {
        native_tools::variables(arch).into_iter().chain(["PATH".to_string()]).collect()
    }

    /// The toolchain to mount into a container that has none.
    pub fn to_mount(workspace: &Workspace, arch: Arch) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(Error::engine("the host's toolchain can be mounted into a container only on Linux")
                .hint_with("set `base` to an image with cargo, rustc and a C compiler"));
        }
        Self::discover(workspace, arch)
    }

    /// The rustc that cargo would use in `workspace`, also if the rest of the toolchain is missing.
    pub fn rustc(workspace: &Workspace) -> Result<Rustc> {
        // It is one for all targets, and few machines have a C compiler for another architecture.
        let own = Self::discover(workspace, Arch::of_this_machine());
        if let Ok(Self { sysroot, host, rustc_release: release, rustc: identity, .. }) = own {
            return Ok(Rustc { sysroot, host, release, identity });
        }
        Rustc::ask(&workspace.root).map(|(rustc, _)| rustc)
    }

    fn ask(workspace: &Workspace, arch: Arch) -> Result<(Answers, MemoDeps)> {
        let root = workspace.root.as_path();
        let (Rustc { sysroot, host, release, identity }, rustc) = Rustc::ask(root)?;
        check_standard_library(&sysroot, arch)?;
        let cc_program = c_compiler(arch, &host)?;
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let linker = env::find_program(arch.cross_compiler().unwrap_or("cc"));
        // rustc links with its own choice, whatever compiles C.
        let drivers: BTreeSet<PathBuf> = linker.into_iter().chain([cc_program.clone()]).collect();
        let (mut read, mut stamped) = (BTreeSet::new(), BTreeSet::from_iter(native_tools::programs()));
        stamped.extend(compiled_by(&sysroot, [arch.triple(), &host])?);
        for driver in &drivers {
            read.extend(c_files(driver, root)?);
            for name in ["cc1plus", "lto1"] {
                stamped.extend(named_by(driver, &format!("-print-prog-name={name}"), root)?);
            }
            for folder in native_tools::library_folders(&ask(driver, &["-print-search-dirs"], root)?.stdout_text()) {
                stamped.extend(native_tools::libraries(&folder)?);
                stamped.insert(folder);
            }
        }
        let cc_files = read.iter().map(|path| fs::canonical(path)).collect::<Result<BTreeSet<_>>>()?;
        // Whatever leads to one of them, for it may come to lead elsewhere: by content too.
        let is_read = |path: &PathBuf| fs::canonical(path).is_ok_and(|end| cc_files.contains(&end));
        let (leading, stamped): (Vec<_>, Vec<_>) = stamped.into_iter().partition(is_read);
        read.extend(leading);
        let cc_files: Vec<String> = cc_files.iter().map(text).collect();
        let mut files = workspace.fixed_files()?;
        files.retain(|file| Path::new(file).file_stem().is_some_and(|stem| stem == "rust-toolchain"));
        let watched = [env::rustup_home()?.join("settings.toml"), rustc, sysroot.join("bin/rustc")];
        files.extend(watched.iter().chain(&read).map(text).chain(cc_files.iter().cloned()));
        let mut variables = Self::variables(arch);
        // Programs stand for it.
        variables.retain(|name| name != "PATH");
        variables.extend(["RUSTUP_TOOLCHAIN", "RUSTUP_HOME"].map(String::from));
        let deps = MemoDeps {
            files,
            folders: vec![text(&sysroot.join("lib"))],
            variables,
            stamped: stamped.iter().map(text).collect(),
            programs: native_tools::PROGRAMS.iter().map(|name| name.to_string()).collect(),
        };
        let answers = Answers { host, rustc_release: release, rustc: identity, cc_program, cc_files, sysroot };
        Ok((answers, deps))
    }
}

impl Rustc {
    /// What rustc in `folder` says of itself, and the path of the program that was asked, which may be rustup's.
    fn ask(folder: &Path) -> Result<(Self, PathBuf)> {
        let rustc = rustc()?;
        let sysroot = PathBuf::from(ask(&rustc, &["--print", "sysroot"], folder)?.stdout_text());
        let version = ask(&sysroot.join("bin/rustc"), &["-vV"], folder)?.stdout_text();
        let (host, release) = (field(&version, "host"), field(&version, "release"));
        Ok((Self { sysroot, host, release, identity: Sha::of(version.as_bytes()) }, rustc))
    }
}

fn rustc() -> Result<PathBuf> {
    env::find_program("rustc")
        .ok_or_else(|| Error::cargo("rustc is not on PATH").hint_with("install Rust, or add ~/.cargo/bin to PATH"))
}

/// The compiler's own library, and the standard libraries and linkers for `triples`: a toolchain that somebody builds has the
/// same version, and other content. The folders too, to which components come.
fn compiled_by(sysroot: &Path, triples: [&str; 2]) -> Result<Vec<PathBuf>> {
    let (mut found, libraries) = (Vec::new(), sysroot.join("lib"));
    let of = triples.map(|triple| libraries.join("rustlib").join(triple));
    // Other programs there are no part of a compile.
    found.extend(of.iter().flat_map(|of| ["bin/rust-lld", "bin/gcc-ld/ld.lld"].map(|linker| of.join(linker))));
    let folders = of.map(|of| of.join("lib"));
    for folder in [libraries].iter().chain(&folders).filter(|folder| fs::is_dir(folder)) {
        found.extend(fs::names_in(folder)?.iter().map(|name| folder.join(name)).filter(|path| fs::is_file(path)));
    }
    found.extend(folders);
    Ok(found)
}

/// A field of the output of `rustc -vV`; empty if it is not there.
fn field(version: &str, name: &str) -> String {
    let value = version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_default().to_string()
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

/// # Errors
/// If there is no standard library for the target.
pub fn check_standard_library(sysroot: &Path, arch: Arch) -> Result<()> {
    let triple = arch.triple();
    if fs::is_dir(&sysroot.join("lib/rustlib").join(triple).join("lib")) {
        return Ok(());
    }
    let folder = sysroot.display();
    Err(Error::cargo(format!("the toolchain {folder} has no standard library for the target {triple} ({arch})"))
    .hint_with(format!(
        "run `rustup target add {triple}`, set `target_arch` to the architecture of this machine, or set `base` to an image that has the target"
    )))
}

/// The C compiler for the target, by the rules that build scripts use: `CC_<target>`, `CC`, then the usual names.
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

/// The files that can change the output of the C toolchain: compiler, linker, C library, start-up code. Each may be a link,
/// which can come to lead elsewhere.
fn c_files(compiler: &Path, root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![compiler.to_path_buf()];
    for name in ["cc1", "collect2", "ld", "as"] {
        files.extend(named_by(compiler, &format!("-print-prog-name={name}"), root)?);
    }
    for name in ["libc.so.6", "libc.a", "libc_nonshared.a", "libgcc.a", "libgcc_eh.a", "Scrt1.o", "crti.o"] {
        files.extend(named_by(compiler, &format!("-print-file-name={name}"), root)?);
    }
    files.dedup();
    Ok(files)
}

/// The compiler prints a path, or only the name if it has no such file.
fn named_by(compiler: &Path, question: &str, root: &Path) -> Result<Option<PathBuf>> {
    let printed = ask(compiler, &[question], root)?.stdout_text();
    let path = if printed.contains('/') { Some(PathBuf::from(printed)) } else { env::find_program(&printed) };
    Ok(path.filter(|path| fs::is_file(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_rustc_are_read_by_their_whole_name() {
        let version = "rustc 1.95.0 (abc 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        let read = ["release", "host", "rel", "LLVM version"].map(|name| field(version, name));
        assert_eq!(read, ["1.95.0", "x86_64-unknown-linux-gnu", "", ""]);
    }

    #[test]
    fn rustcs_own_linkers_and_libraries_are_of_the_toolchain() {
        let dir = tempfile::tempdir().unwrap();
        let own = [
            "librustc_driver.so",
            "rustlib/t/bin/gcc-ld/ld.lld",
            "rustlib/t/bin/rust-lld",
            "rustlib/t/lib/libstd.rlib",
        ];
        let own = own.map(|name| dir.path().join("lib").join(name));
        let others = ["lib/rustlib/other/lib/libstd.rlib", "lib/rustlib/t/bin/llvm-nm", "bin/rustdoc"];
        let others = others.map(|name| dir.path().join(name));
        own.iter().chain(&others).for_each(|path| fs::replace(path, b"", 0o755, None).unwrap());
        let mut found = compiled_by(dir.path(), ["t", "t"]).unwrap();
        found.retain(|path| fs::is_file(path));
        found.sort();
        found.dedup();
        assert_eq!(found, own);
    }

    #[test]
    fn a_missing_standard_library_names_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let error = check_standard_library(dir.path(), Arch::Arm64).unwrap_err();
        assert!(error.hint().unwrap().contains("rustup target add aarch64-unknown-linux-gnu"), "{error}");
        fs::create_dirs(&dir.path().join("lib/rustlib/aarch64-unknown-linux-gnu/lib")).unwrap();
        check_standard_library(dir.path(), Arch::Arm64).unwrap();
    }
}
