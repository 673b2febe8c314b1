//! The version of glibc that a runtime has, and the versions of its symbols that a binary asks for.

use crate::config::Runtime;
use crate::error::{Error, Result};

/// Amazon Linux 2023 has glibc 2.34, Amazon Linux 2 has 2.26.
///
/// Source: <https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html>.
fn newest_glibc(runtime: Runtime) -> Version {
    match runtime {
        Runtime::ProvidedAl2023 => Version(vec![2, 34]),
        Runtime::ProvidedAl2 => Version(vec![2, 26]),
    }
}

/// A dotted version number, compared number by number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub Vec<u32>);

impl Version {
    pub fn parse(text: &str) -> Option<Self> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>().map(Self)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// Refuses the file `title` whose `versions`, each with its symbol, are newer than the runtime's glibc.
pub fn check(versions: &[(String, String)], title: &str, runtime: Runtime) -> Result<()> {
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
    let error = Error::artifact(format!("{title} needs glibc {newest}, {runtime} has {limit}: {}", names.join(", ")));
    Err(error.hint_with(match runtime {
        Runtime::ProvidedAl2023 => "compile in a base with glibc 2.34 or older: set `base` to an Amazon Linux 2023 image with cargo and gcc",
        Runtime::ProvidedAl2 => "compile in a base with glibc 2.26 or older (set `base` to an Amazon Linux 2 image with cargo and gcc), or deploy to `provided.al2023`",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("2.9") < version("2.34"));
        assert!(version("2.2.5") < version("2.3"));
        assert_eq!(Version::parse("PRIVATE"), None);
    }
}
