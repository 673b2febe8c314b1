//! The variables that flags of `cargo lambda build` set: those that choose cargo-lambda's settings, and those for the compile.

use std::collections::BTreeMap;
use std::path::Path;

use lambda_packager::internal::{Error, Result, env, fs, lexically_clean};

use crate::shim::flags::Flags;

/// Those of `--env-file` and `--env-var`, of which the last one counts.
///
/// # Errors
/// The file cannot be read, or a text is not `KEY=VALUE`. No error has a value: it may be a secret.
pub fn of_compile(flags: &Flags, here: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    if let Some(file) = &flags.env_file {
        let text = fs::read_if_exists(&here.join(file))?.ok_or_else(|| {
            Error::config(format!("flag --env-file: {} does not exist", file.display()))
                .hint_with("it is relative to the folder of the call")
        })?;
        for (index, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = || format!("flag --env-file: line {} of {}", index + 1, file.display());
            let (key, value) = pair(line).ok_or_else(|| not_a_pair(&place()))?;
            found.insert(key, unquoted(&value).to_string());
        }
    }
    for text in flags.env_var.iter().flat_map(|list| list.split(',')) {
        let (key, value) = pair(text).ok_or_else(|| not_a_pair("flag --env-var: what is given"))?;
        found.insert(key, value);
    }
    Ok(found)
}

/// All that have to be in the environment of this program, and are not: the library reads them there.
///
/// # Errors
/// Those of [`of_compile`].
pub fn missing(flags: &Flags, here: &Path) -> Result<BTreeMap<String, String>> {
    let mut wanted = of_compile(flags, here)?;
    if let Some(file) = &flags.global {
        let path = lexically_clean(&here.join(file)).to_string_lossy().into_owned();
        wanted.insert("CARGO_LAMBDA_GLOBAL".into(), path);
    }
    wanted.extend(flags.context.iter().map(|context| ("CARGO_LAMBDA_CONTEXT".into(), context.clone())));
    wanted.extend(flags.admerge.then(|| ("CARGO_LAMBDA_ADMERGE".into(), "true".into())));
    wanted.retain(|name, value| env::var_os(name).is_none_or(|known| known != value.as_str()));
    Ok(wanted)
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    // No environment can have others.
    let is_possible = env::is_variable_name(key) && !value.contains('\0');
    is_possible.then(|| (key.to_string(), value.to_string()))
}

fn not_a_pair(what: &str) -> Error {
    Error::config(format!("{what} is not KEY=VALUE"))
        .hint_with("a key has letters, digits and `_`, and begins with no digit")
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|value: &str| value.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn flags(args: &[&str]) -> Flags {
        Flags::parse(args.iter().map(OsString::from).collect()).unwrap().0
    }

    #[test]
    fn variables_are_those_of_the_file_and_above_them_those_of_flags() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::replace(&dir.path().join("e"), text.as_bytes(), 0o600, None).unwrap();
        let of = |args: &[&str]| of_compile(&flags(args), dir.path()).map_err(|error| error.report());
        write("# a comment\n\nA=1\nB = \"two words\"\nC='x=y'\nD=\n");
        let found = of(&["--env-file", "e", "--env-var", "A=2,E=5", "--env-vars", "E=6"]).unwrap();
        let shown: Vec<_> = found.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(shown, ["A=2", "B=two words", "C=x=y", "D=", "E=6"]);
        write("A=1\nsecret\n");
        for (args, expected) in [
            (&["--env-file", "e"][..], "flag --env-file: line 2 of e is not KEY=VALUE"),
            (&["--env-file", "none"], "flag --env-file: none does not exist"),
            (&["--env-var", "A=1,secret"], "flag --env-var: what is given is not KEY=VALUE"),
            (&["--env-var", "1A=secret"], "flag --env-var: what is given is not KEY=VALUE"),
        ] {
            let error = of(args).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret"), "{args:?}: {error}");
        }
    }

    #[test]
    fn what_is_in_the_environment_already_is_not_missing() {
        let here = Path::new("/w/a");
        let path = env::var("PATH").unwrap();
        let args = ["--global", "../g.toml", "-x", "prod", "--admerge", "--env-var", &format!("PATH={path}")];
        let missing = missing(&flags(&args), here).unwrap();
        let shown: Vec<_> = missing.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = ["CARGO_LAMBDA_ADMERGE=true", "CARGO_LAMBDA_CONTEXT=prod", "CARGO_LAMBDA_GLOBAL=/w/g.toml"];
        assert_eq!(shown, expected);
    }
}
