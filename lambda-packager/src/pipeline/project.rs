//! The project: its workspace, its settings, and where its files are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::cargo::{Function, FunctionAt, Package, Workspace};
use crate::config::from_cargo_lambda::{CargoLambda, StandIn};
use crate::config::{Config, Layer, Names, Origin};
use crate::error::{Error, Result};
use crate::fingerprint::inputs;
use crate::pipeline::settings::{Asking, Sources};
use crate::pipeline::toolchains::Toolchains;
use crate::pipeline::{Places, Task};
use crate::sys::fs;

/// What the caller asks for.
pub struct Request {
    /// The folder to start from.
    pub start: PathBuf,
    /// Layers above those of the manifests, the strongest first.
    pub layers: Vec<(Origin, Layer)>,
    /// The caller is a program in the place of cargo-lambda.
    pub stand_in: Option<StandIn>,
}

/// The workspace, and the settings of the call.
pub struct Project {
    pub workspace: Workspace,
    /// Those that do not depend on a function. With one function it has those of its package too.
    pub config: Config,
    /// What cargo-lambda's tables say: settings, which are below ours, and what is not honoured.
    pub cargo_lambda: CargoLambda,
    sources: Sources,
    /// The settings that were resolved so far, by package and name of a function: a run asks for them several times, in a
    /// workspace of many functions for those of each.
    resolved: Mutex<BTreeMap<[String; 2], (Config, CargoLambda)>>,
    /// The functions that the settings select, once they are known.
    chosen: OnceLock<Vec<FunctionAt>>,
    toolchains: Toolchains,
}

impl Project {
    /// Finds the workspace and resolves the settings. Strongest first: those of `request`, of the package in the
    /// start folder, of the package that is packaged, of the workspace, of
    /// cargo-lambda's tables.
    ///
    /// # Errors
    /// There is no project, a setting is not valid, or the settings select no function.
    pub fn find(request: &Request) -> Result<Self> {
        let project = Self::around(request)?;
        project.tasks()?;
        Ok(project)
    }

    /// The same, also if the settings select no function.
    pub fn around(request: &Request) -> Result<Self> {
        let early = Config::resolve(request.layers.clone());
        let workspace = Workspace::discover(&request.start, early.is_set("locked").then_some(early.locked))?;
        let mut start = request.start.clone();
        if workspace.member_at(&start).is_none() {
            // A path through a link leads to the same package.
            start = fs::canonical(&start)?;
        }
        let asking = match workspace.member_at(&start) {
            Some(member) => {
                let (origin, layer) = member.layer()?;
                let of_code = request.layers.iter().filter(|(origin, _)| matches!(origin, Origin::Code(_)));
                let selecting: Vec<&Layer> = of_code.map(|(_, layer)| layer).chain([&layer]).collect();
                // One that packages others says how.
                let only = (!packages_others(&workspace, member, &selecting)?).then(|| member.name.clone());
                Some(Asking { origin, layer, only })
            }
            None => deployment(&workspace, &early)?.map(|(origin, layer)| Asking { origin, layer, only: None }),
        };
        let sources = Sources { start, asked: request.layers.clone(), stand_in: request.stand_in, asking };
        let (config, cargo_lambda) = sources.settings(&workspace, None, None)?;
        let (resolved, chosen, toolchains) = (Mutex::default(), OnceLock::new(), Toolchains::default());
        let mut project = Self { config, cargo_lambda, sources, workspace, resolved, chosen, toolchains };
        let of_function = project.selected().ok().and_then(|mut all| {
            let (_, config, cargo_lambda) = all.pop()?;
            all.is_empty().then_some((config, cargo_lambda))
        });
        if let Some(of_function) = of_function {
            (project.config, project.cargo_lambda) = of_function;
        }
        let programs = project.programs().into_iter();
        let layers = project.workspace.members.iter().filter_map(|package| {
            let layer = project.workspace.layer_of_files(package);
            let (config, _) = project.settings_of(&layer).ok()?;
            Some((layer, config))
        });
        let outputs =
            programs.chain(layers).filter_map(|(it, config)| inputs::output(&project.workspace, &it, &config));
        project.workspace.outputs = outputs.collect::<BTreeSet<_>>().into_iter().collect();
        Ok(project)
    }

