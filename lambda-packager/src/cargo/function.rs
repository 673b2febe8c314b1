//! A function: a bin, an example or a layer of files.

use std::path::Path;

use crate::cargo::{Closure, Package, Program, Workspace};
use crate::config::{ArtifactKind, Config, Names};
use crate::sys::Glob;

/// The function to package.
#[derive(Clone)]
pub struct Function<'a> {
    pub package: &'a Package,
    /// The bin or the example; of a layer of files, the package.
    pub name: String,
    /// Its name among all functions of the workspace; also that of its folder under `target/lambda`.
    pub id: String,
    pub is_example: bool,
}

/// Where a workspace has a function: by the number of a member, and of a program of it. Without one, it is its files.
#[derive(Debug, Clone, Copy)]
pub struct FunctionAt {
    member: usize,
    program: Option<usize>,
}

impl<'a> Function<'a> {
    pub fn of(package: &'a Package, program: &Program) -> Self {
        let Program { name, id, is_example, .. } = program;
        Self { package, name: name.clone(), id: id.clone(), is_example: *is_example }
    }

    /// What cargo compiles it from.
    pub fn closure(&self) -> &'a Closure {
        let with_dev = self.package.with_dev.as_ref().filter(|_| self.is_example);
        with_dev.unwrap_or(&self.package.closure)
    }

    /// Where cargo puts it, relative to the folder of a profile. No bin has the path of an example.
    pub fn path(&self) -> String {
        if self.is_example { format!("examples/{}", self.name) } else { self.name.clone() }
    }

    /// Whether the setting `function` selects it. An example has to be meant: by its id, which is its name where nothing else
    /// has that, or by its path, of which a glob selects no bin.
    pub fn is_selected(&self, names: Option<&Names>) -> bool {
        if !self.is_example {
            return names.is_none_or(|names| names.select(&[&self.name, &self.id]));
        }
        let path = self.path();
        let is_meant = |name: &str| self.id == name || Glob::new(name).matches(&path);
        names.is_some_and(|names| names.wanted().any(is_meant) && !names.leaves_out(&[&self.id, &path]))
    }

    /// What its zip is for. A name or glob means what it means in the setting `function`.
    pub fn kind(&self, config: &Config) -> ArtifactKind {
        config.kind.of(|name| self.is_selected(Some(&Names::new([name]))))
    }
}

impl Workspace {
    /// The innermost member whose folder contains `start`.
    pub fn member_at(&self, start: &Path) -> Option<&Package> {
        let around = self.members.iter().filter(|package| start.starts_with(package.folder()));
        around.max_by_key(|package| package.folder().components().count())
    }

    /// Where `function`, which is one of this workspace, has its place.
    pub fn place_of(&self, function: &Function) -> FunctionAt {
        // No two members have one name.
        let member = self.members.iter().take_while(|package| package.name != function.package.name).count();
        FunctionAt { member, program: function.package.programs.iter().position(|program| program.id == function.id) }
    }

    /// The function there.
    pub fn function_at(&self, FunctionAt { member, program }: FunctionAt) -> Function<'_> {
        let package = &self.members[member];
        match program {
            Some(program) => Function::of(package, &package.programs[program]),
            None => self.layer_of_files(package),
        }
    }

    /// The package itself, whose included files are a layer.
    pub fn layer_of_files<'a>(&self, package: &'a Package) -> Function<'a> {
        let name = package.name.clone();
        let is_taken = self.members.iter().flat_map(|package| &package.programs).any(|program| program.id == name);
        // No name of a package has a dot.
        let id = if is_taken { format!("{name}.layer") } else { name.clone() };
        Function { package, name, id, is_example: false }
    }
}
