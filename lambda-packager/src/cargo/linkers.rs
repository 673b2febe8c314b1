//! The linkers that cargo's configuration and variables name. Cargo looks at no linker's content.

use std::path::PathBuf;

use serde_json::Value;

use crate::cargo::Workspace;
use crate::cargo::config::{base_of, is_path, of_target, read_each};
use crate::cargo::env::{linker_of, rustflags_of};
use crate::error::Result;
use crate::sys::env;

/// Those for a target that the configuration names by a path.
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

/// The others, for a compile with the host's programs: by a name that is looked for in `PATH`, by a variable, or in flags
/// for rustc.
///
/// # Errors
/// If a configuration file cannot be read.
pub fn of_host(workspace: &Workspace, triple: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (_, table) in read_each(workspace)? {
        for (_, target) in of_target(&table, triple) {
            let linker = target.get("linker").and_then(Value::as_str);
            found.extend(linker.filter(|linker| !is_path(linker)).map(String::from));
            found.extend(in_flags(target.get("rustflags")));
        }
        found.extend(in_flags(table.get("build").and_then(|build| build.get("rustflags"))));
    }
    found.extend(env::var(&linker_of(triple)));
    found.extend(in_flags(env::var(&rustflags_of(triple)).map(Value::String).as_ref()));
    Ok(found)
}

/// Those that flags name: `-Clinker=cc`, and what a C compiler is told by `-fuse-ld=mold` or `--ld-path=/usr/bin/ld`.
///
/// Source: <https://doc.rust-lang.org/rustc/codegen-options/index.html#linker>,
/// <https://gcc.gnu.org/onlinedocs/gcc/Link-Options.html>, <https://clang.llvm.org/docs/ClangCommandLineReference.html>.
fn in_flags(flags: Option<&Value>) -> Vec<String> {
    let words: Vec<&str> = match flags {
        Some(Value::String(flags)) => flags.split_whitespace().collect(),
        Some(Value::Array(flags)) => flags.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let of_word = |word: &str| -> Vec<String> {
        let named = word.strip_prefix("-C").unwrap_or(word).strip_prefix("linker=");
        let told = ["-fuse-ld=", "--ld-path="].iter().find_map(|flag| Some(word.split_once(flag)?.1));
        let told = told.and_then(|rest| rest.split([' ', ',']).next());
        let short = told.filter(|name| !is_path(name)).map(|name| format!("ld.{name}"));
        named.into_iter().chain(told).map(String::from).chain(short).collect()
    };
    words.into_iter().flat_map(of_word).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sys::fs;

    #[test]
    fn flags_name_linkers_in_several_ways() {
        for (flags, expected) in [
            (json!("-Clinker=my-cc -Cdebuginfo=1"), &["my-cc"][..]),
            (json!(["-C", "linker=/opt/cc", "-C", "link-arg=-fuse-ld=mold"]), &["/opt/cc", "mold", "ld.mold"]),
            (json!("-Clink-args=--ld-path=/opt/ld,-s"), &["/opt/ld"]),
            (json!(["-Clink-arg=-s", 1]), &[]),
            (json!(null), &[]),
        ] {
            assert_eq!(in_flags(Some(&flags)), expected, "{flags}");
        }
    }

    #[test]
    fn a_linker_is_named_by_a_path_or_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonical(dir.path()).unwrap();
        let workspace = Workspace::sample(&root, &[]);
        let config = "[target.x86_64-unknown-linux-gnu]\nlinker = \"tools/cc\"\n[target.'cfg(unix)']\nlinker = \"my-cc\"\n\
                      [build]\nrustflags = [\"-Clinker=other-cc\"]\n";
        fs::replace(&root.join(".cargo/config.toml"), config.as_bytes(), 0o644, None).unwrap();
        let triple = "x86_64-unknown-linux-gnu";
        assert_eq!(by_path(&workspace, triple).unwrap(), [root.join("tools/cc")]);
        assert_eq!(of_host(&workspace, triple).unwrap()[..2], ["my-cc", "other-cc"]);
    }
}
