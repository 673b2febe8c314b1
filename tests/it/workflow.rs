//! The workflow of `.github/workflows`, read as data: it applies only what was pushed, it does nothing that
//! cannot be done at a desk, and it may no more than it needs.

use std::collections::BTreeSet;
use std::fs;

use serde_yaml_ng::{Mapping, Value};

use crate::support::repository;

fn workflow() -> String {
    fs::read_to_string(repository().join(".github/workflows/deploy.yml")).expect("a workflow")
}

fn targets() -> BTreeSet<String> {
    let makefile = fs::read_to_string(repository().join("Makefile")).expect("a Makefile");
    let lines = makefile.lines().filter(|line| line.contains(": ## "));
    lines.filter_map(|line| line.split(':').next().map(String::from)).collect()
}

/// Actions that prepare a machine; everything else is a make target.
const ACTIONS: [&str; 4] =
    ["actions/checkout", "actions/cache", "aws-actions/configure-aws-credentials", "hashicorp/setup-terraform"];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(word) => vec![word.clone()],
        Value::Sequence(words) => words.iter().map(text).collect(),
        _ => Vec::new(),
    }
}

struct Workflow {
    top: Value,
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_sequence().into_iter().flatten()
}

impl Workflow {
    fn read(text: &str) -> Self {
        Self { top: serde_yaml_ng::from_str(text).expect("YAML") }
    }

    fn jobs(&self) -> &Mapping {
        self.top["jobs"].as_mapping().expect("jobs")
    }

    /// The jobs that run a make target.
    fn that_make(&self, target: &str) -> Vec<String> {
        let line = format!("make {target}");
        let runs = |job: &Value| steps(job).any(|step| text(&step["run"]).trim() == line);
        self.jobs().iter().filter(|(_, job)| runs(job)).map(|(name, _)| text(name)).collect()
    }

    /// All that a job waits for.
    fn needed_by(&self, job: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for needed in words(&self.top["jobs"][job]["needs"]) {
            all.extend(self.needed_by(&needed));
            all.insert(needed);
        }
        all
    }

    /// What is wrong with it.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (first, then) in [("ci", "push"), ("push", "apply")] {
            let firsts = self.that_make(first);
            let thens = self.that_make(then);
            if firsts.is_empty() || thens.is_empty() {
                faults.push(format!("no job runs make {first}, or none make {then}"));
            }
            for job in thens.iter().filter(|job| !firsts.iter().any(|first| self.needed_by(job).contains(first))) {
                faults.push(format!("{job} does not wait for make {first}"));
            }
        }
        if self.top["permissions"] != serde_yaml_ng::from_str::<Value>("{contents: read}").expect("YAML") {
            faults.push("the permissions of all jobs are not `contents: read` alone".into());
        }
        let targets = targets();
        for (name, job) in self.jobs() {
            let name = text(name);
            let mut fault = |what: &str| faults.push(format!("{name}: {what}"));
            if ["always()", "failure()", "cancelled()"].iter().any(|sign| text(&job["if"]).contains(sign)) {
                fault("runs also after a failure");
            }
            if job["continue-on-error"].as_bool() == Some(true) {
                fault("lets a failure pass");
            }
            let mut logs_in = false;
            for step in steps(job) {
                let (uses, run) = (text(&step["uses"]), text(&step["run"]));
                if !step["continue-on-error"].is_null() || !step["if"].is_null() {
                    fault("has a step that may fail or be left out");
                }
                if uses.is_empty() {
                    let mut parts = run.trim().split(' ');
                    let is_make = parts.next() == Some("make") && parts.next().is_some_and(|it| targets.contains(it));
                    if !is_make || parts.next().is_some() || run.trim().contains('\n') {
                        fault(&format!("does what no make target does: {run}"));
                    }
                    continue;
                }
                let (action, version) = uses.split_once('@').unwrap_or((&uses, ""));
                logs_in |= action.ends_with("configure-aws-credentials");
                if !ACTIONS.contains(&action) {
                    fault(&format!("uses {action}"));
                }
                if version.len() != 40 || !version.chars().all(|c| c.is_ascii_hexdigit()) {
                    fault(&format!("{action} is not pinned to a commit"));
                }
            }
            for (permission, level) in job["permissions"].as_mapping().into_iter().flatten() {
                let allowed = match text(permission).as_str() {
                    "contents" => level == "read",
                    "id-token" => level == "write" && logs_in,
                    _ => false,
                };
                if !allowed {
                    fault(&format!("has the permission {}", text(permission)));
                }
            }
            if logs_in && job["permissions"]["id-token"].is_null() {
                fault("logs in without OIDC");
            }
        }
        faults
    }
}

#[test]
fn it_applies_what_was_pushed_and_does_what_make_does() {
    assert_eq!(Workflow::read(&workflow()).faults(), [""; 0]);
    assert!(!workflow().contains("secrets."), "OIDC needs no stored key");
    let apply = &Workflow::read(&workflow()).top["jobs"]["apply"];
    assert_eq!(apply["env"]["IMAGE"], "${{ needs.push.outputs.image }}");
}

#[test]
fn each_night_it_tests_all_cases_and_nothing_else() {
    let top = Workflow::read(&workflow()).top;
    assert!(top["on"]["schedule"][0]["cron"].is_string());
    let nightly = &top["jobs"]["nightly"];
    assert_eq!(nightly["if"], "github.event_name == 'schedule'");
    assert_eq!(nightly["env"]["PACKAGER_TESTS"], "full");
    for job in ["test", "push"] {
        assert!(text(&top["jobs"][job]["if"]).contains("github.event_name != 'schedule'"), "{job} runs each night too");
    }
}

/// The check itself: each of these changes has to be seen.
#[test]
fn a_workflow_that_does_otherwise_is_seen() {
    for (from, to, fault) in [
        ("    needs: push\n", "", "apply does not wait for make push"),
        ("    needs: push\n", "    needs: test\n", "apply does not wait for make push"),
        ("    needs: push\n", "    needs: push\n    if: always()\n", "apply: runs also after a failure"),
        ("    needs: test\n", "", "push does not wait for make ci"),
        ("run: make push", "run: make push && echo done", "push: does what no make target does"),
        ("run: make apply", "run: |\n          make apply\n          curl x", "apply: does what no make target does"),
        ("run: make push", "run: docker push x", "no job runs make push"),
        ("run: make ci", "run: make all", "test: does what no make target does"),
        ("run: make apply", "run: make apply\n        continue-on-error: true", "apply: has a step that may fail"),
        ("actions/cache@5a3ec84eff668545956fd18022155c47e93e2684", "actions/cache@v4", "actions/cache is not pinned"),
        ("actions/cache@", "someone/else@", "test: uses someone/else"),
        ("permissions:\n  contents: read", "permissions: write-all", "the permissions of all jobs"),
        ("      id-token: write # OIDC to AWS\n", "      packages: write\n", "apply: has the permission packages"),
        ("      id-token: write # OIDC to AWS\n", "", "apply: logs in without OIDC"),
    ] {
        let changed = workflow().replacen(from, to, 1);
        assert_ne!(changed, workflow(), "{from}");
        let faults = Workflow::read(&changed).faults();
        assert!(faults.iter().any(|seen| seen.contains(fault)), "{to:?}: {faults:?}");
    }
}
