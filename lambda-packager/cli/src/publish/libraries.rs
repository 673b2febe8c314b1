//! The shared libraries that a binary needs to start, and the certificates to trust: an image without
//! a base has nothing else. They come from where the compile found them.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use lambda_packager::internal::artifact::elf;
use lambda_packager::internal::backend::Backend;
use lambda_packager::internal::config::Arch;
use lambda_packager::internal::sys::fs;
use lambda_packager::{Error, Result};

/// A file for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its absolute path in the image.
    pub place: String,
    pub executable: bool,
    pub content: Vec<u8>,
}

/// Where libraries are looked for.
pub enum Place<'a> {
    /// The compile linked against this machine's own.
    Host,
    /// An image brought its own.
    Container(&'a Backend),
}

/// Where a dynamic linker looks by itself on the systems that glibc comes from. The last one is where
/// Debian keeps the libraries of a cross compiler.
fn folders(arch: Arch) -> [&'static str; 7] {
    match arch {
        Arch::X86_64 => [
            "/lib64",
            "/usr/lib64",
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib",
            "/usr/lib",
            CROSS_X86_64,
        ],
        Arch::Arm64 => [
            "/lib64",
            "/usr/lib64",
            "/lib/aarch64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/lib",
            "/usr/lib",
            CROSS_ARM64,
        ],
    }
}

const CROSS_X86_64: &str = "/usr/x86_64-linux-gnu/lib";
const CROSS_ARM64: &str = "/usr/aarch64-linux-gnu/lib";

/// Where distributions keep the certificates of all authorities in one file.
const CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// Where they are in the image.
pub const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What glibc before 2.34 loads to look a host up, without being asked to by the binary.
const NAME_SERVICE: [&str; 3] = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

/// Everything that `binary` needs to start, and what those need, but for what is `brought` along with it.
///
/// # Errors
/// What is not there.
pub fn closure(binary: &[u8], arch: Arch, brought: &[String], place: &Place) -> Result<Vec<File>> {
    let Some(needs) = elf::needs(binary, arch) else {
        return Err(Error::artifact(format!("the bootstrap is not a binary for {arch}")));
    };
    let mut files = BTreeMap::new();
    let linker = needs.interpreter.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path).to_string());
    if let (Some(path), Some(name)) = (&needs.interpreter, &linker) {
        let (_, content) = find(name, arch, place)?;
        files.insert(name.clone(), File { place: path.clone(), executable: true, content });
    }
    let mut wanted: VecDeque<String> = needs.libraries.into();
    while let Some(name) = wanted.pop_front() {
        if files.contains_key(&name) || brought.contains(&name) {
            continue;
        }
        let (folder, content) = find(&name, arch, place)?;
        if name == "libc.so.6" && loads_name_service(&content) {
            wanted.extend(NAME_SERVICE.map(String::from));
        }
        let more = elf::needs(&content, arch).map_or_else(Vec::new, |needs| needs.libraries);
        wanted.extend(more);
        let folder = if [CROSS_X86_64, CROSS_ARM64].contains(&folder.as_str()) { "/lib" } else { &folder };
        files.insert(name.clone(), File { place: format!("{folder}/{name}"), executable: true, content });
    }
    Ok(files.into_values().collect())
}

/// glibc looks hosts up by itself since 2.34; its versions are written in it.
fn loads_name_service(libc: &[u8]) -> bool {
    !libc.windows(11).any(|window| window == b"GLIBC_2.34\0")
}

fn find(name: &str, arch: Arch, place: &Place) -> Result<(String, Vec<u8>)> {
    let folders = folders(arch);
    let mut from = 0;
    while let Some((index, content)) = place.first(&folders[from..], name)? {
        if elf::needs(&content, arch).is_some() {
            return Ok((folders[from + index].to_string(), content));
        }
        // Of another machine: a 32-bit system's, say.
        from += index + 1;
    }
    Err(Error::artifact(format!("the image needs {name} for {arch}, which does not exist {place}")).hint_with(
        "install the libraries of that architecture in the environment of the compile (Debian: `libc6`, `libgcc-s1`), or link statically",
    ))
}

/// The certificates of the authorities to trust: those of the place, else this machine's.
pub fn certificates(place: &Place) -> Result<File> {
    for place in [place, &Place::Host] {
        for path in CERTIFICATES {
            let (folder, name) = path.rsplit_once('/').unwrap_or_default();
            if let Some((_, content)) = place.first(&[folder], name)? {
                return Ok(File { place: TRUSTED.into(), executable: false, content });
            }
        }
    }
    Err(Error::artifact("there are no CA certificates for the image: the function could not trust any server")
        .hint_with("install them on this machine (Debian: `ca-certificates`)"))
}

impl Place<'_> {
    /// The first of `folders` that has the file `name`, and its content.
    fn first(&self, folders: &[&str], name: &str) -> Result<Option<(usize, Vec<u8>)>> {
        match self {
            Self::Host => {
                for (index, folder) in folders.iter().enumerate() {
                    let path = Path::new(folder).join(name);
                    if fs::is_file(&path) {
                        return Ok(Some((index, fs::read(&path)?)));
                    }
                }
                Ok(None)
            }
            Self::Container(backend) => {
                const SCRIPT: &str = "name=$1; shift; for d; do if [ -f \"$d/$name\" ]; then echo \"$d\"; exec cat \"$d/$name\"; fi; done";
                let mut command = ["sh", "-c", SCRIPT, "sh", name].map(String::from).to_vec();
                command.extend(folders.iter().map(|folder| folder.to_string()));
                let output = backend.ask(&command)?;
                let Some(end) = output.iter().position(|byte| *byte == b'\n') else {
                    return Ok(None);
                };
                let index = folders.iter().position(|folder| folder.as_bytes() == &output[..end]);
                Ok(index.map(|index| (index, output[end + 1..].to_vec())))
            }
        }
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host => f.write_str("on this machine"),
            Self::Container(backend) => write!(f, "in {}", backend.record.base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_binary() -> Vec<u8> {
        fs::read(&std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_binary_gets_its_linker_and_its_libraries_and_theirs() {
        let arch = Arch::of_this_machine();
        let files = closure(&this_binary(), arch, &[], &Place::Host).unwrap();
        let needs = elf::needs(&this_binary(), arch).unwrap();
        assert!(files.iter().any(|file| Some(&file.place) == needs.interpreter.as_ref()), "{needs:?}");
        for name in needs.libraries {
            assert!(files.iter().any(|file| file.place.ends_with(&format!("/{name}"))), "{name}");
        }
        let brought = ["libc.so.6".to_string()];
        let files = closure(&this_binary(), arch, &brought, &Place::Host).unwrap();
        assert!(!files.iter().any(|file| file.place.ends_with("/libc.so.6")));
    }

    #[test]
    fn another_machines_libraries_are_none() {
        let other = match Arch::of_this_machine() {
            Arch::X86_64 => Arch::Arm64,
            Arch::Arm64 => Arch::X86_64,
        };
        assert!(closure(&this_binary(), other, &[], &Place::Host).is_err());
        let error = find("libnothing.so.1", Arch::of_this_machine(), &Place::Host).unwrap_err();
        assert!(error.to_string().contains("libnothing.so.1"), "{error}");
    }

    #[test]
    fn an_old_glibc_brings_what_it_looks_hosts_up_with() {
        assert!(loads_name_service(b"\0GLIBC_2.26\0GLIBC_2.3\0"));
        assert!(!loads_name_service(b"\0GLIBC_2.33\0GLIBC_2.34\0"));
    }
}
