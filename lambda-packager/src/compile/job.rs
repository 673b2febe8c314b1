//! What a compile is given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cargo::{Function, LocalPackage, Package, Workspace, owner_of};
use crate::compile::Layout;
use crate::config::Config;
use crate::snapshot::Snapshot;
use crate::sys::Sha;

/// Functions to compile in one call of cargo, and how.
#[derive(Clone)]
pub struct CompileJob<'a> {
    pub workspace: &'a Workspace,
    /// At least one.
    pub functions: &'a [Function<'a>],
    /// These, and further ones that share their compiled dependencies, where these are a step of their own.
    pub sharing: &'a [Function<'a>],
    pub config: &'a Config,
    pub layout: Layout,
    /// Cargo's target directory, as the compile sees it.
    pub target: &'a str,
    /// The files that it is made of.
    pub inputs: &'a Snapshot,
    /// A digest of the influences on a compile that cargo does not check.
    pub surroundings: Sha,
    /// A unique name of this compile.
    pub compile: String,
    /// Start with an empty target directory.
    pub wipe: bool,
    /// The image that may keep the compiled dependencies, and a script to run during the first compile in the target
    /// directory.
    pub deps: Option<(&'a str, &'static str)>,
    /// Whether a compile can read more than its sources: headers of the machine.
    pub reads_outside: bool,
}

impl<'a> CompileJob<'a> {
    /// The package of the first function.
    pub fn package(&self) -> &'a Package {
        self.functions[0].package
    }

    /// The packages of the functions, each once.
    pub fn packages(&self) -> Vec<&'a Package> {
        self.one_of_each().into_iter().map(|function| function.package).collect()
    }

    /// The first function of each package. All of a package have the same closure: examples are compiled without bins.
    fn one_of_each(&self) -> Vec<&'a Function<'a>> {
        let mut found: Vec<&Function> = Vec::new();
        for function in self.functions {
            if !found.iter().any(|known| known.package.name == function.package.name) {
                found.push(function);
            }
        }
        found
    }

    /// All local packages in the closure of their dependencies, each once.
    pub fn local_packages(&self) -> Vec<&'a LocalPackage> {
        let mut local: Vec<&LocalPackage> = Vec::new();
        for package in self.one_of_each().into_iter().flat_map(|function| &function.closure().local) {
            if !local.iter().any(|known| known.folder == package.folder) {
                local.push(package);
            }
        }
        local
    }

    /// The folders of unpacked crates in that closure.
    pub fn downloads(&self) -> BTreeSet<&'a PathBuf> {
        let all = self.one_of_each().into_iter().flat_map(|function| &function.closure().downloads);
        all.filter_map(|index| self.workspace.downloads.get(*index)).collect()
    }

    /// The innermost of the local packages whose folder contains `path`.
    pub fn owner_of(&self, path: &Path) -> Option<&'a LocalPackage> {
        owner_of(path, self.local_packages())
    }

    /// The names of the functions, for people.
    pub fn shown(&self) -> String {
        let names: Vec<&str> = self.functions.iter().map(|function| function.name.as_str()).collect();
        names.join(", ")
    }
}
