//! Selects the function to package.

use std::path::Path;

use crate::cargo::{Bin, Package, Workspace};
use crate::config::Config;
use crate::error::{Error, Result};

/// The function to package.
#[derive(Clone)]
pub struct Function<'a> {
    pub package: &'a Package,
    /// The bin target.
    pub name: String,
    /// Its name among all functions of the workspace; also that of its folder under `target/lambda`.
    pub id: String,
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
        let bins =
            self.members.iter().filter(named).flat_map(|package| package.bins.iter().map(move |bin| (package, bin)));
        let (candidates, lacking): (Vec<_>, Vec<_>) =
            bins.partition(|(package, bin)| package.missing_features(bin, config).is_empty());
        let wanted = |(_, bin): &&(&Package, &Bin)| {
            config.function.as_ref().is_none_or(|name| [&bin.name, &bin.id].contains(&name))
        };
        let mut chosen: Vec<_> = candidates.iter().filter(wanted).collect();
        // In the folder of a member, select that member's function.
        let here = self.member_at(start).filter(|package| package.folder() != self.root && config.package.is_none());
        let is_here = |(package, _): &(&Package, &Bin)| here.is_some_and(|here| package.name == here.name);
        if chosen.len() > 1 && chosen.iter().any(|function| is_here(function)) {
            chosen.retain(|function| is_here(function));
        }
        let root = self.root.display();
        let names = || {
            let name = |(package, bin): &(&Package, &Bin)| match bin.id == bin.name {
                true => bin.name.clone(),
                false => format!("{} of the package {}", bin.name, package.name),
            };
            candidates.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let error = match (chosen.as_slice(), &config.function) {
            ([(package, bin)], _) => return Ok(Function { package, name: bin.name.clone(), id: bin.id.clone() }),
            ([], Some(name)) => {
                Error::config(format!("{}: there is no function `{name}` in {root}", config.place_of("function")))
                    .hint_with(format!("the functions are: {}", names()))
            }
            ([], None) => Error::config(format!("there is no bin target to package in {root}"))
                .hint_with("a Lambda needs src/main.rs or a [[bin]]"),
            _ => Error::config(format!("there are several functions; select one: {}", names())).hint_with(
                "name one with --function or --package, or `function` or `package` in [package.metadata.lambda-packager]",
            ),
        };
        // What is missing may be one that cargo builds only with more features.
        Err(match lacking.iter().find(wanted).filter(|_| chosen.is_empty()) {
            Some((package, bin)) => error.hint_with(format!(
                "`{}` of the package {} requires more features: `features = {:?}`",
                bin.name,
                package.name,
                package.missing_features(bin, config)
            )),
            None => error,
        })
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

    #[test]
    fn features_turn_on_the_bins_that_require_them() {
        let mut workspace = Workspace::sample(Path::new("/w"), &[("a", &["one", "extra"])]);
        let package = &mut workspace.members[0];
        package.bins[1].required_features = ["x".into(), "z".into()].into();
        package.features =
            [("default", vec!["z"]), ("all", vec!["x", "all", "dep:y"]), ("x", vec![]), ("z", vec!["other/z"])]
                .map(|(name, more)| (name.into(), more.into_iter().map(String::from).collect()))
                .into();
        let select = |mut settings: Value| {
            settings["function"] = "extra".into();
            let function = workspace.function(&Config::of(settings), Path::new("/w"));
            function.map_or_else(|e| e.report(), |function| function.id)
        };
        for on in [
            json!({"features": ["x"]}),
            json!({"features": ["a/all"]}),
            json!({"cargo_flags": ["--features", "q,x"]}),
            json!({"cargo_flags": ["-Fall"]}),
            json!({"cargo_flags": ["--all-features"]}),
            json!({"cargo_flags": ["--no-default-features"], "features": ["x", "z"]}),
        ] {
            assert_eq!(select(on.clone()), "extra", "{on}");
        }
        for off in [json!({}), json!({"features": ["x"], "cargo_flags": ["--no-default-features"]})] {
            let error = select(off);
            assert!(error.contains("requires more features: `features = ["), "{error}");
        }
    }

    #[test]
    fn the_innermost_member_is_here_and_bins_of_one_name_are_told_apart() {
        let workspace =
            Workspace::sample(Path::new("/w"), &[("a", &["one"]), ("a/b", &["two"]), ("deploy", &[]), ("c", &["one"])]);
        let function = |settings: Value, start: &str| workspace.function(&Config::of(settings), Path::new(start));
        assert_eq!(function(json!({}), "/w/a/b/src").unwrap().name, "two");
        assert_eq!(function(json!({"function": "one"}), "/w/c").unwrap().package.name, "c");
        // A package without a function is no reason to say that there is none.
        let error = function(json!({}), "/w/deploy").map(|function| function.name).unwrap_err();
        assert!(error.to_string().starts_with("there are several functions"), "{error}");
    }
}
