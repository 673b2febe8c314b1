//! The shared libraries that a runtime has, and the versions of their symbols.

use crate::artifact::elf::glibc::Version;
use crate::config::Runtime;
use crate::error::{Error, Result};

/// The libraries of both runtimes that a Rust binary may need: glibc's own and gcc's unwinder.
const OF_BOTH: &str = "ld-linux-aarch64.so.1 ld-linux-x86-64.so.2 libc.so.6 libdl.so.2 libgcc_s.so.1 libm.so.6 \
    libpthread.so.0 libresolv.so.2 librt.so.1 libutil.so.1";

/// A library of a runtime, how the names of its symbols' versions begin, and the newest one that it has.
struct Library {
    name: &'static str,
    versions: &'static [(&'static str, [u32; 3])],
}

/// Further libraries of `provided.al2023`, which is based on AL2023's minimal container image: those of its packages
/// that crates link with, in the order of the packages' names. openssl-libs 3.2.2 and libstdc++ 14.2.1 came with release
/// 2023.7.20250331, after openssl-libs 3.0.8 and libstdc++ 11.4.1, and Lambda brings the runtime up to date by itself. Later
/// releases only have more versions. Most of the others name no versions, or name them by their releases.
///
/// What packages of the image need besides may be there as well, and can be gone with the next release of it.
///
/// Sources: <https://docs.aws.amazon.com/linux/al2023/ug/lambda.html>, the column `Minimal Container` of
/// <https://docs.aws.amazon.com/linux/al2023/ug/al2023-container-ami.html> (which packages; release 2023.6.20241031),
/// <https://github.com/docker-library/official-images/pull/18759> (what is newer in 2023.7.20250331), and for the versions
/// <https://github.com/madler/zlib/blob/v1.2.11/zlib.map>,
/// <https://gcc.gnu.org/onlinedocs/gcc-14.2.0/libstdc++/manual/manual/abi.html>; OpenSSL names them by its releases.
const OF_AL2023: [Library; 14] = [
    Library { name: "libbz2.so.1", versions: &[] },
    Library { name: "libarchive.so.13", versions: &[] },
    Library { name: "libcurl.so.4", versions: &[] },
    Library { name: "libnghttp2.so.14", versions: &[] },
    Library { name: "libstdc++.so.6", versions: &[("GLIBCXX_", [3, 4, 33]), ("CXXABI_", [1, 3, 15])] },
    Library { name: "libuuid.so.1", versions: &[("UUID_", [2, 37, 4])] },
    Library { name: "libxml2.so.2", versions: &[("LIBXML2_", [2, 10, 4])] },
    Library { name: "libzstd.so.1", versions: &[] },
    Library { name: "liblz4.so.1", versions: &[] },
    Library { name: "libssl.so.3", versions: &[("OPENSSL_", [3, 2, 2])] },
    Library { name: "libcrypto.so.3", versions: &[("OPENSSL_", [3, 2, 2])] },
    Library { name: "libsqlite3.so.0", versions: &[] },
    Library { name: "liblzma.so.5", versions: &[("XZ_", [5, 2, 5])] },
    Library { name: "libz.so.1", versions: &[("ZLIB_", [1, 2, 9])] },
];

fn further(runtime: Runtime) -> &'static [Library] {
    match runtime {
        Runtime::ProvidedAl2023 => &OF_AL2023,
        Runtime::ProvidedAl2 => &[],
    }
}

/// Whether `runtime` has the library `name`.
pub fn has(runtime: Runtime, name: &str) -> bool {
    OF_BOTH.split(' ').any(|known| known == name) || further(runtime).iter().any(|library| library.name == name)
}

/// Refuses the file `title` whose `versions`, each with its symbol, are newer than those of the libraries `needed` of the
/// runtime.
pub fn check(versions: &[(String, String)], needed: &[&str], title: &str, runtime: Runtime) -> Result<()> {
    for library in further(runtime).iter().filter(|library| needed.contains(&library.name)) {
        let name = library.name;
        for ((version, symbol), (start, newest)) in
            versions.iter().flat_map(|it| library.versions.iter().map(move |its| (it, its)))
        {
            let number = version.strip_prefix(start).and_then(Version::parse);
            if number.is_some_and(|number| number > Version(newest.to_vec())) {
                let error =
                    format!("{title} needs {symbol} ({version}) of {name}, which {runtime} has in an older version");
                // In the zip it would not be found: the folders of the runtime come first.
                return Err(Error::artifact(error)
                    .hint_with("compile in an Amazon Linux 2023 image (`base`), or link it statically"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_counts_with_the_versions_that_the_runtime_has() {
        let check = |version: &str, needed: &[&str]| {
            let versions =
                [("GLIBC_2.34".to_string(), "puts".to_string()), (version.to_string(), "symbol".to_string())];
            check(&versions, needed, "the bootstrap", Runtime::ProvidedAl2023).map_err(|e| e.to_string())
        };
        for (version, library) in [
            ("ZLIB_1.2.9", "libz.so.1"),
            ("OPENSSL_3.0.0", "libssl.so.3"),
            ("OPENSSL_3.2.2", "libssl.so.3"),
            ("OPENSSL_3.2.2", "libcrypto.so.3"),
            ("XZ_5.2", "liblzma.so.5"),
            ("LIBXML2_2.9.1", "libxml2.so.2"),
            // Debian's; a library that names no versions takes every one.
            ("CURL_OPENSSL_4", "libcurl.so.4"),
            ("GLIBCXX_3.4.33", "libstdc++.so.6"),
            ("CXXABI_1.3.15", "libstdc++.so.6"),
            ("CXXABI_TM_1", "libstdc++.so.6"),
            // Of a library that comes along: not the runtime's.
            ("ZLIB_1.2.12", "libc.so.6"),
        ] {
            assert_eq!(check(version, &["libc.so.6", library]), Ok(()));
        }
        for (version, library) in [
            ("ZLIB_1.2.12", "libz.so.1"),
            ("OPENSSL_3.2.3", "libssl.so.3"),
            ("OPENSSL_3.3.0", "libcrypto.so.3"),
            ("XZ_5.4", "liblzma.so.5"),
            ("UUID_2.40", "libuuid.so.1"),
            ("GLIBCXX_3.4.34", "libstdc++.so.6"),
            ("CXXABI_1.3.16", "libstdc++.so.6"),
        ] {
            let error = check(version, &["libc.so.6", library]).unwrap_err();
            assert!(
                error.contains(&format!("symbol ({version}) of {library}, which provided.al2023 has in an older")),
                "{error}"
            );
        }
    }

    #[test]
    fn only_al2023_has_more_than_glibc_and_the_unwinder() {
        for (name, al2023, al2) in [
            ("libc.so.6", true, true),
            ("libz.so.1", true, false),
            ("libsqlite3.so.0", true, false),
            ("libcurl.so.4", true, false),
            // Debian's name of it.
            ("libbz2.so.1.0", false, false),
            // Of the larger image only.
            ("libcrypt.so.2", false, false),
            ("libpq.so.5", false, false),
        ] {
            assert_eq!((has(Runtime::ProvidedAl2023, name), has(Runtime::ProvidedAl2, name)), (al2023, al2), "{name}");
        }
    }
}
