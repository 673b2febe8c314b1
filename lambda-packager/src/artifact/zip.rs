//! The archive. The same content makes the same bytes, on any machine, at any time, for any user.

use std::io::{Cursor, Read, Write};

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, DateTime, ZipWriter};
// Cargo.toml names it to select the compressor of `zip`.
use flate2 as _;

use crate::config::Mode;
use crate::error::{Error, Result};

/// A file of the archive.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its path in the archive, separated by `/`.
    pub name: String,
    pub executable: bool,
    pub content: Vec<u8>,
}

/// The compression level, 1 to 9: fastest for development, best for production. A bootstrap of 2.7 MB becomes 1.171 MB
/// in 0.09 s at level 5, 1.161 MB in 0.15 s at level 6, 1.157 MB in 0.33 s at level 9.
pub fn level(mode: Mode) -> i64 {
    match mode {
        Mode::Dev => 1,
        Mode::Release => 5,
        Mode::Prod | Mode::Docker => 9,
    }
}

/// Archives `members` in byte order of their names, dated 1980-01-01 (the oldest date of the format), with mode 0755 or
/// 0644, deflated, without extra fields.
pub fn archive(mut members: Vec<Member>, level: i64) -> Result<Vec<u8>> {
    members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let size: usize = members.iter().map(|member| member.content.len()).sum();
    let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(size / 2)));
    let mut write = || -> ::zip::result::ZipResult<()> {
        for member in &members {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(level))
                .last_modified_time(DateTime::default())
                .unix_permissions(if member.executable { 0o755 } else { 0o644 });
            writer.start_file(&member.name, options)?;
            writer.write_all(&member.content)?;
        }
        Ok(())
    };
    write()
        .and_then(|()| writer.finish())
        .map(Cursor::into_inner)
        .map_err(|e| Error::artifact("cannot make the archive").source(e))
}

/// The members of an archive that the packager made.
pub fn members(archive: &[u8]) -> Result<Vec<Member>> {
    let read = || -> ::zip::result::ZipResult<Vec<Member>> {
        let mut reader = ::zip::ZipArchive::new(Cursor::new(archive))?;
        let mut members = Vec::new();
        for index in 0..reader.len() {
            let mut file = reader.by_index(index)?;
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
            members.push(Member { name: file.name().to_string(), executable, content });
        }
        Ok(members)
    };
    read().map_err(|e| Error::artifact("cannot read the archive").source(e).hint_with("run again with --force"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Sha;

    fn members() -> Vec<Member> {
        let member =
            |name: &str, executable, content: &[u8]| Member { name: name.into(), executable, content: content.into() };
        vec![
            member("config/z.json", false, b"{}"),
            member("bootstrap", true, &b"\x7fELF and so on\n".repeat(1000)),
            member("config/A.json", false, "grüße".as_bytes()),
        ]
    }

    #[test]
    fn fixed_bytes_give_a_fixed_digest() {
        let mut members = members();
        // Content that each level compresses differently.
        members[1].content.extend((0..20_000u32).flat_map(|n| n.wrapping_mul(n).to_string().into_bytes()));
        let digest = |mode| Sha::of(&archive(members.clone(), level(mode)).unwrap()).to_string();
        // Pinned: if a value changes, every user's zip changes. Then say so in CHANGELOG.
        let pinned = [
            (Mode::Dev, "319a058ec3657470a08c849e329fee90c252e12f035c86e545bee8ce5941b0af"),
            (Mode::Release, "1fed88d30cb425a079d9102d14dc3cb6f0f4628467b90ba531103d9b23a25ab5"),
            (Mode::Prod, "bb024667ea010f4fc0fa1ce16e6f31e45f11bceee018c7199eb5993fd6d4717d"),
            (Mode::Docker, "bb024667ea010f4fc0fa1ce16e6f31e45f11bceee018c7199eb5993fd6d4717d"),
        ];
        for (mode, pinned) in pinned {
            assert_eq!(digest(mode), pinned, "{mode}");
        }
    }

    #[test]
    fn the_order_of_the_given_members_does_not_matter() {
        let mut reversed = members();
        reversed.reverse();
        assert_eq!(archive(members(), 9).unwrap(), archive(reversed, 9).unwrap());
    }

    #[test]
    fn dates_modes_and_names_are_fixed() {
        let zip = archive(members(), 1).unwrap();
        let mut read = ::zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        let mut seen = Vec::new();
        for index in 0..read.len() {
            let file = read.by_index(index).unwrap();
            let date = file.last_modified().unwrap();
            assert_eq!((date.year(), date.month(), date.day(), date.hour()), (1980, 1, 1, 0));
            assert!(file.extra_data().is_none_or(|data| data.is_empty()));
            seen.push((file.name().to_string(), file.unix_mode().unwrap() & 0o7777));
        }
        let expected = [("bootstrap", 0o755), ("config/A.json", 0o644), ("config/z.json", 0o644)];
        assert_eq!(seen, expected.map(|(name, mode)| (name.to_string(), mode)));
    }
}
