//! Whether a binary can start on the selected Lambda runtime.

use std::collections::BTreeSet;

use ::elf::file::Class;
use ::elf::{ParseError, abi};

use crate::artifact::Member;
use crate::artifact::elf::machine::{check_interpreter, check_machine, check_sections};
use crate::artifact::elf::read::{Binary, interpreter, names_first_folders, needed, versions};
use crate::artifact::elf::{brought, glibc, libraries, library};
use crate::config::{Arch, ArtifactKind, Runtime};
use crate::error::{Error, Result};

/// What the check needs besides the binary.
pub struct Expectation<'a> {
    pub arch: Arch,
    pub runtime: Runtime,
    pub kind: ArtifactKind,
    /// What is in the zip beside the binary.
    pub included: &'a [Member],
    /// `(links, package)` of the native libraries in the dependency closure, to name the crate that links one.
    pub linked_by: &'a [(String, String)],
}

impl<'a> Expectation<'a> {
    fn included(&self, name: &str) -> Option<&'a Member> {
        library(self.included, name, self.kind)
    }

    /// Whether the runtime or the zip has the library `name`.
    fn has(&self, name: &str) -> bool {
        libraries::has(self.runtime, name) || self.included(name).is_some()
    }
}

/// Checks that the expected runtime can execute `binary`, called `title` in messages, with the libraries that it loads from
/// the zip and those that they load in turn.
///
/// # Errors
/// If something would prevent the start. The hint says what to do.
pub fn check(binary: &[u8], title: &str, expected: &Expectation) -> Result<()> {
    let mut queue = check_file(binary, title, expected)?;
    let mut seen = BTreeSet::new();
    while let Some(name) = queue.pop() {
        if let Some(library) = expected.included(&name).filter(|_| seen.insert(name)) {
            queue.extend(check_file(&library.content, &library.name, expected)?);
        }
    }
    Ok(())
}

/// Checks the libraries of the zip that a program may load while it runs, such as plugins. Returns what is to know of them:
/// the needs that nobody is known to meet. A function that never loads such a library starts without.
///
/// # Errors
/// If one could not be loaded, whatever else is there.
pub fn check_loadable(expected: &Expectation) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for library in brought(expected.included, expected.kind).filter(|member| is_library(&member.content)) {
        let title = &library.name;
        let checked = open(&library.content, title, expected)
            .and_then(|loaded| check_versions(&loaded, title, expected).map(|()| loaded.needed));
        let needed = checked.map_err(|error| {
            error.and_hint(
                "libraries are looked for at the top and in `lib/`: what is not one of this function belongs elsewhere",
            )
        })?;
        notes.extend(needed.iter().filter(|name| !expected.has(name)).map(|name| {
            let runtime = expected.runtime;
            format!("{title} needs the shared library {name}, which {runtime} is not known to have: a program that loads it also needs `include = [\"lib/{name}\"]`")
        }));
    }
    Ok(notes)
}

/// Whether it is a shared library, and neither a program nor the debug information of one.
fn is_library(file: &[u8]) -> bool {
    let Ok(binary) = Binary::minimal_parse(file) else { return false };
    binary.ehdr.e_type == abi::ET_DYN && matches!(interpreter(&binary), Ok(None)) && needed(&binary).is_ok()
}

/// Checks one file that is loaded at the start, the binary or a library of the zip, by its `title`. Returns the libraries
/// that it needs.
fn check_file(file: &[u8], title: &str, expected: &Expectation) -> Result<Vec<String>> {
    let loaded = open(file, title, expected)?;
    check_libraries(&loaded.needed, title, expected)?;
    check_versions(&loaded, title, expected)?;
    Ok(loaded.needed)
}

/// What a file asks for when it is loaded.
struct Loaded {
    needed: Vec<String>,
    /// Each with its symbol.
    versions: Vec<(String, String)>,
    /// Libraries of the zip may come before those of the runtime.
    is_zip_first: bool,
}

