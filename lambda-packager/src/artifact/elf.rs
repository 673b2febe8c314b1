//! Whether a binary would start on the chosen Lambda runtime: machine, interpreter, shared
//! libraries and the versions of glibc's symbols that it asks for.

use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::SymbolIndex;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionTable};

use crate::config::{Arch, Runtime};
use crate::error::{Error, Result};

type Header = FileHeader64<Endianness>;

/// What a runtime offers. Amazon Linux 2023 has glibc 2.34, Amazon Linux 2 has 2.26.
///
/// Source: <https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html>.
fn newest_glibc(runtime: Runtime) -> Version {
    match runtime {
        Runtime::ProvidedAl2023 => Version(vec![2, 34]),
        Runtime::ProvidedAl2 => Version(vec![2, 26]),
    }
}

/// The shared libraries of both runtimes that a Rust binary may need: glibc's own and gcc's unwinder.
const LIBRARIES: &[&str] = &[
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libutil.so.1",
];

/// A dotted version number, compared number by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Version(Vec<u32>);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>().map(Self)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// What the check needs to know beside the bytes.
#[derive(Debug)]
pub(crate) struct Expectation<'a> {
    pub arch: Arch,
    pub runtime: Runtime,
    /// File names of shared libraries that the zip brings along, at its root or in `lib/`: Lambda
    /// searches both (`LD_LIBRARY_PATH` of the function's environment).
    pub brought: &'a [String],
    /// `(links, package)` of the native libraries in the dependency closure, to name who brings one.
    pub linked_by: &'a [(String, String)],
}

/// Checks that `binary` can be executed by the expected runtime.
///
/// # Errors
/// What would keep it from starting, and what to do about it.
pub(crate) fn check(binary: &[u8], expected: &Expectation) -> Result<()> {
    let unreadable = |e: object::read::Error| {
        Error::artifact("the compiled bootstrap is not a readable 64-bit ELF binary")
            .source(e.to_string())
            .hint_with("Lambda runs Linux binaries for x86_64 or arm64; see `target_arch`")
    };
    let header = Header::parse(binary).map_err(unreadable)?;
    let endian = header.endian().map_err(unreadable)?;
    check_machine(header, endian, expected.arch)?;
    check_interpreter(header, endian, binary, expected.arch).map_err(unreadable)??;
    let sections = header.sections(endian, binary).map_err(unreadable)?;
    check_libraries(&sections, endian, binary, expected).map_err(unreadable)??;
    check_glibc(&sections, endian, binary, expected).map_err(unreadable)?
}

fn check_machine(header: &Header, endian: Endianness, arch: Arch) -> Result<()> {
    let machine = header.e_machine(endian);
    let wanted = match arch {
        Arch::X86_64 => elf::EM_X86_64,
        Arch::Arm64 => elf::EM_AARCH64,
    };
    if machine != wanted {
        let name = match machine {
            elf::EM_X86_64 => "x86_64".to_string(),
            elf::EM_AARCH64 => "arm64".to_string(),
            other => format!("ELF machine {other:?}"),
        };
        return Err(Error::artifact(format!("the bootstrap is for {name}, the function for {arch}"))
            .hint_with("set `target_arch`, or remove what overrides cargo's target"));
    }
    let kind = header.e_type(endian);
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return Err(
            Error::artifact("the bootstrap is not an executable").hint_with("package a bin target, not a library")
        );
    }
    Ok(())
}

fn check_interpreter(
    header: &Header,
    endian: Endianness,
    binary: &[u8],
    arch: Arch,
) -> object::read::Result<Result<()>> {
    let wanted: &[u8] = match arch {
        Arch::X86_64 => b"/lib64/ld-linux-x86-64.so.2",
        Arch::Arm64 => b"/lib/ld-linux-aarch64.so.1",
    };
    for segment in header.program_headers(endian, binary)? {
        if let Some(interpreter) = segment.interpreter(endian, binary)?
            && interpreter != wanted
        {
            return Ok(Err(Error::artifact(format!(
                "the bootstrap asks for the dynamic linker {}, which the runtime does not have",
                String::from_utf8_lossy(interpreter)
            ))
            .hint_with("compile in a base with glibc, or link statically (a musl target)")));
        }
    }
    Ok(Ok(()))
}

/// The names of the shared libraries that a binary asks for.
fn needed(sections: &SectionTable<'_, Header>, endian: Endianness, binary: &[u8]) -> object::read::Result<Vec<String>> {
    let Some((entries, link)) = sections.dynamic(endian, binary)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, binary, link)?;
    let names = entries.iter().filter(|entry| entry.d_tag(endian) == elf::DT_NEEDED).map(|entry| {
        let offset = u32::try_from(entry.d_val(endian)).unwrap_or(u32::MAX);
        String::from_utf8_lossy(strings.get(offset).unwrap_or_default()).into_owned()
    });
    Ok(names.collect())
}

