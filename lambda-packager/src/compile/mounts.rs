//! The paths of the host's folders in the container. The workspace is at `/workspace`. If it has path dependencies
//! outside, then the folder around all of them is, so that every `../` leads to the same place. Fixed paths make the
//! bytes the same from any checkout.

use std::path::{Path, PathBuf};

use crate::cargo::Workspace;
use crate::engine::Mount;
use crate::sys::{lexically_clean, relative};

/// The workspace's path in a container.
pub const WORKSPACE: &str = "/workspace";
/// Cargo's home in the container.
pub const CARGO_HOME: &str = "/cargo";
/// Cargo's target directory in the container.
pub const TARGET: &str = "/target";

/// The folders of the host, and their paths in the container.
#[derive(Debug, Default)]
pub struct Mounts {
    /// The folder of the host that is at `/workspace`.
    pub common: PathBuf,
    /// The workspace itself, in the container.
    pub workspace: String,
    /// The workspace and its path dependencies. Empty on the host, where every path is the same.
    pub source_mounts: Vec<Mount>,
    /// Folders of a toolchain that is mounted from the host: headers in them can be inputs.
    pub toolchain_mounts: Vec<Mount>,
}

impl Mounts {
    /// The mounts for a workspace; `further` are folders that cargo's configuration in it names by a relative path.
    /// All functions of a workspace share them: cargo resolves the workspace as a whole.
    pub fn of(workspace: &Workspace, further: &[PathBuf]) -> Self {
        let outside = &workspace.path_dependencies;
        let roots = std::iter::once(&workspace.root).chain(&outside.folders).chain(further);
        let mut mounts = Self::of_roots(&workspace.root, roots.cloned().collect());
        // Cargo looks for an absolute path at that path only.
        mounts.source_mounts.extend(outside.absolute.iter().map(|folder| Mount::at_its_own_path(folder)));
        mounts
    }

    /// The mounts for folders that keep their relative places.
    pub fn of_roots(workspace: &Path, mut roots: Vec<PathBuf>) -> Self {
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
            source_mounts: outermost.iter().map(|root| Mount { host: root.clone(), container: place(root) }).collect(),
            common,
            toolchain_mounts: Vec::new(),
        }
    }

    /// For the host's own compile: every path is the same.
    pub fn of_the_host(workspace: &Workspace) -> Self {
        Self { common: PathBuf::from("/"), workspace: workspace.root.to_string_lossy().into_owned(), ..Self::default() }
    }

    /// The path of `host` in the container, `None` if it is not there.
    pub fn to_container(&self, host: &Path) -> Option<String> {
        if self.source_mounts.is_empty() {
            return Some(host.to_string_lossy().into_owned());
        }
        let mount = self.source_mounts.iter().find(|mount| host.starts_with(&mount.host))?;
        let below = relative(host, &mount.host);
        Some(if below.is_empty() { mount.container.clone() } else { format!("{}/{below}", mount.container) })
    }

    /// The host's path for a path in the container, `None` if the host does not have it.
    pub fn to_host(&self, container: &str) -> Option<PathBuf> {
        if Path::new(container).is_relative() {
            return self.to_host(&format!("{}/{container}", self.workspace));
        }
        let path = Path::new(container);
        if self.source_mounts.is_empty() {
            return Some(path.to_path_buf());
        }
        // A file that is not mounted was not read, even if a build script names it.
        let clean = lexically_clean(path);
        let mut mounts = self.source_mounts.iter().chain(&self.toolchain_mounts);
        let mount = mounts.find(|mount| clean.starts_with(&mount.container))?;
        // With its `..`: a folder on the way may be a link, and `..` then leads elsewhere.
        match (path.strip_prefix(WORKSPACE), path.strip_prefix(&mount.container)) {
            (Ok(below), _) if clean.starts_with(WORKSPACE) => Some(self.common.join(below)),
            (_, Ok(below)) => Some(mount.host.join(below)),
            _ => Some(mount.host.join(clean.strip_prefix(&mount.container).ok()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(workspace: &str, roots: &[&str]) -> Mounts {
        Mounts::of_roots(Path::new(workspace), roots.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn a_workspace_alone_is_at_the_same_path_from_anywhere() {
        for root in ["/home/a/p", "/tmp/b c"] {
            let mounts = mounts(root, &[root, &format!("{root}/lambda")]);
            assert_eq!(mounts.workspace, "/workspace");
            assert_eq!(mounts.source_mounts, [Mount { host: root.into(), container: "/workspace".into() }]);
            let main = Path::new(root).join("lambda/src/main.rs");
            assert_eq!(mounts.to_host("/workspace/lambda/src/main.rs"), Some(main));
            assert_eq!(mounts.to_container(&Path::new(root).join("x")), Some("/workspace/x".into()));
        }
    }

    #[test]
    fn a_folder_is_mounted_once_and_not_with_one_of_a_similar_name() {
        assert_eq!(mounts("/w/app", &["/w/app", "/w/app-core", "/w/app/x"]).source_mounts.len(), 2);
    }

    #[test]
    fn paths_lead_to_the_same_file_on_the_host() {
        let mut mounts = mounts("/w/app", &["/w/app", "/w/shared/dep"]);
        mounts.source_mounts.push(Mount::at_its_own_path("/lib/dep".as_ref()));
        mounts.toolchain_mounts.push(Mount::at_its_own_path("/usr".as_ref()));
        let containers: Vec<_> = mounts.source_mounts.iter().map(|mount| mount.container.as_str()).collect();
        assert_eq!(containers, ["/workspace/app", "/workspace/shared/dep", "/lib/dep"]);
        assert_eq!(mounts.workspace, "/workspace/app");
        for (container, host) in [
            ("/workspace/shared/dep/a.rs", Some("/w/shared/dep/a.rs")),
            ("src/a.rs", Some("/w/app/src/a.rs")),
            ("../shared/dep/a.rs", Some("/w/app/../shared/dep/a.rs")),
            ("/lib/dep/a.rs", Some("/lib/dep/a.rs")),
            ("/usr/include/zlib.h", Some("/usr/include/zlib.h")),
            ("/workspace/../lib/dep/a.rs", Some("/lib/dep/a.rs")),
            ("../../etc/passwd", None),
            ("/workspace/app/../../etc/passwd", None),
            ("/lib/other/a.rs", None),
            ("/cargo/registry/x", None),
            ("/target/out/made.rs", None),
        ] {
            assert_eq!(mounts.to_host(container), host.map(PathBuf::from), "{container}");
        }
        for (host, container) in [
            ("/w/app", Some("/workspace/app")),
            ("/w/shared/dep/a.rs", Some("/workspace/shared/dep/a.rs")),
            ("/lib/dep/a.rs", Some("/lib/dep/a.rs")),
            ("/usr/include/zlib.h", None),
            ("/elsewhere", None),
        ] {
            assert_eq!(mounts.to_container(Path::new(host)).as_deref(), container, "{host}");
        }
    }
}
