//! The shared libraries that a binary needs to start, and the CA certificates: an image without a base has only
//! these. They are read where the compile found them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::artifact::image::TRUSTED;
use crate::artifact::{File, Member, elf};
use crate::backend::Backend;
use crate::config::{Arch, ArtifactKind};
use crate::error::{Error, Result};
use crate::sys::fs;

/// Where the compile found its libraries.
pub enum Place<'a> {
    /// On this machine.
    Host,
    /// In the image that it ran in.
    Container(&'a Backend),
}

/// The default folders of dynamic linkers on systems with glibc. The last ones are those for the libraries of a cross
/// compiler: Debian's, and that of the builder image.
fn folders(arch: Arch) -> [String; 8] {
    ["/lib64", "/usr/lib64", "/lib/{}", "/usr/lib/{}", "/lib", "/usr/lib", "/usr/{}/lib", "/usr/{}/lib64"]
        .map(|folder| folder.replace("{}", machine(arch)))
}

fn machine(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x86_64-linux-gnu",
        Arch::Arm64 => "aarch64-linux-gnu",
    }
}

/// The files that distributions store the CA certificates in.
const CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The libraries that glibc before 2.34 loads to look up a host, which the binary does not name.
const NAME_SERVICE: [&str; 3] = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

/// All libraries that the `bootstrap` among `members` needs, and those that they need in turn, except the members at the
/// places where Lambda looks for libraries; for the libraries there that the function may load later, those that exist.
///
/// # Errors
/// If one does not exist that the bootstrap cannot start without.
pub fn closure(members: &[Member], arch: Arch, place: &Place) -> Result<Vec<File>> {
    const KIND: ArtifactKind = ArtifactKind::Function;
    let bootstrap = members.iter().find(|member| KIND.place_of("").as_ref() == Some(&member.name));
    let needs = bootstrap.and_then(|bootstrap| elf::needs(&bootstrap.content, arch));
    let Some(needs) = needs else {
        return Err(Error::artifact(format!("the bootstrap is not a binary for {arch}")));
    };
    let (mut files, mut seen) = (BTreeMap::new(), BTreeSet::new());
    if let Some(path) = needs.interpreter {
        let name = path.rsplit('/').next().unwrap_or(&path).to_string();
        let (_, content) = find(&name, arch, place)?;
        seen.insert(name.clone());
        files.insert(name, File { place: path, executable: true, content });
    }
    let more = |content: &[u8]| elf::needs(content, arch).map_or_else(Vec::new, |needs| needs.libraries);
    // What the start needs is taken first.
    let mut wanted: Vec<_> = elf::brought(members, KIND)
        .flat_map(|member| more(&member.content))
        .map(|name| (name, false))
        .chain(needs.libraries.into_iter().map(|name| (name, true)))
        .collect();
    while let Some((name, is_for_start)) = wanted.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let all = |content: &[u8]| more(content).into_iter().map(|name| (name, is_for_start)).collect::<Vec<_>>();
        if let Some(member) = elf::library(members, &name, KIND) {
            wanted.extend(all(&member.content));
            continue;
        }
        let (folder, content) = match find(&name, arch, place) {
            Err(_) if !is_for_start => continue,
            found => found?,
        };
        if name == "libc.so.6" && loads_name_service(&content) {
            wanted.extend(NAME_SERVICE.map(|name| (name.to_string(), is_for_start)));
        }
        wanted.extend(all(&content));
        // Where the dynamic linker of that system looks.
        let folder = folder.strip_prefix(&format!("/usr/{}", machine(arch))).unwrap_or(&folder);
        let place = format!("{folder}/{name}");
        files.insert(name, File { place, executable: true, content });
    }
    Ok(files.into_values().collect())
}

/// Whether this glibc is older than 2.34. The library contains the names of its versions.
fn loads_name_service(libc: &[u8]) -> bool {
    !libc.windows(11).any(|window| window == b"GLIBC_2.34\0")
}

fn find(name: &str, arch: Arch, place: &Place) -> Result<(String, Vec<u8>)> {
    let folders = folders(arch);
    let mut from = 0;
    while let Some((index, content)) = place.first(&folders[from..], name)? {
        if elf::needs(&content, arch).is_some() {
            return Ok((folders[from + index].clone(), content));
        }
        // For another machine, such as a 32-bit system.
        from += index + 1;
    }
    Err(Error::artifact(format!("the image needs {name} for {arch}, which does not exist {place}")).hint_with(
        "install the libraries of that architecture in the environment of the compile (Debian: `libc6`, `libgcc-s1`), or link statically",
    ))
}

