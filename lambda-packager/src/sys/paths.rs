//! Operations on paths that do not read the file system.

use std::path::{Component, Path, PathBuf};

/// `path` relative to `root`; it starts with `..` if it is outside of `root`.
pub fn relative(path: &Path, root: &Path) -> String {
    let shared = path.components().zip(root.components()).take_while(|(a, b)| a == b).count();
    let mut parts: Vec<String> = root.components().skip(shared).map(|_| "..".to_string()).collect();
    parts.extend(path.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned()));
    parts.join("/")
}

/// Removes `.` and `a/..`: the names of inputs can have them, the folders of packages do not.
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
    fn paths_are_relative_to_the_root() {
        let root = Path::new("/a/b");
        assert_eq!(relative(Path::new("/a/b/c/Cargo.toml"), root), "c/Cargo.toml");
        assert_eq!(relative(Path::new("/a/x/y"), root), "../x/y");
        assert_eq!(relative(root, root), "");
    }

    #[test]
    fn parts_that_cancel_out_are_removed() {
        for (path, clean) in
            [("/a/../b", "/b"), ("/a/./b/", "/a/b"), ("a/b/../../c", "c"), ("/../a", "/a"), ("a/..", "")]
        {
            assert_eq!(lexically_clean(Path::new(path)), Path::new(clean), "{path}");
        }
    }
}