/// Reads a file that can be loaded on the machine.
fn open(file: &[u8], title: &str, expected: &Expectation) -> Result<Loaded> {
    let unreadable = |why: String| {
        Error::artifact(format!("{title} is not a readable 64-bit ELF binary"))
            .source(why)
            .hint_with("Lambda runs Linux binaries for x86_64 or arm64; see `target_arch`")
    };
    let damaged = |e: ParseError| unreadable(e.to_string());
    let binary = Binary::minimal_parse(file).map_err(damaged)?;
    if binary.ehdr.class != Class::ELF64 {
        return Err(unreadable("it is a 32-bit binary".into()));
    }
    check_machine(&binary, title, expected.arch)?;
    check_sections(&binary, title)?;
    check_interpreter(interpreter(&binary).map_err(damaged)?, title, expected.arch)?;
    Ok(Loaded {
        needed: needed(&binary).map_err(damaged)?,
        versions: versions(&binary).map_err(damaged)?,
        is_zip_first: names_first_folders(&binary).map_err(damaged)?,
    })
}

fn check_versions(loaded: &Loaded, title: &str, expected: &Expectation) -> Result<()> {
    glibc::check(&loaded.versions, title, expected.runtime)?;
    // The runtime's own folders are the first of its `LD_LIBRARY_PATH`: what it has, the zip does not replace.
    let is_of_zip = |name: &&str| loaded.is_zip_first && expected.included(name).is_some();
    let of_runtime = loaded.needed.iter().map(String::as_str).filter(|name| !is_of_zip(name));
    libraries::check(&loaded.versions, &of_runtime.collect::<Vec<_>>(), title, expected.runtime)
}

/// What a binary or a library needs to be loaded.
#[derive(Debug)]
pub struct Needs {
    /// The path of the dynamic linker; `None` in a library and in a statically linked binary.
    pub interpreter: Option<String>,
    pub libraries: Vec<String>,
}

/// What `binary` needs; `None` if it is not a binary for `arch`.
pub fn needs(binary: &[u8], arch: Arch) -> Option<Needs> {
    let binary = Binary::minimal_parse(binary).ok()?;
    check_machine(&binary, "it", arch).ok()?;
    Some(Needs { interpreter: interpreter(&binary).ok()?, libraries: needed(&binary).ok()? })
}

