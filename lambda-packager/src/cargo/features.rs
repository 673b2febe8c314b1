//! With which features cargo compiles what a package depends on, if it compiles that package alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cargo::command::cargo;
use crate::cargo::{Closure, Function, Package, Workspace};
use crate::config::Arch;
use crate::error::{Error, Result};
use crate::snapshot::{Computed, Memo};

/// The features of each crate, by its name, version and source; several lists where build scripts and macros need other
/// ones than the function.
type Features = BTreeMap<String, BTreeSet<String>>;

/// What cargo resolves for one package.
#[derive(Serialize, Deserialize)]
pub struct ResolvedFeatures {
    all: Features,
    /// Without what only build scripts and macros need.
    of_target: Features,
}

impl ResolvedFeatures {
    /// Whether each crate that both need has the same features in both: then cargo compiles each of the two packages as
    /// if it were alone, also if it is told to compile both.
    ///
    /// Source: <https://doc.rust-lang.org/cargo/reference/resolver.html#features>.
    pub fn agree_with(&self, other: &Self) -> bool {
        let agree = |one: &Features, other: &Features| {
            one.iter().all(|(name, features)| other.get(name).is_none_or(|others| features == others))
        };
        agree(&self.all, &other.all) && agree(&self.of_target, &other.of_target)
    }
}

impl Workspace {
    /// The features for the package of `function` alone, with its default features. Calls cargo only if there is no valid cached record.
    ///
    /// # Errors
    /// If cargo cannot resolve them, for example because a crate is not downloaded.
    pub fn resolved_features(&self, function: &Function, arch: Arch) -> Result<ResolvedFeatures> {
        let name = &function.package.name;
        // Cargo takes the features that dev-dependencies turn on where it compiles an example. No name has a dot.
        let (of, dev) = if function.is_example { (".example", ",dev") } else { ("", "") };
        let path = self.state_folder().join(format!("features-{name}{of}-{arch}.json"));
        if let Some(known) = Memo::<ResolvedFeatures>::load(&path, &self.root)? {
            return Ok(known.value);
        }
        let compute = || {
            let tree = |edges: &str| {
                let (edges, package) = (format!("--edges={edges}{dev}"), format!("--package={name}"));
                let target = format!("--target={}", arch.triple());
                let args = ["tree", "--locked", "--offline", "--color=never", "--prefix=none", "--format={p}\t{f}"];
                let output = cargo(&self.root, &[&args[..], &[&edges, &package, &target]].concat())?;
                Ok::<_, Error>(features(&String::from_utf8_lossy(&output.stdout)))
            };
            let value = ResolvedFeatures { all: tree("normal,build")?, of_target: tree("normal,no-proc-macro")? };
            Ok(Computed { deps: self.memo_deps()?, path: path.clone(), base: self.root.clone(), value })
        };
        Ok(Memo::compute(compute)?.value)
    }
}

impl Workspace {
    /// Whether a feature that is given for several packages is one for `function`: not if its package lacks it, and another
    /// member has it, which it is for then. Cargo refuses what no member has.
    ///
    /// Source: <https://doc.rust-lang.org/cargo/reference/features.html#command-line-feature-options>.
    pub fn turns_on(&self, feature: &str, function: &Function) -> bool {
        let has = |package: &Package| match feature.split_once('/') {
            Some((of, _)) => self.compiles(&package.closure, of.trim_end_matches('?')),
            None => package.features.contains_key(feature),
        };
        has(function.package) || !self.members.iter().any(has)
    }

    /// Whether a package of that name is compiled for what has this closure.
    fn compiles(&self, closure: &Closure, name: &str) -> bool {
        // The folder of a download is named after it and its version.
        let is_version = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        let is_it = |folder: &PathBuf| {
            let folder = folder.file_name().unwrap_or_default().to_string_lossy();
            folder.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_version)
        };
        closure.local.iter().any(|local| local.name == name)
            || closure.downloads.iter().filter_map(|index| self.downloads.get(*index)).any(is_it)
    }
}

/// Reads lines of a crate, a tab, and its features. ` (*)` ends one that was listed before.
fn features(tree: &str) -> Features {
    let mut features = Features::new();
    for line in tree.lines() {
        let line = line.strip_suffix(" (*)").unwrap_or(line);
        if let Some((name, list)) = line.split_once('\t') {
            // ` (proc-macro)` follows the name of a macro.
            features.entry(name.to_string()).or_default().insert(list.to_string());
        }
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(all: &str, of_target: &str) -> ResolvedFeatures {
        ResolvedFeatures { all: features(all), of_target: features(of_target) }
    }

    #[test]
    fn crates_that_both_need_have_to_have_the_same_features() {
        let api = resolved("api v1\t\nserde v1\tstd\nserde v1\tstd (*)\nx v1\ta,b", "api v1\t\nserde v1\tstd");
        for (all, of_target, agree) in [
            ("web v1\t\nserde v1\tstd", "web v1\t\nserde v1\tstd", true),
            ("web v1\t\nserde v2\tderive", "web v1\t\nserde v2\tderive", true),
            ("web v1\t\nserde v1\tderive,std", "web v1\t\nserde v1\tderive,std", false),
            // Its build script needs more.
            ("web v1\t\nserde v1\tstd\nserde v1\tderive,std", "web v1\t\nserde v1\tstd", false),
            ("web v1\t\nserde v1\tstd", "web v1\t\nserde v1\t", false),
        ] {
            let web = resolved(all, of_target);
            assert_eq!([api.agree_with(&web), web.agree_with(&api)], [agree; 2], "{all}");
        }
    }
}
