//! The build id of a binary, by which debuggers find its debug information.
//!
//! Linkers make it of everything, the debug information too, which has paths in it. So the linker is told to leave room, and
//! the id is made of the stripped binary: the same code has the same id wherever it was compiled.

use ::elf::ElfBytes;
use ::elf::endian::LittleEndian;

use crate::sys::Sha;

/// The flag that makes linkers (GNU's, LLVM's, mold) leave room for an id.
pub const LINK_ARG: &str = "-Wl,--build-id=0x0000000000000000000000000000000000000000";

const SECTION: &str = ".note.gnu.build-id";
/// Before the id: the lengths of name and id, the type, and the name `GNU`.
const HEAD: usize = 16;
/// The length of the id in bytes, as linkers have it.
const LENGTH: usize = 20;

/// Gives the binary and its debug information the same id, and returns it in hexadecimal digits. One that the user's own
/// flags made stays. `None` if there is none.
pub fn give(binary: &mut [u8], debug: &mut [u8]) -> Option<String> {
    let id = id_in(binary)?;
    if binary[id.clone()] == [0; LENGTH] {
        let made = Sha::of(binary).to_string();
        let made: Vec<u8> =
            (0..LENGTH).filter_map(|at| u8::from_str_radix(&made[2 * at..2 * at + 2], 16).ok()).collect();
        binary[id.clone()].copy_from_slice(&made);
        let beside = id_in(debug)?;
        debug[beside].copy_from_slice(&made);
    }
    Some(binary[id].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where the id is.
fn id_in(file: &[u8]) -> Option<std::ops::Range<usize>> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).ok()?;
    let section = elf.section_header_by_name(SECTION).ok()??;
    let start = usize::try_from(section.sh_offset).ok()?.checked_add(HEAD)?;
    let id = start..start.checked_add(LENGTH)?;
    let is_whole = section.sh_size == (HEAD + LENGTH) as u64 && file.get(id.clone()).is_some();
    is_whole.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_binary_has_no_id() {
        assert_eq!(give(&mut [], &mut []), None);
        assert_eq!(give(&mut b"\x7fELF and more".to_vec(), &mut []), None);
    }
}
