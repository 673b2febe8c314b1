//! The linkers that cargo's configuration and variables name. Cargo looks at no linker's content.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::cargo::config::{base_of, is_path, of_target, read_each};
use crate::cargo::env::passed;
use crate::cargo::{Workspace, config_flags, native_tools};
use crate::config::Config;
use crate::error::Result;
use crate::sys::{Sha, Stamp, env, fs, relative};

/// The linkers for a target that the configuration names by a path.
///
/// # Errors
/// If a configuration file cannot be read.
pub fn by_path(workspace: &Workspace, triple: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for (file, table) in read_each(workspace)? {
        let linkers = of_target(&table, triple).filter_map(|(_, target)| target.get("linker")?.as_str());
        found.extend(linkers.filter(|linker| is_path(linker)).map(|linker| base_of(&file).join(linker)));
    }
    Ok(found)
}

/// The linkers of this machine that a compile with its programs is told of in other ways: by a name that is looked for in
/// `PATH`, by a variable, by `--config`, or by flags for rustc.
///
/// # Errors
/// If a configuration file cannot be read.
pub fn of_host(workspace: &Workspace, config: &Config) -> Result<Vec<PathBuf>> {
    let triple = config.target_arch.triple();
    let mut named = in_flags(config.cargo_flags.iter().map(String::as_str));
    let of_files = read_each(workspace)?.into_iter().map(|(_, table)| (table, true));
    let of_flags = config_flags::tables(workspace, &config.cargo_flags).into_iter().map(|table| (table, false));
    for (table, is_file) in of_files.chain(of_flags) {
        let flags = |table: &Map<String, Value>| table.get("rustflags").map_or_else(Vec::new, in_value);
        for (_, target) in of_target(&table, triple) {
            let linker = target.get("linker").and_then(Value::as_str);
            named.extend(linker.filter(|linker| !(is_file && is_path(linker))).map(String::from));
            named.extend(flags(target));
        }
        named.extend(table.get("build").and_then(Value::as_object).map_or_else(Vec::new, flags));
    }
    for name in passed(config) {
        let value = env::var(&name).unwrap_or_default();
        if name.ends_with("RUSTFLAGS") {
            named.extend(in_flags(words(&value).into_iter()));
        } else if name.ends_with("_LINKER") {
            named.push(value);
        }
    }
    let found = |linker: &String| {
        if is_path(linker) { vec![workspace.root.join(linker)] } else { native_tools::places_of(linker) }
    };
    let found: BTreeSet<PathBuf> = named.iter().flat_map(found).filter(|path| fs::is_file(path)).collect();
    Ok(found.into_iter().collect())
}

/// A digest of what is known of them, if there are any: where each is, at the end of links too, and its size and date; of one
/// in the workspace, which may be a copy, the place there and the content.
///
/// # Errors
/// If a configuration file, or a linker in the workspace, cannot be read.
pub fn digest(workspace: &Workspace, config: &Config) -> Result<Option<Sha>> {
    let (mut text, root) = (String::new(), &workspace.root);
    for path in of_host(workspace, config)? {
        let end = fs::canonical(&path)?;
        if end.starts_with(root) {
            text.push_str(&format!("{} {}\n", relative(&end, root), fs::sha_of_file(&end)?));
        } else {
            let told = fs::stat(&end)?.map(|meta| Stamp::of(&meta).size_and_date());
            text.push_str(&format!("{} {} {told:?}\n", path.display(), end.display()));
        }
    }
    Ok((!text.is_empty()).then(|| Sha::of(text.as_bytes())))
}

/// The flags in a text.
fn words(flags: &str) -> Vec<&str> {
    // That of `CARGO_ENCODED_RUSTFLAGS`, whose flags may have spaces.
    const BETWEEN: char = '\u{1f}';
    if flags.contains(BETWEEN) { flags.split(BETWEEN).collect() } else { flags.split_whitespace().collect() }
}

fn in_value(flags: &Value) -> Vec<String> {
    match flags {
        Value::String(flags) => in_flags(words(flags).into_iter()),
        Value::Array(flags) => in_flags(flags.iter().filter_map(Value::as_str)),
        _ => Vec::new(),
    }
}

