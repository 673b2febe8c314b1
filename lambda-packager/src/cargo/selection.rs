//! Selects the functions to package.

use std::path::Path;

use crate::cargo::{Function, Package, Workspace};
use crate::config::{Config, Names};
use crate::error::{Error, Result};

impl Workspace {
    /// The functions that the settings select, each with the settings of its own: `of_call` are those of the call, which
    /// select packages, and `of_function` adds those that are made for one function.
    ///
    /// # Errors
    /// If a name or glob matches nothing, if two packages have a function of a name, or if there is no function.
    pub fn functions(
        &self,
        of_call: &Config,
        start: &Path,
        of_function: impl Fn(&Function) -> Result<Config>,
    ) -> Result<Vec<(Function<'_>, Config)>> {
        let mut candidates = Vec::new();
        for package in self.packages(of_call)? {
            for program in &package.programs {
                let function = Function::of(package, program);
                let config = of_function(&function)?;
                let missing_features = package.missing_features(program, &config);
                let found = Candidate { function, missing_features, config };
                candidates.extend(Some(found).filter(Candidate::has_binary));
            }
            let function = self.layer_of_files(package);
            let config = of_function(&function)?;
            let layer = Candidate { function, missing_features: Vec::new(), config };
            candidates.extend(Some(layer).filter(|layer| !layer.has_binary()));
        }
        let (candidates, lacking): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|found| found.missing_features.is_empty());
        let chosen: Vec<&Candidate> = candidates.iter().filter(|found| found.is_selected()).collect();
        let mut chosen = self.nearest(chosen, of_call, start);
        // At last, so that others do not come in for what is left out.
        let is_left_out = |found: &Candidate| {
            of_call.package.as_ref().is_some_and(|names| names.leaves_out(&[&found.function.package.name]))
        };
        chosen.retain(|found| !is_left_out(found));
        self.refuse_unmatched(&candidates, &lacking, &chosen, of_call)?;
        refuse_two_of_a_name(&chosen)?;
        Ok(chosen.into_iter().map(Candidate::selected).collect())
    }

    /// The packages that the setting `package` selects; all if it only leaves out.
    fn packages(&self, config: &Config) -> Result<Vec<&Package>> {
        let Some(names) = &config.package else { return Ok(self.members.iter().collect()) };
        let is_known = |name: &str| {
            let pattern = Names::new([name]);
            self.members.iter().any(|package| pattern.select(&[&package.name]))
        };
        if let Some(name) = names.all().find(|name| !is_known(name)) {
            let known: Vec<_> = self.members.iter().map(|package| package.name.as_str()).collect();
            let (place, root) = (config.place_of("package"), self.root.display());
            return Err(Error::config(format!("{place}: the workspace {root} has no package `{name}`"))
                .hint_with(format!("its packages are: {}", known.join(", "))));
        }
        let is_meant = |package: &&Package| names.only_leaves_out() || names.select(&[&package.name]);
        Ok(self.members.iter().filter(is_meant).collect())
    }

    /// Of what was chosen, that of the package of the folder `start`; where nothing is named, that of the default
    /// members, as cargo does.
    fn nearest<'c, 'a>(&self, chosen: Vec<&'c Candidate<'a>>, config: &Config, start: &Path) -> Vec<&'c Candidate<'a>> {
        if config.package.as_ref().is_some_and(|names| !names.only_leaves_out()) {
            return chosen;
        }
        let here = self.member_at(start).filter(|package| package.folder() != self.root);
        let is_here = |found: &&Candidate| here.is_some_and(|here| found.function.package.name == here.name);
        let names_none = config.function.as_ref().is_none_or(Names::only_leaves_out);
        let is_default = |found: &&Candidate| names_none && found.function.package.is_default;
        let only =
            |wanted: &dyn Fn(&&Candidate) -> bool| chosen.iter().copied().filter(|found| wanted(found)).collect();
        let nearest: [Vec<&Candidate>; 2] = [only(&is_here), only(&is_default)];
        nearest.into_iter().find(|found| !found.is_empty()).unwrap_or(chosen)
    }

    fn refuse_unmatched(
        &self,
        candidates: &[Candidate],
        lacking: &[Candidate],
        chosen: &[&Candidate],
        of_call: &Config,
    ) -> Result<()> {
        let root = self.root.display();
        // What is missing may be one that cargo builds only with more features.
        let and_features =
            |error: Error, is_meant: &dyn Fn(&Candidate) -> bool| match lacking.iter().find(|found| is_meant(found)) {
                Some(Candidate { function, missing_features, .. }) => error.hint_with(format!(
                    "`{}` of the package {} requires more features: `features = {missing_features:?}`",
                    function.path(),
                    function.package.name,
                )),
                None => error,
            };
        let configs = candidates.iter().map(|found| &found.config).chain([of_call]);
        for config in configs.clone() {
            // The packages of a call narrow what a manifest lists of the whole workspace.
            let is_narrowed = config.is_stronger("package", "function");
            for name in config.function.iter().flat_map(Names::wanted) {
                let pattern = Names::new([name]);
                let matches = |found: &Candidate| found.function.is_selected(Some(&pattern));
                let is_known = candidates.iter().any(matches) || (is_narrowed && self.has(&pattern));
                if !is_known {
                    let names: Vec<_> = candidates.iter().map(Candidate::shown).collect();
                    let error = format!("{}: there is no function `{name}` in {root}", config.place_of("function"));
                    let error = Error::config(error).hint_with(format!("the functions are: {}", names.join(", ")));
                    return Err(and_features(error, &matches));
                }
            }
        }
        self.refuse_unmatched_kinds(configs.clone())?;
        if !chosen.is_empty() {
            return Ok(());
        }
        let selecting = |config: &&Config| config.is_set("package") || config.is_set("function");
        let is_left_out =
            |package: &Package| of_call.package.as_ref().is_some_and(|names| names.leaves_out(&[&package.name]));
        let is_any = !candidates.is_empty() || self.members.iter().any(is_left_out);
        let error = match configs.clone().find(selecting).filter(|_| is_any) {
            Some(config) => {
                let places = ["package", "function"].into_iter().filter(|setting| config.is_set(setting));
                let places: Vec<_> = places.map(|setting| config.place_of(setting)).collect();
                let names: Vec<_> = candidates.iter().map(Candidate::shown).collect();
                let error = format!("{}: no function of {root} is left to package", places.join(", "));
                Error::config(error).hint_with(match names.as_slice() {
                    [] => "each package that is named is left out too".to_string(),
                    names => format!("the functions are: {}", names.join(", ")),
                })
            }
            None => Error::config(format!("there is no bin target to package in {root}"))
                .hint_with("a Lambda needs src/main.rs or a [[bin]]"),
        };
        Err(and_features(error, &|found| found.is_selected()))
    }
}

