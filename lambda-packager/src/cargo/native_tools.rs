//! Programs and libraries of the machine that a compile may use besides the C compiler. They are many and large, so
//! they are told apart by size and date, as a package manager sets them, and not by content.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::Arch;
use crate::error::Result;
use crate::sys::{env, fs};

/// What the build scripts of well-known crates start, and linkers that settings name.
#[rustfmt::skip]
pub const PROGRAMS: &[&str] = &[
    "rustc", "cc", "gcc", "clang", "aarch64-linux-gnu-gcc", "c++", "g++", "clang++", "aarch64-linux-gnu-g++",
    "ld", "ld.bfd", "ld.gold", "ld.lld", "lld", "ld.mold", "mold", "wild", "as", "ar", "llvm-ar", "ranlib", "nm", "objcopy", "strip",
    "make", "cmake", "ninja", "pkg-config", "pkgconf", "protoc", "bindgen", "perl", "nasm", "yasm", "flex", "bison",
];

/// The variables by which the `cc` crate chooses compilers and archivers for a target.
///
/// Source: <https://docs.rs/cc/latest/cc/#external-configuration-via-environment-variables>.
pub fn variables(arch: Arch) -> Vec<String> {
    let triple = arch.triple();
    let of = |tool: &str| {
        [
            format!("{tool}_{triple}"),
            format!("{tool}_{}", triple.replace('-', "_")),
            format!("HOST_{tool}"),
            format!("TARGET_{tool}"),
            tool.to_string(),
        ]
    };
    ["CC", "CXX", "AR"].into_iter().flat_map(of).collect()
}

/// Where a program of this name is: by `PATH`, as the host finds it, and in `/usr`, which is what a container with the host's
/// toolchain sees.
pub fn places_of(name: &str) -> Vec<PathBuf> {
    let mounted = ["/usr/local/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
    env::find_program(name).into_iter().chain(mounted.into_iter().filter(|path| fs::is_file(path))).collect()
}

/// The programs that are here.
pub fn programs() -> Vec<PathBuf> {
    // The first is rustc, of which more is known. What a name leads to decides: links may come to lead elsewhere, and two
    // programs may have the same size and date.
    let with_end = |path: PathBuf| [fs::canonical(&path).ok(), Some(path)].into_iter().flatten();
    let found: BTreeSet<PathBuf> = PROGRAMS[1..].iter().flat_map(|name| places_of(name)).flat_map(with_end).collect();
    found.into_iter().collect()
}

/// The folders in which a linker looks for libraries; `searched` is the answer of a compiler to `-print-search-dirs`.
pub fn library_folders(searched: &str) -> Vec<PathBuf> {
    const USUAL: [&str; 4] = ["/usr/local/lib", "/usr/local/lib64", "/usr/lib", "/usr/lib64"];
    let named = searched.lines().find_map(|line| line.strip_prefix("libraries: ="));
    let named = named.unwrap_or_default().split(':').filter(|folder| folder.starts_with('/'));
    let folders = named.chain(USUAL).filter_map(|folder| fs::canonical(Path::new(folder)).ok());
    let folders: BTreeSet<PathBuf> = folders.filter(|folder| fs::is_dir(folder)).collect();
    folders.into_iter().collect()
}

/// The libraries in `folder` that can be linked: archives, and the links by which a linker finds shared libraries.
pub fn libraries(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_library = |name: &String| name.ends_with(".a") || (name.starts_with("lib") && name.ends_with(".so"));
    let names = fs::raw_names_in(folder)?.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(is_library).map(|name| folder.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_what_a_linker_finds_in_the_folders_that_a_compiler_names() {
        let dir = tempfile::tempdir().unwrap();
        let folder = fs::canonical(dir.path()).unwrap();
        for name in ["libz.a", "libz.so", "libz.so.1", "z.h", "liba.la"] {
            fs::create(&folder.join(name)).unwrap();
        }
        let answer = format!(
            "install: /x\nprograms: =/y\nlibraries: ={0}/../{1}:relative:{0}:/none\n",
            folder.display(),
            folder.file_name().unwrap().to_string_lossy()
        );
        let folders = library_folders(&answer);
        assert_eq!(folders.iter().filter(|known| known.starts_with(&folder)).count(), 1, "{folders:?}");
        assert_eq!(libraries(&folder).unwrap(), ["libz.a", "libz.so"].map(|name| folder.join(name)));
    }

    #[test]
    fn the_variables_are_those_of_the_cc_crate() {
        let all = variables(Arch::Arm64);
        for name in ["CC", "HOST_CXX", "TARGET_AR", "CC_aarch64_unknown_linux_gnu", "AR_aarch64-unknown-linux-gnu"] {
            assert!(all.iter().any(|known| known == name), "{name}");
        }
    }
}
