//! What a binary asks for to be loaded: dynamic linker, shared libraries and symbol versions.

use ::elf::endian::LittleEndian;
use ::elf::file::Class;
use ::elf::gnu_symver::VerNeedIterator;
use ::elf::{ElfBytes, ParseError, abi};

use crate::error::Result;

/// Both machines of Lambda are little-endian. The parser refuses other binaries.
pub type Binary<'a> = ElfBytes<'a, LittleEndian>;

/// The path of the dynamic linker; `None` in a library and in a statically linked binary.
pub fn interpreter(binary: &Binary<'_>) -> Result<Option<String>, ParseError> {
    let Some(segment) = binary.segments().and_then(|all| all.iter().find(|segment| segment.p_type == abi::PT_INTERP))
    else {
        return Ok(None);
    };
    let path = binary.segment_data(&segment)?;
    Ok(Some(String::from_utf8_lossy(path.strip_suffix(b"\0").unwrap_or(path)).into_owned()))
}

/// The names of the shared libraries that a binary asks for.
pub fn needed(binary: &Binary<'_>) -> Result<Vec<String>, ParseError> {
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

/// Whether a binary names folders that are searched before those of `LD_LIBRARY_PATH`.
///
/// Source: <https://man7.org/linux/man-pages/man8/ld.so.8.html>.
pub fn names_first_folders(binary: &Binary<'_>) -> Result<bool, ParseError> {
    let has = |tag| binary.dynamic().map(|all| all.is_some_and(|all| all.iter().any(|entry| entry.d_tag == tag)));
    Ok(has(abi::DT_RPATH)? && !has(abi::DT_RUNPATH)?)
}

/// The versions that a binary asks for, each with the symbol that asks.
pub fn versions(binary: &Binary<'_>) -> Result<Vec<(String, String)>, ParseError> {
    let mut found = Vec::new();
    if let (Some(table), Some((symbols, names))) = (binary.symbol_version_table()?, binary.dynamic_symbol_table()?) {
        for (index, symbol) in symbols.iter().enumerate() {
            if let Some(required) = table.get_requirement(index)? {
                let name = names.get_raw(symbol.st_name as usize)?;
                found.push((required.name.to_owned(), String::from_utf8_lossy(name).into_owned()));
            }
        }
    }
    for mark in marks(binary)? {
        // The others came with later releases.
        let since = if mark == RELR { "GLIBC_2.36" } else { "GLIBC_2.42" };
        let what = if mark == RELR { "packed relocations (DT_RELR)".into() } else { mark };
        found.push((since.into(), what));
    }
    Ok(found)
}

const RELR: &str = "GLIBC_ABI_DT_RELR";

/// The versions that no symbol has. By these glibc marks what its dynamic linker has to know, such as packed relocations since
/// 2.36.
fn marks(binary: &Binary<'_>) -> Result<Vec<String>, ParseError> {
    let sections = binary.section_headers();
    let section = sections.and_then(|all| all.iter().find(|section| section.sh_type == abi::SHT_GNU_VERNEED));
    let (Some(sections), Some(section)) = (sections, section) else {
        return Ok(Vec::new());
    };
    let strings = binary.section_data_as_strtab(&sections.get(section.sh_link as usize)?)?;
    let (data, _) = binary.section_data(&section)?;
    let libraries = VerNeedIterator::new(LittleEndian, Class::ELF64, u64::from(section.sh_info), 0, data);
    let mut found = Vec::new();
    for entry in libraries.flat_map(|(_, entries)| entries) {
        let name = String::from_utf8_lossy(strings.get_raw(entry.vna_name as usize)?);
        found.extend(Some(name.into_owned()).filter(|name| name.starts_with("GLIBC_ABI_")));
    }
    Ok(found)
}