impl Workspace {
    /// Whether any package has a function that `names` select.
    fn has(&self, names: &Names) -> bool {
        let programs = self.members.iter().flat_map(|package| package.programs.iter().map(move |one| (package, one)));
        let mut functions = programs.map(|(package, program)| Function::of(package, program));
        functions.any(|function| function.is_selected(Some(names)))
            || self.members.iter().any(|package| self.layer_of_files(package).is_selected(Some(names)))
    }

    /// A table of kinds is about all functions of the workspace, whichever are selected.
    fn refuse_unmatched_kinds<'c>(&self, configs: impl Iterator<Item = &'c Config>) -> Result<()> {
        let programs =
            || self.members.iter().flat_map(|package| package.programs.iter().map(move |one| (package, one)));
        for config in configs {
            for (name, kind) in config.kind.named() {
                let names = Names::new([name]);
                let is_meant = |function: Function| function.is_selected(Some(&names));
                let (place, root) = (config.place_of("kind"), self.root.display());
                if kind.has_binary() && !programs().any(|(package, program)| is_meant(Function::of(package, program))) {
                    let known: Vec<_> = programs().map(|(package, one)| Function::of(package, one).path()).collect();
                    return Err(Error::config(format!("{place}: there is no function `{name}` in {root}"))
                        .hint_with(format!("the functions are: {}", known.join(", "))));
                }
                if !kind.has_binary() && !self.members.iter().any(|package| is_meant(self.layer_of_files(package))) {
                    let known: Vec<_> = self.members.iter().map(|package| package.name.as_str()).collect();
                    return Err(Error::config(format!("{place}: there is no package `{name}` in {root}")).hint_with(
                        format!(
                            "a layer of files is a package, and not one of its bins; the packages are: {}",
                            known.join(", ")
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A bin, an example or a layer of files, with its settings.
struct Candidate<'a> {
    function: Function<'a>,
    missing_features: Vec<String>,
    config: Config,
}

impl<'a> Candidate<'a> {
    fn has_binary(&self) -> bool {
        self.function.kind(&self.config).has_binary()
    }

    fn is_selected(&self) -> bool {
        self.function.is_selected(self.config.function.as_ref())
    }

    fn selected(&self) -> (Function<'a>, Config) {
        (self.function.clone(), self.config.clone())
    }

    fn shown(&self) -> String {
        let Function { package, name, id, .. } = &self.function;
        let path = self.function.path();
        if id == name { path } else { format!("{path} of the package {}", package.name) }
    }
}

/// Refuses a name without a glob that selects the functions of two packages: one of them is not meant.
fn refuse_two_of_a_name(chosen: &[&Candidate]) -> Result<()> {
    for found in chosen {
        let path = found.function.path();
        let namesakes: Vec<_> = chosen.iter().filter(|other| other.function.path() == path).collect();
        let is_named = found.config.function.iter().flat_map(Names::wanted).any(|name| *name == path);
        if namesakes.len() > 1 && is_named {
            let place = found.config.place_of("function");
            let ids: Vec<_> = namesakes.iter().map(|found| found.function.id.as_str()).collect();
            return Err(Error::config(format!("{place}: there are several functions `{path}`"))
                .hint_with(format!("select one by its package, or by its id: {}", ids.join(", "))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Layer, Origin};

    /// The ids of what is selected, or the error; `own` are the settings of a package or of a function, `*` those of the
    /// workspace.
    fn select(workspace: &Workspace, settings: &Value, start: &str, own: &[(&str, Value)]) -> String {
        let table = Origin::Manifest("workspace.metadata.lambda-packager", "/w/Cargo.toml".into());
        let layer = |settings: &Value, origin: &Origin| (origin.clone(), Layer::of(settings.clone(), origin).unwrap());
        let of = |names: &[&str]| {
            let own = own.iter().filter(|(name, _)| names.contains(name));
            let own = own.map(|(_, settings)| layer(settings, &table));
            Config::resolve([layer(settings, &Origin::Flag)].into_iter().chain(own).collect())
        };
        let of_function = |function: &Function| Ok(of(&["*", &function.package.name, &function.name]));
        let functions = workspace.functions(&of(&["*"]), Path::new(start), of_function);
        let ids = |functions: Vec<(Function, Config)>| {
            functions.into_iter().map(|(function, _)| function.id).collect::<Vec<_>>().join(" ")
        };
        functions.map_or_else(|e| e.report(), ids)
    }

    #[test]
    fn settings_and_folder_select_the_functions() {
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &["one"]), ("b", &["two", "three"]), ("c", &[])]);
        for (settings, start, expected) in [
            (json!({"function": "two"}), "/w", "two"),
            (json!({"package": "a"}), "/w/b", "one"),
            (json!({"package": "b", "function": "three"}), "/w", "three"),
            (json!({}), "/w/a/src", "one"),
            (json!({}), "/w", "one two three"),
            (json!({}), "/w/b", "two three"),
            (json!({}), "/w/c", "one two three"),
            (json!({"function": ["t*", "one"]}), "/w", "one two three"),
            (json!({"function": ["!two"]}), "/w", "one three"),
            (json!({"package": ["*", "!a"]}), "/w/a", "two three"),
            // What is only left out narrows what is meant without it.
            (json!({"package": ["!b"]}), "/w", "one"),
            (json!({"package": ["!a"]}), "/w/b", "two three"),
        ] {
            assert_eq!(select(&workspace, &settings, start, &[]), expected, "{settings} in {start}");
        }
        for (settings, expected) in [
            (json!({"package": "c"}), "there is no bin target to package in /w"),
            (json!({"package": ["a", "x*"]}), "has no package `x*`"),
            (json!({"package": ["*", "!x"]}), "its packages are: a, b, c"),
            (json!({"package": "a", "function": "two"}), "the functions are: one"),
            (json!({"function": ["one", "four*"]}), "flag --function: there is no function `four*`"),
            (json!({"function": ["!*"]}), "flag --function: no function of /w is left to package"),
        ] {
            let selected = select(&workspace, &settings, "/w", &[]);
            assert!(selected.contains(expected), "{settings}: {selected}");
        }
        let selected = select(&workspace, &json!({"package": ["!b"]}), "/w/b", &[]);
        assert!(selected.contains("flag --package: no function of /w is left to package"), "{selected}");
        // A package says which of its bins are functions, and a call is stronger.
        let own = [("b", json!({"function": "two"}))];
        assert_eq!(select(&workspace, &json!({}), "/w", &own), "one two");
        assert_eq!(select(&workspace, &json!({"function": "three"}), "/w", &own), "three");
        assert_eq!(workspace.member_at(Path::new("/w/b/src")).unwrap().name, "b");
        assert!(workspace.member_at(Path::new("/w")).is_none());
    }

    #[test]
    fn the_packages_of_a_call_narrow_the_functions_that_a_manifest_lists() {
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &["api", "admin"]), ("w", &["worker"]), ("x", &[])]);
        for listed_in in ["*", "a"] {
            let listed = [(listed_in, json!({"functions": ["api", "worker"]}))];
            let select = |settings: Value| select(&workspace, &settings, "/w", &listed);
            for (settings, expected) in [
                (json!({}), "api worker"),
                (json!({"package": "a"}), "api"),
                (json!({"package": ["*", "!w"]}), "api"),
                (json!({"package": ["!w"]}), "api"),
                (json!({"function": "admin"}), "admin"),
            ] {
                assert_eq!(select(settings.clone()), expected, "{settings} {listed_in}");
            }
            let error = select(json!({"package": "a", "function": "worker"}));
            assert!(error.contains("flag --function: there is no function `worker`"), "{error}");
        }
        let wrong = [("*", json!({"functions": ["api", "wroker"]}))];
        for settings in [json!({}), json!({"package": "a"})] {
            let error = select(&workspace, &settings, "/w", &wrong);
            assert!(error.contains("there is no function `wroker` in /w"), "{settings}: {error}");
        }
        let other = [("*", json!({"functions": ["api"]}))];
        let error = select(&workspace, &json!({"package": "w"}), "/w", &other);
        let places = "flag --package, `function` in [workspace.metadata.lambda-packager] of /w/Cargo.toml: no function";
        assert!(error.contains(places) && error.contains("the functions are: worker"), "{error}");
    }

    #[test]
    fn a_table_of_kinds_is_about_functions_by_name_and_layers_by_package() {
        let mut workspace =
            Workspace::sample(Path::new("/w"), &[("a", &["api", "log", "demo"]), ("assets", &[]), ("b", &["b"])]);
        workspace.members[0].programs[2].is_example = true;
        let table = |kinds: Value| json!({"kind": kinds});
        for (kinds, expected) in [
            (json!({"log": "extension"}), "api function, log extension, b function"),
            (json!({"l*": "extension", "assets": "layer"}), "api function, log extension, assets layer, b function"),
            (json!({"*": "extension", "api": "function"}), "api function, log extension, b extension"),
            (json!({"examples/d*": "extension"}), "api function, log function, b function"),
            // A layer of files is the package: its bins are none.
            (json!({"b": "layer"}), "api function, log function, b layer"),
            (json!("layer"), "a layer, assets layer, b layer"),
        ] {
            let config = Config::of(table(kinds.clone()));
            let all = workspace.functions(&config, Path::new("/w"), |_| Ok(config.clone())).unwrap();
            let shown = all.iter().map(|(function, config)| format!("{} {}", function.name, function.kind(config)));
            assert_eq!(shown.collect::<Vec<_>>().join(", "), expected, "{kinds}");
            for (function, _) in &all {
                let found = workspace.function_at(workspace.place_of(function));
                let parts = |function: &Function| (function.id.clone(), function.path(), function.package.name.clone());
                assert_eq!(parts(&found), parts(function), "{kinds}");
            }
        }
        // The table is about all functions, and a call about some.
        let of_b = json!({"package": "b", "kind": {"log": "extension", "assets": "layer"}});
        assert_eq!(select(&workspace, &of_b, "/w", &[]), "b");
        for (kinds, expected) in [
            (
                json!({"lo": "extension"}),
                "flag --kind: there is no function `lo` in /w\n  help: the functions are: api, log",
            ),
            (json!({"log": "extension", "x*": "function"}), "there is no function `x*`"),
            (json!({"assets": "extension"}), "there is no function `assets`"),
            (json!({"log": "layer"}), "there is no package `log` in /w\n  help: a layer of files is a package"),
        ] {
            let error = select(&workspace, &table(kinds), "/w", &[]);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn where_nothing_is_named_the_default_members_are_meant() {
        let mut workspace = Workspace::sample(Path::new("/w"), &[("a", &["one"]), ("b", &["two"])]);
        workspace.members[0].is_default = false;
        assert_eq!(select(&workspace, &json!({}), "/w", &[]), "two");
        assert_eq!(select(&workspace, &json!({"function": "!demo*"}), "/w", &[]), "two");
        assert_eq!(select(&workspace, &json!({"function": "one"}), "/w", &[]), "one");
        let error = select(&workspace, &json!({"package": ["!b"]}), "/w", &[]);
        assert!(error.contains("no function of /w is left"), "{error}");
        workspace.members[1].is_default = false;
        assert_eq!(select(&workspace, &json!({}), "/w", &[]), "one two");
    }

    #[test]
    fn features_turn_on_the_bins_that_require_them() {
        let mut workspace = Workspace::sample(Path::new("/w"), &[("a", &["one", "extra"])]);
        let package = &mut workspace.members[0];
        package.programs[1].required_features = ["x".into(), "z".into()].into();
        package.features =
            [("default", vec!["z"]), ("all", vec!["x", "all", "dep:y"]), ("x", vec![]), ("z", vec!["other/z"])]
                .map(|(name, more)| (name.into(), more.into_iter().map(String::from).collect()))
                .into();
        assert_eq!(select(&workspace, &json!({}), "/w", &[]), "one");
        // They may be turned on for this bin alone.
        let own = [("extra", json!({"features": ["x"]}))];
        assert_eq!(select(&workspace, &json!({}), "/w", &own), "one extra");
        let select = |mut settings: Value| {
            settings["function"] = "extra".into();
            select(&workspace, &settings, "/w", &[])
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
    fn an_example_is_selected_only_where_it_is_meant() {
        let mut workspace =
            Workspace::sample(Path::new("/w"), &[("a", &["one", "demo", "both", "solo"]), ("b", &["two", "demo"])]);
        for (member, at, id) in [(0, 1, "a.example.demo"), (0, 2, "both"), (0, 3, "solo"), (1, 1, "b.example.demo")] {
            let program = &mut workspace.members[member].programs[at];
            (program.is_example, program.id) = (true, id.into());
        }
        let select = |settings: Value| select(&workspace, &settings, "/w", &[]);
        for (settings, expected) in [
            (json!({}), "one two"),
            (json!({"function": "*"}), "one two"),
            (json!({"function": ["!one"]}), "two"),
            (json!({"package": "a", "function": "solo"}), "solo"),
            (json!({"function": ["solo", "t*"]}), "solo two"),
            (json!({"function": "examples/s*"}), "solo"),
            (json!({"package": "a", "function": "examples/*"}), "a.example.demo both solo"),
            (json!({"function": ["examples/*", "!examples/demo", "!solo"]}), "both"),
            (json!({"package": "b", "function": "examples/demo"}), "b.example.demo"),
            (json!({"function": "a.example.demo"}), "a.example.demo"),
        ] {
            assert_eq!(select(settings.clone()), expected, "{settings}");
        }
        for (settings, expected) in [
            (json!({"function": "demo"}), "there is no function `demo` in /w"),
            (
                json!({"function": "s*"}),
                "one, examples/demo of the package a, examples/both, examples/solo, two, examples/",
            ),
            (json!({"function": "examples/demo"}), "several functions `examples/demo`"),
            (json!({"package": "b", "function": "!*"}), "flag --package, flag --function: no function of /w is left"),
        ] {
            assert!(select(settings.clone()).contains(expected), "{settings}: {}", select(settings.clone()));
        }
    }

    #[test]
    fn the_innermost_member_is_here_and_bins_of_one_name_are_told_apart() {
        let workspace =
            Workspace::sample(Path::new("/w"), &[("a", &["one"]), ("a/b", &["two"]), ("deploy", &[]), ("c", &["one"])]);
        let select = |settings: Value, start: &str| select(&workspace, &settings, start, &[]);
        assert_eq!(select(json!({}), "/w/a/b/src"), "two");
        let of_c = &workspace.members[3];
        assert_eq!((of_c.name.as_str(), select(json!({"function": "one"}), "/w/c")), ("c", "one".to_string()));
        // A package without a function is no reason to say that there is none.
        let error = select(json!({"function": "one"}), "/w/deploy");
        assert!(error.contains("flag --function: there are several functions `one`"), "{error}");
        assert_eq!(select(json!({}), "/w/deploy"), "one two one");
    }
}