    /// The functions that the settings select, each with its own settings, and what cargo-lambda's tables say of it.
    fn selected(&self) -> Result<Vec<(Function<'_>, Config, CargoLambda)>> {
        let chosen = match self.chosen.get() {
            Some(chosen) => chosen,
            None => {
                let of_function = |function: &Function| Ok(self.settings_of(function)?.0);
                let found = self.workspace.functions(&self.config, &self.sources.start, of_function)?;
                self.chosen
                    .get_or_init(|| found.iter().map(|(function, _)| self.workspace.place_of(function)).collect())
            }
        };
        let selected = chosen.iter().map(|at| {
            let function = self.workspace.function_at(*at);
            let (config, cargo_lambda) = self.settings_of(&function)?;
            Ok((function, config, cargo_lambda))
        });
        selected.collect()
    }

    fn settings_of(&self, function: &Function) -> Result<(Config, CargoLambda)> {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let of = [&function.package.name, &function.name].map(String::clone);
        if let Some(settings) = resolved.get(&of) {
            return Ok(settings.clone());
        }
        let settings = self.sources.settings(&self.workspace, Some(function.package), Some(&function.name))?;
        resolved.insert(of, settings.clone());
        Ok(settings)
    }

    /// Every program of the workspace, whatever is selected, with its settings. Without those whose settings are not valid:
    /// nothing can be made of them.
    pub fn programs(&self) -> Vec<(Function<'_>, Config)> {
        let all =
            self.workspace.members.iter().flat_map(|package| package.programs.iter().map(move |one| (package, one)));
        let with_settings = all.filter_map(|(package, program)| {
            let function = Function::of(package, program);
            let (config, _) = self.settings_of(&function).ok()?;
            Some((function, config))
        });
        with_settings.collect()
    }

    /// The functions to package.
    ///
    /// # Errors
    /// A setting is not valid, the settings select no function, or two functions have one `output`.
    pub fn tasks(&self) -> Result<Vec<Task<'_>>> {
        let (workspace, selected) = (&self.workspace, self.selected()?);
        let is_alone = selected.len() == 1;
        let mut tasks = Vec::new();
        for (function, mut config, cargo_lambda) in selected {
            config.features.retain(|feature| workspace.turns_on(feature, &function));
            let places = Places::of(workspace, &function, &config)?;
            tasks.push(Task {
                workspace,
                config,
                cargo_lambda,
                function,
                places,
                is_alone,
                toolchains: &self.toolchains,
            });
        }
        refuse_one_output_for_several(&tasks)?;
        Ok(tasks)
    }

    /// The one function that the settings select, for a command that is about one.
    ///
    /// # Errors
    /// There are several.
    pub fn task(&self) -> Result<Task<'_>> {
        let mut tasks = self.tasks()?;
        match (tasks.pop(), tasks.as_slice()) {
            (Some(task), []) => Ok(task),
            (last, _) => {
                let ids: Vec<_> = tasks.iter().chain(&last).map(|task| task.function.id.as_str()).collect();
                Err(Error::config(format!("there are several functions; select one: {}", ids.join(", "))).hint_with(
                    "name one with --function or --package, or `function` or `package` in [package.metadata.lambda-packager]",
                ))
            }
        }
    }
}

/// Whether a member packages functions of others: its manifest or its code, which are `selecting`, names them, or it has
/// none itself.
fn packages_others(workspace: &Workspace, member: &Package, selecting: &[&Layer]) -> Result<bool> {
    let files = workspace.layer_of_files(member);
    let config = Config::resolve(vec![member.layer()?, workspace.layer()?]);
    let mut own: Vec<Function> = member.programs.iter().map(|program| Function::of(member, program)).collect();
    own.extend(Some(files).filter(|files| !files.kind(&config).has_binary()));
    let is_own = |name: &str| own.iter().any(|function| function.is_selected(Some(&Names::new([name]))));
    let names_others =
        |layer: &&Layer| layer.package.is_some() || layer.function.iter().flat_map(Names::wanted).any(|it| !is_own(it));
    Ok(own.is_empty() || selecting.iter().any(names_others))
}

fn refuse_one_output_for_several(tasks: &[Task]) -> Result<()> {
    let mut outputs = BTreeMap::new();
    for task in tasks {
        let Some(output) = task.places.zips.get(1) else { continue };
        if let Some(other) = outputs.insert(output, task) {
            let (place, output) = (task.config.place_of("output"), output.display());
            let (one, two) = (&other.function.id, &task.function.id);
            return Err(Error::config(format!("{place}: {output} would be the zip of {one} and of {two}"))
                .hint_with("put the function's name into it: `dist/{function}.zip`; or select one function"));
        }
    }
    Ok(())
}

