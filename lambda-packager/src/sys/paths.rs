//! Paths as text: without looking at the file system.

use std::path::{Component, Path, PathBuf};

/// `path` as seen from `root`, with `..` where it lies outside.
pub fn relative(path: &Path, root: &Path) -> String {
    let shared = path.components().zip(root.components()).take_while(|(a, b)| a == b).count();
    let mut parts: Vec<String> = root.components().skip(shared).map(|_| "..".to_string()).collect();
    parts.extend(path.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned()));
    parts.join("/")
}

/// `a/../b` as `b`: names of inputs are relative, folders of packages are not.
pub fn lexically_clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_root() {
        let root = Path::new("/a/b");
        assert_eq!(relative(Path::new("/a/b/c/Cargo.toml"), root), "c/Cargo.toml");
        assert_eq!(relative(Path::new("/a/x/y"), root), "../x/y");
        assert_eq!(relative(root, root), "");
    }
}
