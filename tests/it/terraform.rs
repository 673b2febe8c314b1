//! The example of Terraform, where it and its provider are installed.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::deploy::with_plugins;
use crate::sam::examples;
use crate::support::{Ended, Moto, copy, is_full, is_installed, repository, skip};

#[test]
fn functions_of_the_example_are_applied_and_planned_again_only_if_they_change() {
    if !is_full() || !is_installed("terraform", "<https://developer.hashicorp.com/terraform/install>") {
        return;
    }
    let Some(moto) = Moto::start() else { return };
    let fixture = examples();
    // The example names the module by its place in this repository.
    copy(&repository().join("infra"), &fixture.around().parent().expect("a folder").join("infra"));
    fixture.run(&["--engine", "host"]).ok();
    let folder = fixture.around().join("terraform");
    let terraform = |args: &[&str]| {
        let mut command = Command::new("terraform");
        fixture.prepare(&mut command);
        with_plugins(&mut command);
        Ended::of(moto.prepare(&mut command).current_dir(&folder).args(args).arg("-no-color").stdin(Stdio::null()))
    };
    let init = terraform(&["init", "-input=false"]);
    if init.code != 0 && init.stderr.contains("worker.tf") {
        skip("terraform-modules", "the module of `worker` cannot be downloaded");
        fs::remove_file(folder.join("worker.tf")).expect("a file");
    }
    let init = terraform(&["init", "-input=false"]);
    if init.code != 0 {
        return skip("terraform", &format!("it gets no provider here: {}", init.stderr));
    }
    terraform(&["apply", "-input=false", "-auto-approve"]).ok();
    let name = "preprod-sse-streaming-lambda";
    let function: Value =
        serde_json::from_str(&moto.aws(&["lambda", "get-function", "--function-name", name])).expect("JSON");
    assert_eq!(function["Configuration"]["CodeSize"], fixture.zip("api").len());
    // Moto tells nothing of the module's `logging_config`, so "No changes" is never all that Terraform says.
    let plan = || terraform(&["plan", "-input=false"]).ok().stdout;
    fixture.run(&["--engine", "host", "--force"]).ok();
    let unchanged = plan();
    assert!(!unchanged.contains("source_code_hash") && !unchanged.contains("replaced"), "{unchanged}");
    fixture.write("api/src/main.rs", &fixture.text("api/src/main.rs").replace("bytes", "length"));
    fixture.run(&["--engine", "host"]).ok();
    let edited = plan();
    assert_eq!(edited.matches("~ source_code_hash").count(), 1, "{edited}");
}