/// The settings of the member that packages others, if there is one such member, and `config` selects nothing else.
/// For a call at the top of a workspace, which is no package itself.
fn deployment(workspace: &Workspace, config: &Config) -> Result<Option<(Origin, Layer)>> {
    let mut found = Vec::new();
    for member in &workspace.members {
        let (origin, layer) = member.layer()?;
        let names_some = layer.package.is_some() || layer.function.is_some();
        if !names_some || !packages_others(workspace, member, &[&layer])? {
            continue;
        }
        let others = workspace.members.iter().filter(|other| other.name != member.name);
        let is_selected = |other: &Package, packages: &Option<Names>, functions: &Option<Names>| {
            let files = workspace.layer_of_files(other);
            let has_one = |names| {
                let mut programs = other.programs.iter().map(|program| Function::of(other, program));
                programs.any(|it| it.is_selected(Some(names))) || files.is_selected(Some(names))
            };
            packages.as_ref().is_none_or(|names| names.select(&[&other.name])) && functions.as_ref().is_none_or(has_one)
        };
        let mut packaged = others.filter(|other| is_selected(other, &layer.package, &layer.function));
        // What only leaves out narrows what that member packages.
        let wanted = |names: &Option<Names>| names.clone().filter(|names| !names.only_leaves_out());
        let (package, function) = (wanted(&config.package), wanted(&config.function));
        if packaged.any(|other| is_selected(other, &package, &function)) {
            found.push((origin, layer));
        }
    }
    Ok(found.pop().filter(|_| found.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    /// A workspace whose package `deploy` packages `api`; `api` and `web` have a bin `bootstrap` each.
    fn workspace(folder: &Path) -> PathBuf {
        let root = fs::canonical(folder).unwrap().join("w");
        let write = |name: &str, text: &str| fs::replace(&root.join(name), text.as_bytes(), 0o644, None).unwrap();
        write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"deploy\", \"web\"]\nresolver = \"2\"\n");
        for (name, main, settings) in [
            ("api", "src/bin/bootstrap.rs", "runtime = \"provided.al2\""),
            ("deploy", "src/lib.rs", "package = \"api\"\nlocked = true"),
            ("web", "src/bin/bootstrap.rs", ""),
        ] {
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                 [package.metadata.lambda-packager]\n{settings}\n"
            );
            write(&format!("{name}/Cargo.toml"), &manifest);
            write(&format!("{name}/{main}"), "fn main() {}\n");
        }
        let packages =
            ["api", "deploy", "web"].map(|name| format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n"));
        write("Cargo.lock", &format!("version = 3\n{}", packages.concat()));
        root
    }

    fn project(start: &Path, settings: serde_json::Value) -> Result<Project> {
        let layers = vec![(Origin::Flag, Layer::of(settings, &Origin::Flag).unwrap())];
        Project::around(&Request { start: start.to_path_buf(), layers, stand_in: None })
    }

    #[test]
    fn at_the_top_the_settings_are_those_of_the_one_package_that_packages_another() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        let found = |settings: serde_json::Value| {
            let project = project(&root, settings).unwrap();
            let function = project.task().map_or_else(|e| e.to_string(), |task| task.function.id);
            (function, project.config.locked, project.config.runtime.to_string())
        };
        assert_eq!(found(json!({})), ("api.bootstrap".into(), true, "provided.al2".into()));
        // The settings of `deploy` are about `api`.
        assert_eq!(found(json!({"package": "web"})), ("web.bootstrap".into(), false, "provided.al2023".into()));
        let web = root.join("web/Cargo.toml");
        let text = String::from_utf8(fs::read(&web).unwrap()).unwrap() + "package = \"api\"\n";
        fs::replace(&web, text.as_bytes(), 0o644, None).unwrap();
        let (error, locked, _) = found(json!({}));
        let expected = "there are several functions; select one: api.bootstrap, web.bootstrap";
        assert_eq!((error.as_str(), locked), (expected, false));
    }

    #[test]
    fn the_zips_of_all_functions_and_layers_are_no_inputs() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        let append = |file: &str, more: &str| {
            let text = String::from_utf8(fs::read(&root.join(file)).unwrap()).unwrap() + more;
            fs::replace(&root.join(file), text.as_bytes(), 0o644, None).unwrap();
        };
        append("Cargo.toml", "[workspace.metadata.lambda-packager]\noutput = \"dist/{function}.zip\"\n");
        append("web/Cargo.toml", "output = \"web.zip\"\n");
        append("deploy/Cargo.toml", "[package.metadata.lambda.build]\noutput_format = \"zip\"\nlambda_dir = \"out\"\n");
        for (of_workspace, expected) in [
            (true, "dist/api.bootstrap.zip dist/api.zip dist/deploy.zip web.zip"),
            (false, "out/deploy/bootstrap.zip web.zip"),
        ] {
            if !of_workspace {
                let text = String::from_utf8(fs::read(&root.join("Cargo.toml")).unwrap()).unwrap();
                fs::replace(&root.join("Cargo.toml"), text.replace("output", "# output").as_bytes(), 0o644, None)
                    .unwrap();
            }
            let outputs = project(&root.join("web"), json!({})).unwrap().workspace.outputs;
            let names = outputs.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string());
            assert_eq!(names.collect::<Vec<_>>().join(" "), expected);
        }
    }

    #[test]
    fn an_excluded_path_that_is_there_as_it_is_written_is_no_glob() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        fs::replace(&root.join("web/[ab].rs"), b"", 0o644, None).unwrap();
        let project = project(&root.join("web"), json!({"exclude": ["web/[ab].rs", "web/[cd].rs"]})).unwrap();
        assert_eq!(project.config.exclude, [r"web/\[ab].rs", "web/[cd].rs"]);
    }

    #[test]
    fn what_only_leaves_out_narrows_what_the_one_package_packages() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        for settings in [json!({"package": ["!api"]}), json!({"function": ["!api.bootstrap"]})] {
            let project = project(&root, settings.clone()).unwrap();
            let error = project.tasks().err().unwrap().to_string();
            assert!(error.contains("is left to package"), "{settings}: {error}");
        }
    }

    #[test]
    fn at_the_top_a_package_may_name_the_functions_of_others_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        let deploy = root.join("deploy/Cargo.toml");
        let text = String::from_utf8(fs::read(&deploy).unwrap()).unwrap();
        let text = text.replace("package = \"api\"", "functions = [\"api.bootstrap\"]");
        fs::replace(&deploy, text.as_bytes(), 0o644, None).unwrap();
        for (asked, function, locked) in [
            (json!({}), "api.bootstrap", true),
            (json!({"package": "api"}), "api.bootstrap", true),
            (json!({"package": "web"}), "web.bootstrap", false),
        ] {
            let project = project(&root, asked.clone());
            let found = project.map(|it| (it.task().unwrap().function.id.clone(), it.config.locked)).ok();
            assert_eq!(found, Some((function.to_string(), locked)), "{asked}");
        }
    }

    #[test]
    fn the_settings_of_a_package_are_for_others_where_it_packages_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        let manifest = fs::read(&root.join("api/Cargo.toml")).unwrap();
        let code = || Origin::Code(Vec::new());
        for (own, origin, asked, is_for_others) in [
            ("", Origin::Flag, json!({"package": "web"}), false),
            ("function = \"api.bootstrap\"\n", Origin::Flag, json!({"package": "web", "function": "*"}), false),
            ("function = \"web.*\"\n", Origin::Flag, json!({}), true),
            ("package = \"web\"\n", Origin::Flag, json!({}), true),
            ("", code(), json!({"package": "web"}), true),
            ("", code(), json!({"function": ["web.bootstrap"]}), true),
            // Alone it is a layer of files, whose settings are no one else's.
            (
                "kind = { api = \"layer\" }\ninclude = [\"Cargo.toml\"]\n",
                Origin::Flag,
                json!({"package": "web"}),
                false,
            ),
        ] {
            let is_layer = own.starts_with("kind");
            let text = String::from_utf8(manifest.clone()).unwrap() + own;
            fs::replace(&root.join("api/Cargo.toml"), text.as_bytes(), 0o644, None).unwrap();
            if is_layer {
                fs::remove_tree(&root.join("api/src")).unwrap();
                fs::replace(&root.join("api/src/lib.rs"), b"", 0o644, None).unwrap();
            }
            let layers = vec![(origin.clone(), Layer::of(asked.clone(), &origin).unwrap())];
            let request = Request { start: root.join("api"), layers, stand_in: None };
            let project = Project::around(&request).unwrap();
            let task = project.task().unwrap();
            assert_eq!(task.function.package.name, "web", "{own} {asked}");
            let is_of_api = task.config.runtime.to_string() == "provided.al2";
            assert_eq!(is_of_api, is_for_others, "{own} {asked}");
        }
    }

    #[test]
    fn a_link_leads_to_the_same_project_with_the_settings_of_its_package() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&root, &link).unwrap();
        for start in [root.join("api/src"), link.join("api"), link.join("api/src/bin")] {
            let project = project(&start, json!({})).unwrap();
            assert_eq!(project.workspace.root, root, "{}", start.display());
            assert_eq!(project.task().unwrap().function.id, "api.bootstrap", "{}", start.display());
        }
    }
}
