//! Selects the function to package.

use std::path::Path;

use crate::cargo::{Package, Workspace};
use crate::config::Config;
use crate::error::{Error, Result};

/// The function to package.
#[derive(Clone)]
pub struct Function<'a> {
    pub package: &'a Package,
    /// The bin target; also the name of its folder under `target/lambda`.
    pub name: String,
}

impl Workspace {
    /// The innermost member whose folder contains `start`.
    pub fn member_at(&self, start: &Path) -> Option<&Package> {
        let around = self.members.iter().filter(|package| start.starts_with(package.folder()));
        around.max_by_key(|package| package.folder().components().count())
    }

    /// The function that the settings select.
    ///
    /// # Errors
    /// If a name is unknown, or if there are several functions and the settings name none.
    pub fn function(&self, config: &Config, start: &Path) -> Result<Function<'_>> {
        if let Some(name) = &config.package
            && !self.members.iter().any(|package| package.name == *name)
        {
            let known: Vec<_> = self.members.iter().map(|package| package.name.as_str()).collect();
            let (place, root) = (config.place_of("package"), self.root.display());
            return Err(Error::config(format!("{place}: the workspace {root} has no package `{name}`"))
                .hint_with(format!("its packages are: {}", known.join(", "))));
        }
        let named = |package: &&Package| config.package.as_ref().is_none_or(|name| package.name == *name);
        let candidates: Vec<Function> = (self.members.iter().filter(named))
            .flat_map(|package| package.bins.iter().map(move |bin| Function { package, name: bin.clone() }))
            .collect();
        let names = || candidates.iter().map(|function| function.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut chosen: Vec<&Function> = candidates.iter().collect();
        chosen.retain(|function| config.function.as_ref().is_none_or(|name| function.name == *name));
        if chosen.len() > 1 {
            // In the folder of a member, select that member's function.
            let is_here = |package: &&Package| start.starts_with(package.folder()) && package.folder() != self.root;
            let here = self.members.iter().find(is_here);
            if let Some(here) = here.filter(|_| config.package.is_none()) {
                chosen.retain(|function| function.package.name == here.name);
            }
        }
        let root = self.root.display();
        match (chosen.as_slice(), &config.function) {
            ([function], _) => Ok((*function).clone()),
            ([], Some(name)) => {
                let place = config.place_of("function");
                Err(Error::config(format!("{place}: there is no function `{name}` in {root}"))
                    .hint_with(format!("the functions are: {}", names())))
            }
            ([], None) => Err(Error::config(format!("there is no bin target to package in {root}"))
                .hint_with("a Lambda needs src/main.rs or a [[bin]]")),
            _ => Err(Error::config(format!("there are several functions; select one: {}", names())).hint_with(
                "name one with --function, or `function` or `package` in [package.metadata.lambda-packager]",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn settings_and_folder_select_the_function() {
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &["one"]), ("b", &["two", "three"]), ("c", &[])]);
        let select = |settings: &Value, start: &str| {
            let config = Config::of(settings.clone());
            let function = workspace.function(&config, Path::new(start));
            function.map_or_else(|e| e.report(), |function| format!("{}/{}", function.package.name, function.name))
        };
        for (settings, start, expected) in [
            (json!({"function": "two"}), "/w", "b/two"),
            (json!({"package": "a"}), "/w/b", "a/one"),
            (json!({"package": "b", "function": "three"}), "/w", "b/three"),
            (json!({}), "/w/a/src", "a/one"),
            (json!({}), "/w", "there are several functions; select one: one, two, three"),
            (json!({}), "/w/b", "there are several functions"),
            (json!({"package": "c"}), "/w", "there is no bin target to package in /w"),
            (json!({"package": "x"}), "/w", "its packages are: a, b, c"),
            (json!({"package": "a", "function": "two"}), "/w", "the functions are: one"),
        ] {
            let selected = select(&settings, start);
            assert!(selected.contains(expected), "{settings} in {start}: {selected}");
        }
        assert_eq!(workspace.member_at(Path::new("/w/b/src")).unwrap().name, "b");
        assert!(workspace.member_at(Path::new("/w")).is_none());
    }
}
