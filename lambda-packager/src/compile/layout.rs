//! Where a compile sees the host's files. The workspace is at `/workspace`. If it has inputs outside, then the folder
//! around all of them is, so that every `../` leads to the same place. Fixed paths make the bytes the same from any
//! checkout.

use std::path::{Path, PathBuf};

use crate::cargo::Workspace;
use crate::engine::Mount;
use crate::sys::lexically_clean;

/// The place of the sources in a container.
pub const WORKSPACE: &str = "/workspace";
/// Cargo's home in the container.
pub const CARGO_HOME: &str = "/cargo";
/// Cargo's target directory in the container.
pub const TARGET: &str = "/target";

/// The folders of the host, and their places for a compile.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The folder of the host that is at `/workspace`.
    pub common: PathBuf,
    /// The workspace itself, as the compile sees it.
    pub workspace: String,
    /// In front of every place: the folder of the host that has the sources; empty in a container.
    pub root: String,
    /// Folders that cargo looks for at their own path only.
    pub absolute: Vec<PathBuf>,
    /// Folders of a toolchain that is mounted from the host: headers in them can be inputs.
    pub toolchain_mounts: Vec<Mount>,
}

impl Layout {
    /// The layout for a workspace with `further` inputs outside of it, in a container.
    pub fn of(workspace: &Workspace, further: &[PathBuf], absolute: &[PathBuf]) -> Self {
        let outside = &workspace.path_dependencies;
        let roots = outside.folders.iter().chain(further);
        let absolute = outside.absolute.iter().chain(absolute).cloned().collect();
        Self { absolute, ..Self::of_roots(&workspace.root, roots.map(PathBuf::as_path)) }
    }

    /// The layout for folders that keep their relative places.
    pub fn of_roots<'a>(workspace: &Path, roots: impl Iterator<Item = &'a Path>) -> Self {
        let around = |common: PathBuf, root: &Path| {
            common.ancestors().find(|ancestor| root.starts_with(ancestor)).unwrap_or(Path::new("/")).to_path_buf()
        };
        let layout = Self { common: roots.fold(workspace.to_path_buf(), around), ..Self::default() };
        Self { workspace: layout.place_of(workspace).unwrap_or_default(), ..layout }
    }

    /// The same below `root`, a folder of the host that compiles.
    pub fn on_host(self, root: &Path) -> Self {
        let root = root.to_string_lossy().into_owned();
        Self { workspace: format!("{root}{}", self.workspace), root, absolute: Vec::new(), ..self }
    }

    pub fn is_on_host(&self) -> bool {
        !self.root.is_empty()
    }

    /// The place of the host's `path`; `None` if it has none.
    pub fn place_of(&self, path: &Path) -> Option<String> {
        if self.absolute.iter().any(|folder| path.starts_with(folder)) {
            return Some(path.to_string_lossy().into_owned());
        }
        let below = path.strip_prefix(&self.common).ok()?.to_string_lossy();
        let slash = if below.is_empty() { "" } else { "/" };
        Some([&self.root, WORKSPACE, slash, &below].concat())
    }

    /// The path on the host of a source at `place` below the workspace's folder; nothing else has one.
    pub fn source(&self, place: &str) -> Option<PathBuf> {
        let below = lexically_clean(Path::new(place));
        Some(self.common.join(below.strip_prefix(format!("{}{WORKSPACE}", self.root)).ok()?))
    }

    /// Where the sources are: each is emptied before all of them are sent.
    pub fn places(&self) -> Vec<String> {
        let absolute = self.absolute.iter().map(|folder| folder.to_string_lossy().into_owned());
        let cargo_home = (!self.is_on_host()).then(|| CARGO_HOME.to_string());
        [format!("{}{WORKSPACE}", self.root)].into_iter().chain(cargo_home).chain(absolute).collect()
    }

    /// The host's path for what a compile read besides its sources; `None` for a source, and for what only the compile
    /// has.
    pub fn outside(&self, path: &str) -> Option<PathBuf> {
        let clean = lexically_clean(&Path::new(&self.workspace).join(path));
        if self.places().iter().any(|place| clean.starts_with(place)) {
            return None;
        }
        if self.is_on_host() {
            return Some(clean);
        }
        let mount = self.toolchain_mounts.iter().find(|mount| clean.starts_with(&mount.container))?;
        Some(mount.host.join(clean.strip_prefix(&mount.container).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(workspace: &str, roots: &[&str]) -> Layout {
        Layout::of_roots(Path::new(workspace), roots.iter().map(Path::new))
    }

    #[test]
    fn a_workspace_alone_is_at_the_same_path_from_anywhere() {
        for root in ["/home/a/p", "/tmp/b c"] {
            let layout = layout(root, &[&format!("{root}/lambda")]);
            assert_eq!(layout.workspace, "/workspace");
            assert_eq!(layout.place_of(&Path::new(root).join("x")), Some("/workspace/x".into()));
        }
    }

    #[test]
    fn every_path_has_its_place_and_only_what_is_no_source_is_outside() {
        let mut layout = layout("/w/app", &["/w/shared/dep"]);
        layout.absolute.push("/lib/dep".into());
        layout.toolchain_mounts.push(Mount::at_its_own_path("/usr".as_ref()));
        assert_eq!(layout.workspace, "/workspace/app");
        assert_eq!(layout.places(), ["/workspace", "/cargo", "/lib/dep"]);
        for (host, place) in [
            ("/w/app", Some("/workspace/app")),
            ("/w/shared/dep/a.rs", Some("/workspace/shared/dep/a.rs")),
            ("/lib/dep/a.rs", Some("/lib/dep/a.rs")),
            ("/usr/include/zlib.h", None),
            ("/ww", None),
        ] {
            assert_eq!(layout.place_of(Path::new(host)).as_deref(), place, "{host}");
        }
        let outside = [
            ("/usr/include/zlib.h", Some("/usr/include/zlib.h")),
            ("../../usr/x", Some("/usr/x")),
            ("src/a.rs", None),
            ("/workspace/shared/dep/a.rs", None),
            ("/lib/dep/a.rs", None),
            ("/lib/other/a.rs", None),
            ("/cargo/registry/x", None),
            ("/target/out/made.rs", None),
        ];
        for (seen, host) in outside {
            assert_eq!(layout.outside(seen), host.map(PathBuf::from), "{seen}");
        }
    }

    #[test]
    fn on_the_host_the_sources_are_below_a_folder() {
        let layout = layout("/w/app", &[]).on_host(Path::new("/w/app/target/x"));
        assert_eq!(layout.place_of(Path::new("/w/app/src")).as_deref(), Some("/w/app/target/x/workspace/src"));
        assert_eq!(layout.places(), ["/w/app/target/x/workspace"]);
        assert_eq!(layout.outside("src/main.rs"), None);
        assert_eq!(layout.outside("/w/secret"), Some("/w/secret".into()));
    }
}
