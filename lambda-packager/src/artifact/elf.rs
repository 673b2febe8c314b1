//! Whether a binary would start on the chosen Lambda runtime: machine, interpreter, shared
//! libraries and the versions of glibc's symbols that it asks for.

use ::elf::endian::LittleEndian;
use ::elf::file::Class;
use ::elf::gnu_symver::VerNeedIterator;
use ::elf::{ElfBytes, ParseError, abi};

use crate::config::{Arch, Runtime};
use crate::error::{Error, Result};

/// Both machines of Lambda are little-endian; a binary of the other kind is refused when it is parsed.
type Binary<'a> = ElfBytes<'a, LittleEndian>;

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
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
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
pub struct Expectation<'a> {
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
pub fn check(binary: &[u8], expected: &Expectation) -> Result<()> {
    let unreadable = |why: String| {
        Error::artifact("the compiled bootstrap is not a readable 64-bit ELF binary")
            .source(why)
            .hint_with("Lambda runs Linux binaries for x86_64 or arm64; see `target_arch`")
    };
    let damaged = |e: ParseError| unreadable(e.to_string());
    let binary = Binary::minimal_parse(binary).map_err(damaged)?;
    if binary.ehdr.class != Class::ELF64 {
        return Err(unreadable("it is a 32-bit binary".into()));
    }
    check_machine(&binary, expected.arch)?;
    check_sections(&binary)?;
    check_interpreter(interpreter(&binary).map_err(damaged)?, expected.arch)?;
    check_libraries(&needed(&binary).map_err(damaged)?, expected)?;
    check_glibc(&versions(&binary).map_err(damaged)?, expected.runtime)
}

fn check_machine(binary: &Binary<'_>, arch: Arch) -> Result<()> {
    let machine = binary.ehdr.e_machine;
    let wanted = match arch {
        Arch::X86_64 => abi::EM_X86_64,
        Arch::Arm64 => abi::EM_AARCH64,
    };
    if machine != wanted {
        let name = match machine {
            abi::EM_X86_64 => "x86_64".to_string(),
            abi::EM_AARCH64 => "arm64".to_string(),
            other => format!("ELF machine {other}"),
        };
        return Err(Error::artifact(format!("the bootstrap is for {name}, the function for {arch}"))
            .hint_with("set `target_arch`, or remove the setting that overrides cargo's target"));
    }
    if ![abi::ET_EXEC, abi::ET_DYN].contains(&binary.ehdr.e_type) {
        return Err(
            Error::artifact("the bootstrap is not an executable").hint_with("package a bin target, not a library")
        );
    }
    Ok(())
}

/// What is linked dynamically tells of its libraries and versions in sections, to all tools; the runtime's
/// dynamic linker does without them.
fn check_sections(binary: &Binary<'_>) -> Result<()> {
    let is_dynamic = binary.segments().is_some_and(|all| all.iter().any(|segment| segment.p_type == abi::PT_DYNAMIC));
    if is_dynamic && binary.section_headers().is_none_or(|all| all.is_empty()) {
        return Err(Error::artifact(
            "the bootstrap has no section headers: lambda-packager cannot check what it needs from the runtime",
        )
        .hint_with("do not remove them, for example with the linker's `-z nosectionheader` or with `sstrip`"));
    }
    Ok(())
}

/// The path of the dynamic linker; none in a library, or where all is linked statically.
fn interpreter(binary: &Binary<'_>) -> Result<Option<String>, ParseError> {
    let Some(segment) = binary.segments().and_then(|all| all.iter().find(|segment| segment.p_type == abi::PT_INTERP))
    else {
        return Ok(None);
    };
    let path = binary.segment_data(&segment)?;
    Ok(Some(String::from_utf8_lossy(path.strip_suffix(b"\0").unwrap_or(path)).into_owned()))
}

fn check_interpreter(interpreter: Option<String>, arch: Arch) -> Result<()> {
    let wanted = match arch {
        Arch::X86_64 => "/lib64/ld-linux-x86-64.so.2",
        Arch::Arm64 => "/lib/ld-linux-aarch64.so.1",
    };
    match interpreter {
        Some(interpreter) if interpreter != wanted => Err(Error::artifact(format!(
            "the bootstrap needs the dynamic linker {interpreter}, which the runtime does not have"
        ))
        .hint_with("compile in a base with glibc, or link statically (a musl target)")),
        _ => Ok(()),
    }
}

/// The names of the shared libraries that a binary asks for.
fn needed(binary: &Binary<'_>) -> Result<Vec<String>, ParseError> {
    let sections = binary.section_headers();
    let section = sections.and_then(|all| all.iter().find(|section| section.sh_type == abi::SHT_DYNAMIC));
    let (Some(sections), Some(section), Some(entries)) = (sections, section, binary.dynamic()?) else {
        return Ok(Vec::new());
    };
    let strings = binary.section_data_as_strtab(&sections.get(section.sh_link as usize)?)?;
    let names = entries.iter().filter(|entry| entry.d_tag == abi::DT_NEEDED).map(|entry| {
        let name = strings.get_raw(usize::try_from(entry.d_val()).unwrap_or(usize::MAX))?;
        Ok(String::from_utf8_lossy(name).into_owned())
    });
    names.collect()
}