/// What a binary or a library asks for to be loaded.
#[cfg(feature = "cli")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The dynamic linker's path; none in a library, or where all is linked statically.
    pub interpreter: Option<String>,
    pub libraries: Vec<String>,
}

/// What `binary` needs; `None` if it is none for `arch`.
#[cfg(feature = "cli")]
pub(crate) fn needs(binary: &[u8], arch: Arch) -> Option<Needs> {
    let read = || -> object::read::Result<Option<Needs>> {
        let header = Header::parse(binary)?;
        let endian = header.endian()?;
        if check_machine(header, endian, arch).is_err() {
            return Ok(None);
        }
        let mut interpreter = None;
        for segment in header.program_headers(endian, binary)? {
            let path = segment.interpreter(endian, binary)?;
            interpreter = interpreter.or(path.map(|path| String::from_utf8_lossy(path).into_owned()));
        }
        let sections = header.sections(endian, binary)?;
        Ok(Some(Needs { interpreter, libraries: needed(&sections, endian, binary)? }))
    };
    read().ok().flatten()
}

fn check_libraries(
    sections: &SectionTable<'_, Header>,
    endian: Endianness,
    binary: &[u8],
    expected: &Expectation,
) -> object::read::Result<Result<()>> {
    for name in needed(sections, endian, binary)? {
        if LIBRARIES.contains(&name.as_str()) || expected.brought.contains(&name) {
            continue;
        }
        let by = crate_that_links(&name, expected.linked_by);
        return Ok(Err(Error::artifact(format!(
            "the bootstrap needs the shared library {name}, which {} does not have{}",
            expected.runtime,
            by.as_ref().map_or(String::new(), |package| format!(" (linked by the crate {package})")),
        ))
        .hint_with(format!(
            "link it statically (many crates have a feature `vendored` or `static`{}), or put the library into the zip with `include = [\"lib/{name}\"]`",
            by.map_or(String::new(), |package| format!("; see {package}'s")),
        ))));
    }
    Ok(Ok(()))
}

/// `libssl.so.3` → the package whose manifest says `links = "openssl"`.
fn crate_that_links(library: &str, linked_by: &[(String, String)]) -> Option<String> {
    let stem = library.strip_prefix("lib")?.split(".so").next()?;
    let links = match stem {
        "ssl" | "crypto" => "openssl",
        other => other,
    };
    let found = linked_by.iter().find(|(name, _)| name == links || name == stem);
    found.map(|(_, package)| package.clone())
}

fn check_glibc(
    sections: &SectionTable<'_, Header>,
    endian: Endianness,
    binary: &[u8],
    expected: &Expectation,
) -> object::read::Result<Result<()>> {
    let Some(versions) = sections.versions(endian, binary)? else {
        return Ok(Ok(()));
    };
    let limit = newest_glibc(expected.runtime);
    let symbols = sections.symbols(endian, binary, elf::SHT_DYNSYM)?;
    let mut too_new: Vec<(Version, String)> = Vec::new();
    for (index, symbol) in symbols.iter().enumerate() {
        let versym = versions.version_index(endian, SymbolIndex(index));
        let Some(version) = versions.version(versym.index())? else {
            continue;
        };
        let name = String::from_utf8_lossy(version.name());
        let Some(number) = name.strip_prefix("GLIBC_").and_then(Version::parse) else {
            continue;
        };
        if number > limit {
            let symbol = symbols.symbol_name(endian, symbol).unwrap_or_default();
            too_new.push((number, String::from_utf8_lossy(symbol).into_owned()));
        }
    }
    // glibc 2.36 marks binaries with packed relocations by a version that no symbol carries.
    let relr_since = Version(vec![2, 36]);
    if limit < relr_since && binary_needs(sections, endian, binary, b"GLIBC_ABI_DT_RELR")? {
        too_new.push((relr_since, "packed relocations (DT_RELR)".into()));
    }
    let Some((newest, _)) = too_new.iter().max() else {
        return Ok(Ok(()));
    };
    let mut names: Vec<_> = too_new.iter().map(|(version, name)| format!("{name} (GLIBC_{version})")).collect();
    names.sort();
    names.dedup();
    Ok(Err(Error::artifact(format!(
        "the bootstrap needs glibc {newest}, {} has {limit}: {}",
        expected.runtime,
        names.join(", ")
    ))
    .hint_with(match expected.runtime {
        Runtime::ProvidedAl2023 => "compile in a base with glibc 2.34 or older: set `base` to an Amazon Linux 2023 image with cargo and gcc",
        Runtime::ProvidedAl2 => "compile in a base with glibc 2.26 or older (set `base` to an Amazon Linux 2 image with cargo and gcc), or deploy to `provided.al2023`",
    })))
}

