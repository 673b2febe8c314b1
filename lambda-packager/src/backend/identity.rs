//! The name of a project's container, and the labels that show which project it belongs to.

use std::path::{Path, PathBuf};

use crate::cargo::Workspace;
use crate::config::{Arch, Base, Config, Mode, Network, Runtime};
use crate::engine::Container;
use crate::error::Result;
use crate::sys::{Lock, Sha, machine};

/// The project that a container belongs to: a digest of its path, user and machine.
const PROJECT: &str = "lambda-packager.project";
/// The path of the project, for people.
pub const PATH: &str = "lambda-packager.path";
/// The user that the container is for, and a digest of the user's machine.
const USER: &str = "lambda-packager.user";

/// Name and identity of the project's container.
pub struct Identity {
    pub name: String,
    pub project: String,
    pub user: u32,
    /// The machine of the project: others may use the same engine, and have the same paths and user ids.
    machine: String,
}

impl Identity {
    /// The identity for a workspace and a user of a machine: a digest of the three makes it unique in an engine, and the
    /// folder's name makes it readable. Functions that need another container than the usual one get one of their own name,
    /// so that none removes another's, perhaps in the middle of a compile.
    fn of(workspace: &Path, user: u32, machine: String, config: &Config) -> Self {
        let project = Sha::of(format!("{machine}\0{user}\0{}", workspace.display()).as_bytes()).short(16);
        let folder = workspace.file_name().unwrap_or_default().to_string_lossy();
        let mut slug: String =
            folder.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        slug.truncate(32);
        let slug = slug.trim_matches('-');
        let middle = if slug.is_empty() { String::new() } else { format!("{slug}-") };
        let of_needs = needs(config).map(|needs| Sha::of(format!("{project}\0{needs}").as_bytes()).short(8));
        let name = match (&config.container_name, of_needs) {
            (Some(chosen), None) => chosen.clone(),
            (Some(chosen), Some(digits)) => format!("{chosen}-{digits}"),
            (None, digits) => format!("lambda-packager-{middle}{}", digits.as_deref().unwrap_or(&project[..8])),
        };
        Self { name, project, user, machine }
    }

    /// The identity of a workspace for the owner of a lock that is held in it.
    pub fn of_owner(lock: &Lock, workspace: &Workspace, config: &Config) -> Result<Self> {
        Ok(Self::of(&workspace.root, lock.owner()?.0, machine()?, config))
    }

    /// The identity of a workspace for the user who compiles here: the owner of what we write here.
    pub fn here(workspace: &Workspace, config: &Config) -> Result<Self> {
        let lock = Lock::acquire(&workspace.state_folder().join("who.lock"), |_| ())?;
        Self::of_owner(&lock, workspace, config)
    }

    /// The label that all of this project's containers carry.
    pub fn label(&self) -> String {
        format!("{PROJECT}={}", self.project)
    }

    /// The label of everything that is made for this user of this machine, whatever project it is for.
    pub fn label_of_user(&self) -> String {
        format!("{USER}={}", self.owner())
    }

    fn owner(&self) -> String {
        format!("{}@{}", self.user, self.machine)
    }

    /// The labels of everything that is made for this project.
    pub fn labels(&self, workspace: &Workspace, config: &Config) -> Vec<String> {
        let mut labels = vec![self.label(), self.label_of_user(), format!("{PATH}={}", workspace.root.display())];
        labels.extend(config.label.clone());
        labels
    }

    /// Whether a container is this user's, on this machine.
    pub fn is_of_user(&self, container: &Container) -> bool {
        container.label(USER) == Some(&self.owner())
    }

    /// Whether a container is this project's: also by its name, since one that somebody made of ours has our labels.
    pub fn owns(&self, container: &Container) -> bool {
        container.is_ours() && container.label(PROJECT) == Some(&self.project)
    }
}

/// The settings of a function that decide from which image its container is made and what it reaches. `None` if they are
/// the defaults.
fn needs(config: &Config) -> Option<String> {
    // Only the builder image is one of a runtime; a borrowed toolchain has a linker for the architecture too.
    let own = Arch::of_this_machine();
    let (runtime, arch) = match config.base {
        Base::Auto => (config.runtime, config.target_arch),
        Base::Host => (Runtime::ProvidedAl2023, config.target_arch),
        _ => (Runtime::ProvidedAl2023, own),
    };
    let usual = (&Base::Auto, Network::None, Runtime::ProvidedAl2023, own);
    if (&config.base, config.network, runtime, arch) == usual {
        return None;
    }
    let other = if arch == own { String::new() } else { format!("\0{arch}") };
    Some(format!("{}\0{}\0{runtime}{other}", config.base, config.network))
}

/// The lock file of a workspace's container, which its functions share.
pub fn lock_file(workspace: &Workspace) -> PathBuf {
    workspace.state_folder().join("container.lock")
}

/// The lock file of what compiles in the container `name` of a workspace, or in the folder of the host with that name.
pub fn lock_of_compile(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.state_folder().join(format!("compile-{name}.lock"))
}

/// The tag of an image that is made for a function of a project. It has only letters, digits, `_`, `.` and `-`, and at most 128 of them.
pub fn image_tag(project: &str, function: &str, mode: Mode) -> String {
    let mut slug: String = function.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    slug.truncate(64);
    format!("f-{slug}-{}", Sha::of(format!("{project}\0{function}\0{mode}").as_bytes()).short(12))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_valid_for_any_path_and_differ_by_path_user_and_machine() {
        let config = Config::resolve(Vec::new());
        let named = |path: &str, user, machine: &str| Identity::of(Path::new(path), user, machine.into(), &config).name;
        let name = |path: &str, user| named(path, user, "m");
        for path in ["/", "/a b/ü,\"x\":y", "/x/...", &format!("/{}", "n".repeat(255))] {
            let name = name(path, 0);
            assert!(name.starts_with("lambda-packager-") && name.len() <= 63, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        }
        assert_ne!(name("/a/p", 0), name("/b/p", 0));
        assert_ne!(name("/a/p", 0), name("/a/p", 1));
        assert_ne!(name("/a/p", 0), named("/a/p", 0, "another"));
        assert_eq!(name("/a/p", 0), name("/a/p", 0));
    }

    #[test]
    fn functions_with_other_needs_have_containers_of_their_own() {
        let name =
            |settings: serde_json::Value| Identity::of(Path::new("/a/p"), 0, "m".into(), &Config::of(settings)).name;
        let other = if Arch::of_this_machine() == Arch::Arm64 { "x86_64" } else { "arm64" };
        let settings = [
            json!({}),
            json!({"target_arch": other}),
            json!({"network": "bridge"}),
            json!({"runtime": "provided.al2"}),
            json!({"base": "host"}),
            json!({"base": "host", "target_arch": other}),
            json!({"base": "rust:1"}),
            json!({"base": "rust:1", "network": "bridge"}),
        ];
        let names: BTreeSet<String> = settings.iter().cloned().map(name).collect();
        assert_eq!(names.len(), settings.len(), "{names:?}");
        for (one, same) in [
            (json!({}), json!({"mode": "dev", "network": "none", "features": ["a"]})),
            (json!({"base": "host"}), json!({"base": "host", "runtime": "provided.al2"})),
            (json!({"base": "rust:1"}), json!({"base": "rust:1", "target_arch": other})),
        ] {
            assert_eq!(name(one), name(same));
        }
        assert_eq!(name(json!({"container_name": "mine"})), "mine");
        let other = name(json!({"container_name": "mine", "network": "bridge"}));
        assert!(other.starts_with("mine-") && other.len() == "mine-".len() + 8, "{other}");
    }
}
