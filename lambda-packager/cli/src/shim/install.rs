//! `lambda-packager shim install`.

use std::path::Path;

use lambda_packager::internal::{Error, Result, env, fs, lexically_clean, print_lines};

use crate::shim::name::{NAME, PROGRAM};

/// Makes `cargo-lambda` in `folder` a link to this program, over another program only with `force`.
///
/// # Errors
/// Another program is there; the folder cannot be written.
pub fn install(folder: &Path, force: bool) -> Result<()> {
    let folder = lexically_clean(&env::current_dir()?.join(folder));
    let link = folder.join(NAME);
    let program = env::this_program()?;
    if !(force || is_free(&link)?) {
        return Err(Error::config(format!("{} is another program", link.display())).hint_with(
            "install into another folder, which PATH names before this one; --force replaces that program",
        ));
    }
    fs::replace_by_link(&link, &program)?;
    let mut lines = vec![format!("{} is a link to {}", link.display(), program.display())];
    let found = env::find_commands_of_cargo(NAME).into_iter().next();
    if found.as_ref().is_none_or(|found| *found != link) {
        let other =
            found.map_or_else(|| "it is not there".into(), |found| format!("{} is found first", found.display()));
        lines.push(format!("put {} at the beginning of PATH: {other}", folder.display()));
    }
    print_lines(&lines);
    Ok(())
}

/// Whether nothing is at `link`, or a link of ours, also to a program that was moved.
fn is_free(link: &Path) -> Result<bool> {
    let Some(meta) = fs::lstat(link)? else { return Ok(true) };
    Ok(meta.is_symlink() && fs::read_link(link)?.file_name().is_some_and(|name| name == PROGRAM))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_our_own_link_is_replaced_without_force() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("new/cargo-lambda");
        for (target, expected) in [("/nowhere/lambda-packager", true), ("/usr/bin/env", false)] {
            let there = dir.path().join(if expected { "ours" } else { "another" });
            symlink(target, &there).unwrap();
            assert_eq!(is_free(&there).unwrap(), expected, "{target}");
        }
        install(link.parent().unwrap(), false).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), env::this_program().unwrap());
        fs::replace(&dir.path().join("cargo-lambda"), b"#!/bin/sh\n", 0o755, None).unwrap();
        let refused = install(dir.path(), false).unwrap_err();
        assert!(refused.report().contains("cargo-lambda is another program"), "{}", refused.report());
        install(dir.path(), true).unwrap();
        assert!(fs::lstat(&dir.path().join("cargo-lambda")).unwrap().unwrap().is_symlink());
    }
}
