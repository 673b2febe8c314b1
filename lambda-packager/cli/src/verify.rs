//! Checks what was packaged: against its record, and by building it again on the other backend.

use std::slice::from_ref;

use lambda_packager::ManifestProblem;
use lambda_packager::internal::{
    ArtifactState, BackendRequest, Error, Gate, Looks, Project, Reporter, Request, Result, Seen, Sha, Stage, Task,
    Verdict, check, fs, package, retry, select, surroundings,
};

use crate::{answers, json};

mod elf_diff;

/// Checks the packaged functions, and prints what was found of each.
///
/// # Errors
/// If there is a difference (kind `Artifact`), or if a function cannot be built again. The others are checked all the same.
pub fn run(request: &Request, rebuild: bool, as_json: bool, report: &mut Reporter) -> Result<()> {
    let project = Project::find(request)?;
    let tasks = project.tasks()?;
    let count = tasks.len();
    let answers = tasks.into_iter().map(|task| {
        let function = task.function.id.clone();
        let lines = one(task, rebuild, report);
        let lines = lines.map(|lines| if as_json { vec![json::verified(&function, &lines)] } else { lines });
        (function, lines)
    });
    answers::print(count, answers, answers::line_of(as_json), "did not pass")
}

fn one(mut task: Task, rebuild: bool, report: &mut Reporter) -> Result<Vec<String>> {
    // With `force`, every zip would count as outdated.
    task.config.force = false;
    let Task { workspace, config, function, places, .. } = &task;
    let lock = task.lock(report)?;
    let gate = check::take(&task, &Looks::of_one(), lock.signed_at_ns()?)?;
    if let Err(problem) = &gate.recorded
        && *problem != ManifestProblem::Absent
    {
        return Err(Error::artifact(format!("the record of the last build does not count here: {problem}"))
            .hint_with("package again: `lambda-packager`"));
    }
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
    report.stage(Stage::Fetch, |_| workspace.fetch())?;
    let request = BackendRequest { workspace, config, before: None };
    let mut backend = report.stage(Stage::Container, |report| select::select(&request, report))?;
    // If there is no other one, from nothing: what is there already would be taken as it is.
    let from_nothing = config.from_nothing();
    let is_other = backend.record.clean_room != manifest.backend.clean_room;
    if !is_other && backend.record.clean_room {
        return Err(Error::engine(
            "there is no backend to rebuild it on but the clean room, which answers from its layers",
        )
        .hint_with(
            "`lambda-packager doctor` says why no container can be used; `make docker` makes every layer again",
        ));
    }
    let request = BackendRequest { config: if is_other { config } else { &from_nothing }, ..request };
    let surroundings = surroundings::digest(workspace, config, &gate.ingredients, &gate.now.snapshot)?;
    let seen = Seen { inputs: &gate.now.snapshot, found: &gate.found, surroundings, sharing: from_ref(function) };
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
