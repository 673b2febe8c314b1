//! Where the host's folders stand in the container. The workspace is at `/workspace`; with path
//! dependencies outside of it, what they have in common is, so that every `../` still leads where
//! it did. Fixed places are what makes the bytes the same from any checkout.

use std::path::{Path, PathBuf};

use crate::cargo::Workspace;
use crate::engine::Mount;
use crate::sys::paths::{lexically_clean, relative};

/// The workspace's place in a container.
pub const WORKSPACE: &str = "/workspace";
/// Cargo's home in the container.
pub const CARGO_HOME: &str = "/cargo";
/// Cargo's target directory in the container.
pub const TARGET: &str = "/target";

/// Which folder of the host stands where.
#[derive(Debug)]
pub struct Mounts {
    /// The folder of the host that `/workspace` stands for.
    pub common: PathBuf,
    /// The workspace itself, in the container.
    pub workspace: String,
    pub mounts: Vec<Mount>,
    /// Folders of the host that the toolchain lies in, where it is borrowed: headers in them can be
    /// inputs, though nobody's sources.
    pub toolchain_mounts: Vec<Mount>,
}

impl Mounts {
    /// The layout for a workspace; `further` are folders that cargo's configuration in it names by
    /// a relative path. One for all its functions: cargo resolves the workspace as a whole.
    pub fn of(workspace: &Workspace, further: &[PathBuf]) -> Self {
        let outside = &workspace.path_dependencies;
        let roots = std::iter::once(&workspace.root).chain(&outside.folders).chain(further);
        let mut layout = Self::over(&workspace.root, roots.cloned().collect());
        // What is named by an absolute path is looked for there, and nowhere else.
        let absolute = outside.absolute.iter();
        layout.mounts.extend(
            absolute.map(|folder| Mount { host: folder.clone(), container: folder.to_string_lossy().into_owned() }),
        );
        layout
    }

    fn over(workspace: &Path, mut roots: Vec<PathBuf>) -> Self {
        roots.sort_unstable();
        let mut outermost: Vec<PathBuf> = Vec::new();
        for root in roots {
            // Sorted by components, a folder comes right before what is in it.
            if !outermost.last().is_some_and(|outer| root.starts_with(outer)) {
                outermost.push(root);
            }
        }
        let common = outermost.iter().fold(workspace.to_path_buf(), |common, root| {
            common.ancestors().find(|ancestor| root.starts_with(ancestor)).unwrap_or(Path::new("/")).to_path_buf()
        });
        let place = |host: &Path| match relative(host, &common).as_str() {
            "" => WORKSPACE.to_string(),
            below => format!("{WORKSPACE}/{below}"),
        };
        Self {
            workspace: place(workspace),
            mounts: outermost.iter().map(|root| Mount { host: root.clone(), container: place(root) }).collect(),
            common,
            toolchain_mounts: Vec::new(),
        }
    }

    /// The layout where nothing is moved: the host's own compile.
    pub fn of_the_host(workspace: &Workspace) -> Self {
        Self {
            common: PathBuf::from("/"),
            workspace: workspace.root.to_string_lossy().into_owned(),
            mounts: Vec::new(),
            toolchain_mounts: Vec::new(),
        }
    }

    /// Where `host` stands in the container, if it does.
    pub fn to_container(&self, host: &Path) -> Option<String> {
        if self.mounts.is_empty() {
            return Some(host.to_string_lossy().into_owned());
        }
        let mount = self.mounts.iter().find(|mount| host.starts_with(&mount.host))?;
        let below = relative(host, &mount.host);
        Some(if below.is_empty() { mount.container.clone() } else { format!("{}/{below}", mount.container) })
    }