fn binary_needs(
    sections: &SectionTable<'_, Header>,
    endian: Endianness,
    binary: &[u8],
    version: &[u8],
) -> object::read::Result<bool> {
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, binary)? else {
        return Ok(false);
    };
    let strings = sections.strings(endian, binary, link)?;
    while let Some((_, mut needed)) = libraries.next()? {
        while let Some(entry) = needed.next()? {
            if entry.name(endian, strings)? == version {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test binary itself: a real ELF for this machine, linked by the C toolchain at hand.
    fn this_binary() -> Vec<u8> {
        #[allow(clippy::disallowed_methods)]
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn expectation(arch: Arch) -> Expectation<'static> {
        Expectation { arch, runtime: Runtime::ProvidedAl2023, brought: &[], linked_by: &[] }
    }

    #[test]
    fn another_machine_is_refused_by_name() {
        let other = match Arch::of_this_machine() {
            Arch::X86_64 => Arch::Arm64,
            Arch::Arm64 => Arch::X86_64,
        };
        let error = check(&this_binary(), &expectation(other)).unwrap_err();
        assert!(error.to_string().contains(&format!("the function for {other}")), "{error}");
        assert!(error.hint().unwrap().contains("target_arch"));
    }

    #[test]
    fn what_is_no_elf_is_refused() {
        for bytes in [&b"#!/bin/sh\n"[..], b"", &this_binary()[..40]] {
            let error = check(bytes, &expectation(Arch::of_this_machine())).unwrap_err();
            assert!(error.to_string().contains("ELF"), "{error}");
        }
    }

    #[test]
    fn a_foreign_interpreter_is_refused() {
        let mut binary = this_binary();
        let interpreter = match Arch::of_this_machine() {
            Arch::X86_64 => "/lib64/ld-linux",
            Arch::Arm64 => "/lib/ld-linux",
        };
        let at = binary.windows(interpreter.len()).position(|window| window == interpreter.as_bytes()).unwrap();
        binary[at..at + 5].copy_from_slice(b"/musl");
        let error = check(&binary, &expectation(Arch::of_this_machine())).unwrap_err();
        assert!(error.to_string().contains("dynamic linker /musl"), "{error}");
    }

    #[test]
    fn a_missing_library_names_itself_and_the_crate() {
        let linked_by = [("openssl".to_string(), "openssl-sys".to_string())];
        assert_eq!(crate_that_links("libssl.so.3", &linked_by).as_deref(), Some("openssl-sys"));
        assert_eq!(crate_that_links("libz.so.1", &linked_by), None);
        // Rename a library that the test binary needs: no runtime has the result.
        let mut binary = this_binary();
        let at = binary.windows(10).position(|window| window == b"libc.so.6\0").unwrap();
        binary[at..at + 9].copy_from_slice(b"libq.so.6");
        let error = check(&binary, &expectation(Arch::of_this_machine())).unwrap_err();
        assert!(error.to_string().contains("libq.so.6"), "{error}");
        let brought = ["libq.so.6".to_string()];
        let expected = Expectation { brought: &brought, ..expectation(Arch::of_this_machine()) };
        let result = check(&binary, &expected);
        assert!(!result.is_err_and(|e| e.to_string().contains("libq")));
    }

    #[test]
    fn a_symbol_that_is_too_new_is_named() {
        // No compiler here makes a binary for a glibc of the future; the version's text is enough.
        let mut binary = this_binary();
        let old = b"GLIBC_2.34\0";
        let mut replaced = 0;
        while let Some(at) = binary.windows(old.len()).position(|window| window == old) {
            binary[at..at + old.len()].copy_from_slice(b"GLIBC_9.99\0");
            replaced += 1;
        }
        assert!(replaced > 0, "a Rust binary starts through __libc_start_main@GLIBC_2.34");
        let error = check(&binary, &expectation(Arch::of_this_machine())).unwrap_err();
        assert!(error.to_string().contains("__libc_start_main (GLIBC_9.99)"), "{error}");
        assert!(error.hint().unwrap().contains("base"));
    }

    #[test]
    fn versions_compare_by_number() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("2.9") < version("2.34"));
        assert!(version("2.2.5") < version("2.3"));
        assert_eq!(Version::parse("PRIVATE"), None);
    }
}
