//! The differences between two binaries that should be the same.

use ::elf::ElfBytes;
use ::elf::endian::LittleEndian;

/// A section of a binary: its name, and its bytes.
type Section<'a> = (String, &'a [u8]);

/// The sections that differ, each with its first different byte and the text around it. A path or a version in that
/// text often shows the cause.
pub fn sections(ours: &[u8], theirs: &[u8]) -> Vec<String> {
    let (Some(ours), Some(theirs)) = (parse(ours), parse(theirs)) else {
        return vec!["one of the two is not an ELF binary".into()];
    };
    let find = |all: &[Section<'_>], name: &str| all.iter().position(|(known, _)| known == name);
    let mut found = Vec::new();
    for (name, bytes) in &ours {
        match find(&theirs, name) {
            None => found.push(format!("section {name} exists only in the file on disk")),
            Some(at) => found.extend(difference(bytes, theirs[at].1).map(|what| format!("section {name} {what}"))),
        }
    }
    let added = theirs.iter().filter(|(name, _)| find(&ours, name).is_none());
    found.extend(added.map(|(name, _)| format!("section {name} exists only in the rebuilt file")));
    if found.is_empty() {
        found.push("all sections are the same; other parts of the file differ".into());
    }
    found
}

fn parse(binary: &[u8]) -> Option<Vec<Section<'_>>> {
    let binary = ElfBytes::<LittleEndian>::minimal_parse(binary).ok()?;
    let (Some(sections), Some(names)) = binary.section_headers_with_strtab().ok()? else {
        return Some(Vec::new());
    };
    let section = |section: ::elf::section::SectionHeader| {
        let name = names.get_raw(section.sh_name as usize).ok()?;
        Some((String::from_utf8_lossy(name).into_owned(), binary.section_data(&section).ok()?.0))
    };
    sections.iter().map(section).collect()
}

fn difference(ours: &[u8], theirs: &[u8]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let size = match (ours.len(), theirs.len()) {
        (a, b) if a == b => String::new(),
        (a, b) => format!(" ({a} bytes on disk, {b} bytes rebuilt)"),
    };
    let (a, b) = (text_around(ours, at), text_around(theirs, at));
    let text = if a.is_empty() && b.is_empty() { String::new() } else { format!(": {a:?} on disk, {b:?} rebuilt") };
    Some(format!("differs from byte {at:#x}{size}{text}"))
}

/// The printable text around the byte `at`; empty if there is none.
fn text_around(bytes: &[u8], at: usize) -> String {
    const MOST: usize = 120;
    let printable = |byte: &&u8| byte.is_ascii_graphic() || **byte == b' ';
    let before = bytes[..at.min(bytes.len())].iter().rev().take(MOST).take_while(printable).count();
    let after = bytes.get(at..).unwrap_or_default().iter().take(MOST).take_while(printable).count();
    if before + after < 4 {
        return String::new();
    }
    String::from_utf8_lossy(&bytes[at - before..at + after]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_and_the_text_that_differ_are_named() {
        #[allow(clippy::disallowed_methods)]
        let ours = std::fs::read("/proc/self/exe").unwrap();
        let mut theirs = ours.clone();
        assert_eq!(sections(&ours, &theirs), ["all sections are the same; other parts of the file differ"]);
        let needle = b"the section and the text that differ: /some/path";
        let at = ours.windows(needle.len()).position(|window| window == needle).unwrap();
        theirs[at + needle.len() - 1] = b'X';
        let found = sections(&ours, &theirs);
        assert!(found.len() == 1 && found[0].contains("section .rodata differs"), "{found:?}");
        assert!(found[0].contains("/some/path") && found[0].contains("/some/patX"), "{found:?}");
        assert_eq!(sections(b"no", &theirs), ["one of the two is not an ELF binary"]);
    }

    #[test]
    fn a_difference_has_its_first_byte_the_sizes_and_the_text_around_it() {
        let cases: [(&[u8], &[u8], &str); 4] = [
            (
                b"\0\0/home/a/x\0",
                b"\0\0/home/b/x\0",
                "differs from byte 0x8: \"/home/a/x\" on disk, \"/home/b/x\" rebuilt",
            ),
            (b"\0\x01", b"\0\x02", "differs from byte 0x1"),
            (b"\0", b"\0\x01", "differs from byte 0x1 (1 bytes on disk, 2 bytes rebuilt)"),
            (b"text", b"", "differs from byte 0x0 (4 bytes on disk, 0 bytes rebuilt): \"text\" on disk, \"\" rebuilt"),
        ];
        for (ours, theirs, expected) in cases {
            assert_eq!(difference(ours, theirs).as_deref(), Some(expected));
        }
        assert_eq!(difference(b"same", b"same"), None);
    }
}