/// The CA certificates of the place, otherwise those of this machine.
pub fn certificates(place: &Place) -> Result<File> {
    for place in [place, &Place::Host] {
        for path in CERTIFICATES {
            let (folder, name) = path.rsplit_once('/').unwrap_or_default();
            if let Some((_, content)) = place.first(&[folder.to_string()], name)? {
                return Ok(File { place: TRUSTED.into(), executable: false, content });
            }
        }
    }
    Err(Error::artifact(
        "there are no CA certificates for the image: the function could not verify the certificate of any server",
    )
    .hint_with("install them on this machine (Debian: `ca-certificates`)"))
}

impl<'a> Place<'a> {
    /// Where a compile with `backend` finds them.
    pub fn of(backend: &'a Backend) -> Self {
        if backend.record.host_toolchain { Self::Host } else { Self::Container(backend) }
    }

    /// The first of `folders` that has the file `name`, and its content.
    fn first(&self, folders: &[String], name: &str) -> Result<Option<(usize, Vec<u8>)>> {
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
                command.extend_from_slice(folders);
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

    fn member(name: &str, content: Vec<u8>) -> Member {
        Member { name: name.into(), executable: true, content }
    }

    fn this_binary() -> Vec<u8> {
        fs::read(&std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_binary_gets_its_linker_and_its_libraries_and_theirs() {
        let arch = Arch::of_this_machine();
        let bootstrap = member("bootstrap", this_binary());
        let needs = elf::needs(&bootstrap.content, arch).unwrap();
        let has = |files: &[File], name: &str| files.iter().any(|file| file.place.ends_with(&format!("/{name}")));
        let files = closure(std::slice::from_ref(&bootstrap), arch, &Place::Host).unwrap();
        assert!(files.iter().any(|file| Some(&file.place) == needs.interpreter.as_ref()), "{needs:?}");
        assert!(needs.libraries.iter().all(|name| has(&files, name)), "{needs:?}");
        // A library of the zip is not added again; what it needs is.
        let (_, libc) = find("libc.so.6", arch, &Place::Host).unwrap();
        let (_, libgcc) = find("libgcc_s.so.1", arch, &Place::Host).unwrap();
        let files = closure(&[bootstrap.clone(), member("lib/libc.so.6", libc)], arch, &Place::Host).unwrap();
        assert!(!has(&files, "libc.so.6"));
        let only = Member { content: libgcc, ..bootstrap };
        assert!(has(&closure(std::slice::from_ref(&only), arch, &Place::Host).unwrap(), "libc.so.6"));
        let through = [only.clone(), member("lib/libc.so.6", this_binary())];
        assert!(has(&closure(&through, arch, &Place::Host).unwrap(), "libgcc_s.so.1"));
    }

    #[test]
    fn only_a_member_where_lambda_looks_for_it_takes_the_place_of_a_library() {
        let (arch, script) = (Arch::of_this_machine(), member("bin/bootstrap", b"#!/bin/sh\n".to_vec()));
        let (_, libgcc) = find("libgcc_s.so.1", arch, &Place::Host).unwrap();
        let has = |members: &[Member], name: &str| {
            let files = closure(members, arch, &Place::Host).unwrap();
            files.iter().any(|file| file.place.ends_with(&format!("/{name}")))
        };
        let bootstrap = member("bootstrap", this_binary());
        for (place, is_added) in
            [("chrome/libgcc_s.so.1", true), ("lib/libgcc_s.so.1", false), ("libgcc_s.so.1", false)]
        {
            let members = [script.clone(), bootstrap.clone(), member(place, libgcc.clone())];
            assert_eq!(has(&members, "libgcc_s.so.1"), is_added, "{place}");
        }
        // One that is loaded later, with a need that nobody meets.
        let mut plugin = this_binary();
        let at = plugin.windows(10).position(|window| window == b"libm.so.6\0" || window == b"libc.so.6\0").unwrap();
        plugin[at..at + 9].copy_from_slice(b"libq.so.6");
        let only = member("bootstrap", libgcc);
        assert!(!has(std::slice::from_ref(&only), "libgcc_s.so.1"));
        assert!(has(&[only.clone(), member("lib/plugin.so", plugin.clone())], "libgcc_s.so.1"));
        assert!(!has(&[only, member("assets/plugin.so", plugin)], "libgcc_s.so.1"));
    }

    #[test]
    fn another_machines_libraries_are_none() {
        let other = if Arch::of_this_machine() == Arch::Arm64 { Arch::X86_64 } else { Arch::Arm64 };
        assert!(closure(&[member("bootstrap", this_binary())], other, &Place::Host).is_err());
        let error = find("libnothing.so.1", Arch::of_this_machine(), &Place::Host).unwrap_err();
        assert!(error.to_string().contains("libnothing.so.1"), "{error}");
    }

    #[test]
    fn an_old_glibc_brings_what_it_looks_hosts_up_with() {
        assert!(loads_name_service(b"\0GLIBC_2.26\0GLIBC_2.3\0"));
        assert!(!loads_name_service(b"\0GLIBC_2.33\0GLIBC_2.34\0"));
    }
}