    /// The host's path for one in the container, if it is a source and not made there.
    pub fn to_host(&self, container: &str) -> Option<PathBuf> {
        if Path::new(container).is_relative() {
            return self.to_host(&format!("{}/{container}", self.workspace));
        }
        let path = Path::new(container);
        if self.mounts.is_empty() {
            return Some(path.to_path_buf());
        }
        // What is not mounted was not read, whatever a build script names.
        let clean = lexically_clean(path);
        let mount =
            self.mounts.iter().chain(&self.toolchain_mounts).find(|mount| clean.starts_with(&mount.container))?;
        // As it was named: a folder on the way may be a link, and `..` then leads elsewhere.
        match (path.strip_prefix(WORKSPACE), path.strip_prefix(&mount.container)) {
            (Ok(below), _) => Some(self.common.join(below)),
            (_, Ok(below)) => Some(mount.host.join(below)),
            _ => Some(mount.host.join(clean.strip_prefix(&mount.container).ok()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(workspace: &str, roots: &[&str]) -> Mounts {
        Mounts::over(Path::new(workspace), roots.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn a_workspace_alone_is_at_the_same_place_from_anywhere() {
        for root in ["/home/a/p", "/tmp/b c"] {
            let layout = layout(root, &[root, &format!("{root}/lambda")]);
            assert_eq!(layout.workspace, "/workspace");
            assert_eq!(layout.mounts, [Mount { host: root.into(), container: "/workspace".into() }]);
            assert_eq!(
                layout.to_host("/workspace/lambda/src/main.rs"),
                Some(Path::new(root).join("lambda/src/main.rs"))
            );
            assert_eq!(layout.to_container(&Path::new(root).join("x")), Some("/workspace/x".into()));
        }
    }

    #[test]
    fn a_dependency_outside_keeps_its_relative_place() {
        let layout = layout("/w/app", &["/w/app", "/w/shared/dep"]);
        assert_eq!(layout.workspace, "/workspace/app");
        let places: Vec<_> = layout.mounts.iter().map(|mount| mount.container.as_str()).collect();
        assert_eq!(places, ["/workspace/app", "/workspace/shared/dep"]);
        assert_eq!(layout.to_host("/workspace/shared/dep/a.rs"), Some("/w/shared/dep/a.rs".into()));
        assert_eq!(layout.to_host("src/a.rs"), Some("/w/app/src/a.rs".into()));
        assert_eq!(layout.to_host("../shared/dep/a.rs"), Some("/w/app/../shared/dep/a.rs".into()));
        assert_eq!(layout.to_host("../../etc/passwd"), None);
        assert_eq!(layout.to_host("/workspace/app/../../etc/passwd"), None);
        assert_eq!(layout.to_host("/cargo/registry/x"), None);
        assert_eq!(layout.to_container(Path::new("/elsewhere")), None);
    }

    #[test]
    fn what_is_mounted_at_its_own_place_is_found_there() {
        let mut layout = layout("/w/app", &["/w/app"]);
        layout.mounts.push(Mount { host: "/lib/dep".into(), container: "/lib/dep".into() });
        assert_eq!(layout.to_host("/lib/dep/a.rs"), Some("/lib/dep/a.rs".into()));
        assert_eq!(layout.to_container(Path::new("/lib/dep/a.rs")), Some("/lib/dep/a.rs".into()));
        assert_eq!(layout.to_host("/lib/other/a.rs"), None);
    }

    #[test]
    fn headers_of_a_borrowed_toolchain_are_the_hosts() {
        let toolchain_mounts = vec![Mount { host: "/usr".into(), container: "/usr".into() }];
        let layout = Mounts { toolchain_mounts, ..layout("/w", &["/w"]) };
        assert_eq!(layout.to_host("/usr/include/zlib.h"), Some("/usr/include/zlib.h".into()));
        assert_eq!(layout.to_host("/target/out/made.rs"), None);
        assert_eq!(layout.to_container(Path::new("/usr/include/zlib.h")), None);
    }

    #[test]
    fn a_folder_is_not_inside_its_namesake() {
        let layout = layout("/w/app", &["/w/app", "/w/app-core", "/w/app/x"]);
        assert_eq!(layout.mounts.len(), 2);
    }
}