/// What a binary or a library asks for to be loaded.
#[derive(Debug)]
pub struct Needs {
    /// The dynamic linker's path; none in a library, or where all is linked statically.
    pub interpreter: Option<String>,
    pub libraries: Vec<String>,
}

/// What `binary` needs; `None` if it is none for `arch`.
pub fn needs(binary: &[u8], arch: Arch) -> Option<Needs> {
    let binary = Binary::minimal_parse(binary).ok()?;
    check_machine(&binary, arch).ok()?;
    Some(Needs { interpreter: interpreter(&binary).ok()?, libraries: needed(&binary).ok()? })
}

fn check_libraries(needed: &[String], expected: &Expectation) -> Result<()> {
    let present = |name: &String| LIBRARIES.contains(&name.as_str()) || expected.brought.contains(name);
    let Some(name) = needed.iter().find(|name| !present(name)) else {
        return Ok(());
    };
    let by = crate_that_links(name, expected.linked_by);
    Err(Error::artifact(format!(
        "the bootstrap needs the shared library {name}, which {} does not have{}",
        expected.runtime,
        by.as_ref().map_or(String::new(), |package| format!(" (linked by the crate {package})")),
    ))
    .hint_with(format!(
        "link it statically (many crates have a feature `vendored` or `static`{}), or add the library to the zip with `include = [\"lib/{name}\"]`",
        by.map_or(String::new(), |package| format!("; see the features of {package}")),
    )))
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

/// The versions that a binary asks for, each with the symbol that asks.
fn versions(binary: &Binary<'_>) -> Result<Vec<(String, String)>, ParseError> {
    let mut found = Vec::new();
    if let (Some(table), Some((symbols, names))) = (binary.symbol_version_table()?, binary.dynamic_symbol_table()?) {
        for (index, symbol) in symbols.iter().enumerate() {
            if let Some(required) = table.get_requirement(index)? {
                let name = names.get_raw(symbol.st_name as usize)?;
                found.push((required.name.to_owned(), String::from_utf8_lossy(name).into_owned()));
            }
        }
    }
    // glibc 2.36 marks binaries with packed relocations by a version that no symbol carries.
    if asks_for(binary, RELR)? {
        found.push(("GLIBC_2.36".into(), "packed relocations (DT_RELR)".into()));
    }
    Ok(found)
}

const RELR: &[u8] = b"GLIBC_ABI_DT_RELR";

fn asks_for(binary: &Binary<'_>, version: &[u8]) -> Result<bool, ParseError> {
    let sections = binary.section_headers();
    let section = sections.and_then(|all| all.iter().find(|section| section.sh_type == abi::SHT_GNU_VERNEED));
    let (Some(sections), Some(section)) = (sections, section) else {
        return Ok(false);
    };
    let strings = binary.section_data_as_strtab(&sections.get(section.sh_link as usize)?)?;
    let (data, _) = binary.section_data(&section)?;
    let libraries = VerNeedIterator::new(LittleEndian, Class::ELF64, u64::from(section.sh_info), 0, data);
    for entry in libraries.flat_map(|(_, entries)| entries) {
        if strings.get_raw(entry.vna_name as usize)? == version {
            return Ok(true);
        }
    }
    Ok(false)
}

fn check_glibc(versions: &[(String, String)], runtime: Runtime) -> Result<()> {
    let limit = newest_glibc(runtime);
    let of_glibc = |(version, symbol): &(String, String)| {
        Some((version.strip_prefix("GLIBC_").and_then(Version::parse)?, symbol.clone()))
    };
    let too_new: Vec<_> = versions.iter().filter_map(of_glibc).filter(|(version, _)| *version > limit).collect();
    let Some((newest, _)) = too_new.iter().max() else {
        return Ok(());
    };
    let mut names: Vec<_> = too_new.iter().map(|(version, name)| format!("{name} (GLIBC_{version})")).collect();
    names.sort_unstable();
    names.dedup();
    Err(Error::artifact(format!(
        "the bootstrap needs glibc {newest}, {runtime} has {limit}: {}",
        names.join(", ")
    ))
    .hint_with(match runtime {
        Runtime::ProvidedAl2023 => "compile in a base with glibc 2.34 or older: set `base` to an Amazon Linux 2023 image with cargo and gcc",
        Runtime::ProvidedAl2 => "compile in a base with glibc 2.26 or older (set `base` to an Amazon Linux 2 image with cargo and gcc), or deploy to `provided.al2023`",
    }))
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
        let mut narrow = this_binary();
        narrow[abi::EI_CLASS] = abi::ELFCLASS32;
        for bytes in [b"#!/bin/sh\n".to_vec(), Vec::new(), this_binary()[..40].to_vec(), narrow] {
            let error = check(&bytes, &expectation(Arch::of_this_machine())).unwrap_err();
            assert!(error.to_string().contains("ELF"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        let mut binary = this_binary();
        // `e_shoff`, and `e_shnum` with `e_shstrndx`.
        binary[0x28..0x30].fill(0);
        binary[0x3c..0x40].fill(0);
        let error = check(&binary, &expectation(Arch::of_this_machine())).unwrap_err();
        assert!(error.to_string().contains("no section headers"), "{error}");
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
