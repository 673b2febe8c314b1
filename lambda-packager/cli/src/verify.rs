//! Checks what was packaged: against its record, and by building it again on the other backend.

use std::slice::from_ref;

use lambda_packager::internal::{
    ArtifactState, BackendRequest, Error, Gate, Looks, Project, Reporter, Request, Result, Seen, Sha, Stage, Task,
    Verdict, check, fs, package, print_lines, retry, select, surroundings,
};

mod elf_diff;

/// Checks the packaged functions, and prints what was found of each.
///
/// # Errors
/// If there is a difference (kind `Artifact`), or if a function cannot be built again. The others are checked all the same.
pub fn run(request: &Request, rebuild: bool, report: &mut Reporter) -> Result<()> {
    let project = Project::find(request)?;
    let tasks = project.tasks()?;
    let (count, mut failed) = (tasks.len(), Vec::new());
    for task in tasks {
        let id = task.function.id.clone();
        match one(task, rebuild, report) {
            Ok(lines) => print_lines(&lines),
            Err(error) if count == 1 || error.is_interrupted() => return Err(error),
            Err(error) => {
                print_lines(&[format!("{id}: {}", error.with_advice())]);
                failed.push((id, error));
            }
        }
    }
    let Some((_, first)) = failed.first() else { return Ok(()) };
    let ids: Vec<_> = failed.iter().map(|(id, _)| id.as_str()).collect();
    let what = format!("{} of {count} functions did not pass: {}", ids.len(), ids.join(", "));
    Err(Error::new(first.kind(), what).hint_with("what was found of each is told above"))
}

fn one(mut task: Task, rebuild: bool, report: &mut Reporter) -> Result<Vec<String>> {
    // With `force`, every zip would count as outdated.
    task.config.force = false;
    let Task { workspace, config, function, places, .. } = &task;
    let lock = task.lock(report)?;
    let gate = check::take(&task, &Looks::of_one(), lock.signed_at_ns()?)?;
    for (path, state) in &gate.artifact {
        let what = match state {
            ArtifactState::Intact => continue,
            ArtifactState::Missing => "is missing",
            ArtifactState::Modified(_) => "is not what was packaged",
        };
        return Err(Error::artifact(format!("{path} {what}")).hint_with("package again: `lambda-packager`"));
    }
    if let Verdict::Miss(reasons) = check::decide(&gate, config) {
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        return Err(Error::artifact(format!(
            "the files on disk were not made from the current inputs: {}",
            reasons.join(", ")
        ))
        .hint_with("package first: `lambda-packager`"));
    }
    let zip = places.zips.first().map(|path| fs::read(path)).transpose()?.unwrap_or_default();
    let Some(bootstrap) = &places.bootstrap else {
        return Ok(vec![format!("{} is as it was packaged: sha256 {}", function.id, Sha::of(&zip))]);
    };
    let bootstrap = fs::read(bootstrap)?;
    package::check(&bootstrap, &task, report)?;
    let runtime = config.runtime;
    let mut lines =
        vec![format!("{} is as it was packaged, and starts on {runtime}: sha256 {}", function.id, Sha::of(&zip))];
    let Gate { recorded: Ok(manifest), .. } = &gate else { return Ok(lines) };
    if !rebuild {
        return Ok(lines);
    }
    let config = &config.on_other_backend(manifest.backend.clean_room);
    report.stage(Stage::Fetch, |_| workspace.fetch(config.target_arch))?;
    let request = BackendRequest { workspace, config, before: None };
    let mut backend = report.stage(Stage::Container, |report| select::select(&request, report))?;
    let surroundings = surroundings::digest(workspace, config, &gate.ingredients, &gate.now.snapshot)?;
    let seen = Seen { inputs: &gate.now.snapshot, found: &gate.found, surroundings };
    let compiled = report
        .stage(Stage::Compile, |report| retry::compile(&request, from_ref(function), &mut backend, &seen, report))?;
    let binary = compiled.binary_of(&function.name);
    let members = package::check(binary, &task, report)?;
    let bytes = package::archive(binary, members, &task)?;
    if bytes == zip {
        lines.push(format!("{} is rebuilt to the same bytes: {}", function.id, backend.record));
        return Ok(lines);
    }
    let found = match binary == bootstrap {
        true => vec!["an included file, or the zip archive itself".to_string()],
        false => elf_diff::sections(&bootstrap, binary),
    };
    let backends = format!("on disk: {}; rebuilt: {}", manifest.backend, backend.record);
    let error = Error::artifact(format!("rebuilt, {} is not the same: {}", function.id, found.join("; ")));
    Err(error.source(backends).hint_with(
        "the same builder image makes the same bytes, unless a build script reads a clock, a path or random data",
    ))
}
