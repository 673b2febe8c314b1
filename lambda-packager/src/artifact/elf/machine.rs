//! The machine that a file is for: its header, its sections, and its dynamic linker.

use ::elf::abi;

use crate::artifact::elf::read::Binary;
use crate::config::Arch;
use crate::error::{Error, Result};

/// Whether it is a program or a library for the machine `arch`.
pub fn check_machine(binary: &Binary<'_>, title: &str, arch: Arch) -> Result<()> {
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
        return Err(Error::artifact(format!("{title} is for {name}, the function for {arch}"))
            .hint_with("set `target_arch`, or remove the setting that overrides cargo's target"));
    }
    if ![abi::ET_EXEC, abi::ET_DYN].contains(&binary.ehdr.e_type) {
        return Err(
            Error::artifact(format!("{title} is not an executable")).hint_with("package a bin target, not a library")
        );
    }
    Ok(())
}

/// All tools read the libraries and versions of a dynamically linked binary from its sections. The runtime's dynamic
/// linker does not need them.
pub fn check_sections(binary: &Binary<'_>, title: &str) -> Result<()> {
    let is_dynamic = binary.segments().is_some_and(|all| all.iter().any(|segment| segment.p_type == abi::PT_DYNAMIC));
    if is_dynamic && binary.section_headers().is_none_or(|all| all.is_empty()) {
        return Err(Error::artifact(format!(
            "{title} has no section headers: lambda-packager cannot check what it needs from the runtime"
        ))
        .hint_with("do not remove them, for example with the linker's `-z nosectionheader` or with `sstrip`"));
    }
    Ok(())
}

pub fn check_interpreter(interpreter: Option<String>, title: &str, arch: Arch) -> Result<()> {
    let wanted = match arch {
        Arch::X86_64 => "/lib64/ld-linux-x86-64.so.2",
        Arch::Arm64 => "/lib/ld-linux-aarch64.so.1",
    };
    match interpreter {
        Some(linker) if linker != wanted => {
            let error = format!("{title} needs the dynamic linker {linker}, which the runtime does not have");
            Err(Error::artifact(error).hint_with("compile in a base with glibc, or link statically (a musl target)"))
        }
        _ => Ok(()),
    }
}