fn check_libraries(needed: &[String], title: &str, expected: &Expectation) -> Result<()> {
    let Some(name) = needed.iter().find(|name| !expected.has(name)) else {
        return Ok(());
    };
    let by = crate_that_links(name, expected.linked_by);
    Err(Error::artifact(format!(
        "{title} needs the shared library {name}, which {} is not known to have{}",
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::damaged;
    use crate::sys::env::find_program;
    use crate::sys::{Invocation, fs};

    /// The test binary itself: a real ELF for this machine, linked by the installed C toolchain.
    fn this_binary() -> Vec<u8> {
        #[allow(clippy::disallowed_methods)]
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn expectation(arch: Arch) -> Expectation<'static> {
        let kind = ArtifactKind::Function;
        Expectation { arch, runtime: Runtime::ProvidedAl2023, kind, included: &[], linked_by: &[] }
    }

    fn check(binary: &[u8], expected: &Expectation) -> Result<()> {
        super::check(binary, "the bootstrap", expected)
    }

    #[test]
    fn another_machine_is_refused_by_name() {
        let here = Arch::of_this_machine();
        let other = if here == Arch::Arm64 { Arch::X86_64 } else { Arch::Arm64 };
        let error = check(&this_binary(), &expectation(other)).unwrap_err();
        assert!(
            error.to_string().contains(&format!("the bootstrap is for {here}, the function for {other}")),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("target_arch"));
    }

    #[test]
    fn a_file_that_is_not_elf_is_refused() {
        let mut narrow = this_binary();
        narrow[abi::EI_CLASS] = abi::ELFCLASS32;
        for bytes in [b"#!/bin/sh\n".to_vec(), Vec::new(), this_binary()[..40].to_vec(), narrow] {
            let error = check(&bytes, &expectation(Arch::of_this_machine())).unwrap_err();
            assert!(error.to_string().contains("ELF"), "{error}");
        }
    }

    #[test]
    fn a_binary_without_section_headers_is_refused() {
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
        // Rename a library that the test binary needs, to one that no runtime has.
        let mut binary = this_binary();
        let at = binary.windows(10).position(|window| window == b"libc.so.6\0").unwrap();
        binary[at..at + 9].copy_from_slice(b"libq.so.6");
        let error = check(&binary, &expectation(Arch::of_this_machine())).unwrap_err();
        assert!(error.to_string().contains("libq.so.6"), "{error}");
        let bring = |name: &str, content: Vec<u8>| {
            let included = [Member { name: name.into(), executable: false, content }];
            let expected = Expectation { included: &included, ..expectation(Arch::of_this_machine()) };
            check(&binary, &expected).map_or_else(|e| e.to_string(), |()| String::new())
        };
        assert_eq!(bring("lib/libq.so.6", this_binary()), "");
        // Lambda does not look there.
        assert!(bring("deep/libq.so.6", this_binary()).starts_with("the bootstrap needs the shared library libq.so.6"));
        let layer = Expectation { kind: ArtifactKind::Extension, ..expectation(Arch::of_this_machine()) };
        for (name, finds) in [("lib/libq.so.6", true), ("libq.so.6", false)] {
            let included = [Member { name: name.into(), executable: false, content: this_binary() }];
            assert_eq!(check(&binary, &Expectation { included: &included, ..layer }).is_ok(), finds, "{name}");
        }
        // What is brought has needs of its own; a circle ends.
        assert_eq!(bring("libq.so.6", binary.clone()), "");
        let mut needy = this_binary();
        needy[at..at + 9].copy_from_slice(b"libr.so.6");
        assert!(bring("lib/libq.so.6", needy).starts_with("lib/libq.so.6 needs the shared library libr.so.6"));
        let mut narrow = this_binary();
        narrow[0x12..0x14].copy_from_slice(&abi::EM_RISCV.to_le_bytes());
        assert!(bring("lib/libq.so.6", narrow).starts_with("lib/libq.so.6 is for ELF machine 243, the function for"));
        assert!(
            bring("lib/libq.so.6", b"GROUP ( libq_nonshared.a )".to_vec())
                .starts_with("lib/libq.so.6 is not a readable")
        );
    }

    /// A small binary and a library of this machine's C compiler, which Rust links with.
    fn small_binaries() -> Vec<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let compiled = |flags: &[&str]| {
            let path = folder.path().join("compiled");
            let to = path.display().to_string();
            let compiler = Invocation::new(&find_program("cc").expect("Rust links with it"));
            let call = compiler.args(flags).args(&["-x", "c", "-o", &to, "-"]);
            let source = b"#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n";
            let output = call.output(Some(source.to_vec().into()), Duration::from_secs(60)).unwrap();
            assert!(output.success(), "{}", output.stderr_text());
            fs::read(&path).unwrap()
        };
        vec![compiled(&[]), compiled(&["-shared", "-fPIC"]), compiled(&["-Wl,-z,pack-relative-relocs"])]
    }

    #[test]
    fn a_library_that_is_loaded_later_is_checked_where_it_is_looked_for() {
        let [program, library, _] = small_binaries().try_into().unwrap();
        let loadable = |members: &[(&str, &[u8])], kind| {
            let member = |(name, content): &(&str, &[u8])| Member {
                name: name.to_string(),
                executable: false,
                content: content.to_vec(),
            };
            let included: Vec<_> = members.iter().map(member).collect();
            let expected = Expectation { included: &included, kind, ..expectation(Arch::of_this_machine()) };
            check_loadable(&expected).map_or_else(|error| error.report(), |notes| notes.join("\n"))
        };
        let replaced = |at: &[u8], with: &[u8]| {
            let mut changed = library.clone();
            let from = changed.windows(at.len()).position(|window| window == at).unwrap();
            changed[from..from + with.len()].copy_from_slice(with);
            changed
        };
        let (needy, mut foreign) = (replaced(b"libc.so.6", b"libq.so.6"), library.clone());
        foreign[0x12..0x14].copy_from_slice(&abi::EM_RISCV.to_le_bytes());
        let too_new = replaced(b"GLIBC_2.2.5\0", b"GLIBC_9.9\0");
        let function = ArtifactKind::Function;
        assert_eq!(loadable(&[("lib/plugin.so", &library), ("tool", &program), ("a.txt", b"text")], function), "");
        let told = loadable(&[("lib/plugin.so", &needy)], function);
        assert!(
            told.starts_with("lib/plugin.so needs the shared library libq.so.6, which provided.al2023 is not"),
            "{told}"
        );
        assert_eq!(loadable(&[("lib/plugin.so", &needy), ("libq.so.6", &library)], function), "");
        for (name, content, expected) in [
            ("lib/plugin.so", &foreign, "lib/plugin.so is for ELF machine 243, the function for"),
            ("plugin.so", &foreign, "plugin.so is for ELF machine 243, the function for"),
            ("plugin.so", &too_new, "plugin.so needs glibc 9.9"),
        ] {
            let error = loadable(&[(name, content)], function);
            assert!(error.contains(expected) && error.contains("belongs elsewhere"), "{error}");
        }
        // An asset can be anything.
        assert_eq!(loadable(&[("assets/plugin.so", &foreign)], function), "");
        assert_eq!(loadable(&[("plugin.so", &foreign)], ArtifactKind::Layer), "");
        assert!(loadable(&[("lib/plugin.so", &foreign)], ArtifactKind::Layer).contains("ELF machine 243"));
    }

    #[test]
    fn a_library_of_the_runtime_is_not_replaced_by_one_of_the_zip() {
        let folder = tempfile::tempdir().unwrap();
        fs::replace(&folder.path().join("versions"), b"ZLIB_9.9 { global: *; };", 0o644, None).unwrap();
        let compiled = |source: &str, flags: &str| {
            let compiler = Invocation::new(&find_program("cc").expect("Rust links with it")).folder(folder.path());
            let call = compiler.args(&["-x", "c", "-"]).args(&flags.split(' ').collect::<Vec<_>>());
            let output = call.output(Some(source.as_bytes().to_vec().into()), Duration::from_secs(60)).unwrap();
            assert!(output.success(), "{}", output.stderr_text());
            fs::read(&folder.path().join(flags.rsplit(' ').next().unwrap())).unwrap()
        };
        let library = "-shared -fPIC -Wl,-soname,libz.so.1 -Wl,--version-script=versions -o libz.so.1";
        let content = compiled("int newer(void) { return 0; }\n", library);
        let included = [Member { name: "lib/libz.so.1".into(), executable: false, content }];
        let expected = Expectation { included: &included, ..expectation(Arch::of_this_machine()) };
        let linked = |flags: &str| {
            let source = "int newer(void);\nint main(void) { return newer(); }\n";
            compiled(source, &format!("-x none libz.so.1 {flags}-o program"))
        };
        let error = check(&linked(""), &expected).unwrap_err();
        assert!(error.to_string().contains("needs newer (ZLIB_9.9) of libz.so.1, which"), "{error}");
        let first = "-Wl,--disable-new-dtags,-rpath,/var/task/lib ";
        assert!(check(&linked(first), &expected).is_ok());
    }

    #[test]
    fn a_damaged_binary_is_refused_or_accepted() {
        let examples = small_binaries();
        let expected = expectation(Arch::of_this_machine());
        assert!(examples[..2].iter().all(|example| check(example, &expected).is_ok()));
        damaged::each(&examples, |bytes| {
            let included = [Member { name: "lib/libc.so.6".into(), executable: false, content: bytes.to_vec() }];
            let expected = Expectation { included: &included, ..expectation(Arch::of_this_machine()) };
            let _ = (check(bytes, &expected).map_err(|e| e.to_string()), needs(bytes, expected.arch));
            let _ = check_loadable(&expected).map_err(|e| e.to_string());
        });
    }

    #[test]
    fn a_symbol_that_is_too_new_is_named() {
        // No compiler makes a binary for a future glibc; it is enough to change the text of the version.
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
    fn what_the_dynamic_linker_has_to_know_is_a_version_too() {
        let (packed, later) = (b"GLIBC_ABI_DT_RELR", b"GLIBC_ABI_DT_WXYZ");
        let mut binary = small_binaries().pop().unwrap();
        let error = check(&binary, &expectation(Arch::of_this_machine())).unwrap_err().to_string();
        assert!(error.contains("GLIBC_2.36"), "{error}");
        while let Some(at) = binary.windows(packed.len()).position(|part| part == packed) {
            binary[at..at + later.len()].copy_from_slice(later);
        }
        let error = check(&binary, &expectation(Arch::of_this_machine())).unwrap_err().to_string();
        assert!(error.contains("GLIBC_2.42"), "{error}");
    }
}