/// The linkers that flags name: `-Clinker=cc`, and what a C compiler is told by `-fuse-ld=mold`, `--ld-path=/usr/bin/ld` or
/// `-B/usr/libexec/mold`.
///
/// Source: <https://doc.rust-lang.org/rustc/codegen-options/index.html#linker>,
/// <https://gcc.gnu.org/onlinedocs/gcc/Link-Options.html>, <https://gcc.gnu.org/onlinedocs/gcc/Directory-Options.html>,
/// <https://clang.llvm.org/docs/ClangCommandLineReference.html>.
fn in_flags<'a>(flags: impl Iterator<Item = &'a str>) -> Vec<String> {
    let of_word = |word: &str| -> Vec<String> {
        let word = ["--codegen=", "-C"].iter().find_map(|flag| word.strip_prefix(flag)).unwrap_or(word);
        let (mut linkers, mut folders) = (Vec::new(), Vec::new());
        linkers.extend(word.strip_prefix("linker="));
        let for_driver = ["link-args=", "link-arg="].iter().find_map(|flag| word.strip_prefix(flag)).unwrap_or(word);
        for flag in for_driver.split([' ', ',']) {
            let told = ["-fuse-ld=", "--ld-path="].iter().find_map(|name| flag.strip_prefix(name));
            linkers.extend(told);
            folders.extend(flag.strip_prefix("-B"));
        }
        let short = linkers.iter().filter(|name| !is_path(name)).map(|name| format!("ld.{name}"));
        let in_folders = folders.iter().flat_map(|folder| {
            ["ld", "ld.bfd", "ld.gold", "ld.lld", "ld.mold"]
                .map(|name| format!("{}/{name}", folder.trim_end_matches('/')))
        });
        short.chain(in_folders).chain(linkers.iter().map(|linker| linker.to_string())).collect()
    };
    flags.flat_map(of_word).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_name_linkers_in_several_ways() {
        for (flags, expected) in [
            (json!("-Clinker=my-cc -Cdebuginfo=1"), &["ld.my-cc", "my-cc"][..]),
            (json!("--codegen=linker=/a --codegen linker=/b"), &["/a", "/b"]),
            (json!(["-C", "linker=/opt/my cc", "-C", "link-arg=-fuse-ld=mold"]), &["/opt/my cc", "ld.mold", "mold"]),
            (json!("-Clinker=/opt/my cc\u{1f}-Cdebuginfo=1"), &["/opt/my cc"]),
            (json!("-Clink-args=--ld-path=/opt/ld,-s"), &["/opt/ld"]),
            (json!(["-Clink-arg=-s", 1]), &[]),
            (json!(null), &[]),
        ] {
            assert_eq!(in_value(&flags), expected, "{flags}");
        }
        for flags in ["-Clink-arg=-B/opt/", "-Clink-args=-s -B/opt"] {
            assert!(in_value(&json!([flags])).contains(&"/opt/ld.mold".into()), "{flags}");
        }
    }

    #[test]
    fn a_linker_is_named_by_a_path_in_a_file_or_told_in_another_way() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonical(dir.path()).unwrap();
        let workspace = Workspace::sample(&root, &[]);
        let text = "[target.x86_64-unknown-linux-gnu]\nlinker = \"tools/cc\"\n[target.'cfg(unix)']\nlinker = \"sh\"\n\
                    [build]\nrustflags = [\"-Clinker=tools/a\", \"-Clinker=tools/none\"]\n";
        fs::replace(&root.join(".cargo/config.toml"), text.as_bytes(), 0o644, None).unwrap();
        for name in ["a", "b", "c", "cc"] {
            fs::replace(&root.join("tools").join(name), b"", 0o755, None).unwrap();
        }
        let config = Config::of(json!({"target_arch": "x86_64", "cargo_flags": [
            "--config", "target.x86_64-unknown-linux-gnu.linker = \"tools/b\"", "--", "-Clinker=tools/c"
        ]}));
        assert_eq!(by_path(&workspace, "x86_64-unknown-linux-gnu").unwrap(), [root.join("tools/cc")]);
        let mut expected = ["tools/a", "tools/b", "tools/c"].map(|name| root.join(name)).to_vec();
        expected.extend(env::find_program("sh"));
        expected.sort();
        assert_eq!(of_host(&workspace, &config).unwrap(), expected);
    }
}
