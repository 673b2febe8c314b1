//! The workflow of `.github/workflows`, read as data: it applies only what was pushed, it does nothing that
//! cannot be done at a desk, and it may no more than it needs.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_yaml_ng::{Mapping, Value};

use crate::support::{Ended, repository};

fn workflow() -> String {
    fs::read_to_string(repository().join(".github/workflows/deploy.yml")).expect("a workflow")
}

fn targets() -> BTreeSet<String> {
    let makefile = fs::read_to_string(repository().join("Makefile")).expect("a Makefile");
    let lines = makefile.lines().filter(|line| line.contains(": ## "));
    lines.filter_map(|line| line.split(':').next().map(String::from)).collect()
}

/// Actions that prepare a machine; everything else is a make target.
const ACTIONS: [&str; 6] = [
    "actions/checkout",
    "actions/cache",
    "actions/download-artifact",
    "actions/upload-artifact",
    LOGIN,
    "hashicorp/setup-terraform",
];
const LOGIN: &str = "aws-actions/configure-aws-credentials";

/// What a job with credentials may make: none of these compiles, if they get the packager and the image.
const WITH_CREDENTIALS: [&str; 3] = ["make handover-load", "make push", "make apply"];

/// What each of these jobs is told by variables, and by nobody else.
const VARIABLES: [(&str, &str, &str); 12] = [
    ("image", "ENV", "${{ inputs.environment || 'preprod' }}"),
    ("image", "FORCE", "${{ inputs.force && '1' || '' }}"),
    ("image", "ARCHIVE", "target/image.tar"),
    ("push", "ENV", "${{ inputs.environment || 'preprod' }}"),
    ("push", "REGISTRY", "${{ vars.REGISTRY }}"),
    ("push", "ARCHIVE", "target/image.tar"),
    ("push", "PACKAGER", "target/release/lambda-packager"),
    ("apply", "ENV", "${{ inputs.environment || 'preprod' }}"),
    ("apply", "REGISTRY", "${{ vars.REGISTRY }}"),
    ("apply", "IMAGE", "${{ needs.push.outputs.image }}"),
    ("apply", "STATE_BUCKET", "${{ vars.STATE_BUCKET }}"),
    ("apply", "PACKAGER", "target/release/lambda-packager"),
];

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
        for (first, then) in [("ci", "push"), ("image", "push"), ("push", "apply")] {
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
        self.image_is_made_for_everybody(&mut faults);
        self.values_are_handed_on(&mut faults);
        for job in self.that_make("ci").iter().filter(|job| *job != "nightly").chain(&self.that_make("image")) {
            if !is_cached(&self.top["jobs"][job]) {
                faults.push(format!("{job} compiles everything again: no cache of cargo's downloads and target"));
            }
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
                logs_in |= action == LOGIN;
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
            let calls_terraform = lines_of(job).iter().any(|line| ["make ci", "make apply"].contains(&line.as_str()));
            if calls_terraform && !steps(job).any(|step| text(&step["uses"]).starts_with("hashicorp/setup-terraform@"))
            {
                fault("has no Terraform");
            }
            if logs_in && job["permissions"]["id-token"].is_null() {
                fault("logs in without OIDC");
            }
            for step in steps(job).filter(|_| logs_in) {
                let (uses, run) = (text(&step["uses"]), text(&step["run"]));
                if uses.starts_with("actions/cache@") {
                    fault("holds credentials and restores a cache");
                }
                if uses.is_empty() && !WITH_CREDENTIALS.contains(&run.trim()) {
                    fault(&format!("holds credentials and does more than push and apply: {run}"));
                }
            }
        }
        faults
    }

    /// On pull requests too, and without credentials; the kept images come from the job before, and go to the next.
    fn image_is_made_for_everybody(&self, faults: &mut Vec<String>) {
        let jobs = self.that_make("image");
        if jobs.is_empty() {
            faults.push("no job runs make image".into());
        }
        for name in jobs {
            let job = &self.top["jobs"][&name];
            let condition = text(&job["if"]);
            if !job["needs"].is_null() || !["", "github.event_name != 'schedule'"].contains(&condition.as_str()) {
                faults.push(format!("{name} does not run on every pull request"));
            }
            if !job["permissions"].is_null() || steps(job).any(|step| text(&step["uses"]).starts_with(LOGIN)) {
                faults.push(format!("{name} compiles with credentials"));
            }
            let made = lines_of(job);
            if made != ["make kept-images-load", "make image", "make kept-images-save", "make handover-save"] {
                faults.push(format!("{name} does not load, make, save and hand over: {made:?}"));
            }
        }
    }

    /// Each job gets what the one before it made, under the name that the make targets read.
    fn values_are_handed_on(&self, faults: &mut Vec<String>) {
        for (job, name, value) in VARIABLES {
            if self.top["jobs"][job]["env"][name] != value {
                faults.push(format!("{job}: {name} is not {value}"));
            }
        }
        for (name, job) in self.jobs() {
            for variable in job["env"].as_mapping().into_iter().flatten().map(|(variable, _)| text(variable)) {
                let is_known = VARIABLES.iter().any(|(job, known, _)| name == job && variable == *known);
                if !is_known && variable != "PACKAGER_TESTS" {
                    faults.push(format!("{}: sets {variable}, which nobody reads", text(name)));
                }
            }
        }
        let push = &self.top["jobs"]["push"];
        if push["outputs"]["image"] != "${{ steps.push.outputs.image }}" {
            faults.push("push: its output is not the image that it pushed".into());
        }
        if !steps(push).any(|step| step["id"] == "push" && step["run"] == "make push") {
            faults.push("push: the step with the output is not make push".into());
        }
        for (job, lines) in
            [("push", ["make handover-load", "make push"]), ("apply", ["make handover-load", "make apply"])]
        {
            let value = &self.top["jobs"][job];
            if lines_of(value) != lines {
                faults.push(format!("{job}: does not run {}", lines.join(", then ")));
            }
            // It has the environment's variables, and its rules of protection.
            if value["environment"] != value["env"]["ENV"] {
                faults.push(format!("{job}: does not run in the environment that it is for"));
            }
        }
        let checkout =
            steps(&self.top["jobs"]["image"]).find(|step| text(&step["uses"]).starts_with("actions/checkout@"));
        if checkout.is_none_or(|step| step["with"]["fetch-depth"] != 0) {
            faults.push("image: does not have the commits by which images are named".into());
        }
        let artifact = |job: &str, action: &str| {
            let job = &self.top["jobs"][job];
            let step = steps(job).find(|step| text(&step["uses"]).starts_with(action));
            step.map(|step| (text(&step["with"]["name"]), text(&step["with"]["path"])))
        };
        let pair = |name: &str, path: &str| Some((name.to_string(), path.to_string()));
        if artifact("image", "actions/upload-artifact@") != pair("handover", "target/handover.tar") {
            faults.push("image: does not upload what the next jobs run".into());
        }
        for job in ["push", "apply"] {
            if artifact(job, "actions/download-artifact@") != pair("handover", "target") {
                faults.push(format!("{job}: does not get what the image job made"));
            }
        }
    }
}

/// The command lines of a job.
fn lines_of(job: &Value) -> Vec<String> {
    steps(job).map(|step| text(&step["run"]).trim().to_string()).filter(|line| !line.is_empty()).collect()
}

/// Whether a job restores and saves cargo's downloads and what was compiled, by the lockfile.
fn is_cached(job: &Value) -> bool {
    steps(job).any(|step| {
        let with = &step["with"];
        let paths = text(&with["path"]);
        let lists = |path: &str| paths.lines().any(|line| line == path);
        let by_lockfile = |key: &str| text(&with[key]).contains("hashFiles('Cargo.lock')");
        text(&step["uses"]).starts_with("actions/cache@")
            && ["~/.cargo/registry", "target"].into_iter().all(lists)
            && ["key", "restore-keys"].into_iter().all(by_lockfile)
    })
}

#[test]
fn it_applies_what_was_pushed_and_does_what_make_does() {
    assert_eq!(Workflow::read(&workflow()).faults(), [""; 0]);
    assert!(!workflow().contains("secrets."), "OIDC needs no stored key");
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

const CACHE: &str = "actions/cache@5a3ec84eff668545956fd18022155c47e93e2684";
const ENVIRONMENT: &str = "    environment: ${{ inputs.environment || 'preprod' }}\n";
const IMAGE_IF: &str = "    if: github.event_name != 'schedule'\n";

/// The check itself: each of these changes has to be seen.
#[test]
fn a_workflow_that_does_otherwise_is_seen() {
    for (from, to, fault) in [
        ("    needs: push\n", "", "apply does not wait for make push"),
        ("    needs: push\n", "    needs: test\n", "apply does not wait for make push"),
        ("    needs: push\n", "    needs: push\n    if: always()\n", "apply: runs also after a failure"),
        ("    needs: [test, image]\n", "    needs: image\n", "push does not wait for make ci"),
        ("    needs: [test, image]\n", "    needs: test\n", "push does not wait for make image"),
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
        ("steps.push.outputs.image", "steps.push.outputs.tag", "push: its output is not the image"),
        ("id: push", "id: pushed", "push: the step with the output is not make push"),
        ("needs.push.outputs.image", "vars.IMAGE", "apply: IMAGE is not"),
        ("      REGISTRY: ${{ vars.REGISTRY }}\n", "", "push: REGISTRY is not"),
        ("      STATE_BUCKET:", "      BUCKET:", "apply: sets BUCKET, which nobody reads"),
        ("      FORCE: ${{ inputs.force && '1' || '' }}\n", "", "image: FORCE is not"),
        ("name: handover", "name: other", "image: does not upload"),
        ("          path: target\n", "          path: elsewhere\n", "push: does not get"),
        ("run: make handover-load", "run: make kept-images-load", "push: holds credentials and does more"),
        ("run: make push", "run: make deploy", "push: holds credentials and does more"),
        (
            "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093",
            CACHE,
            "push: holds credentials and restores a cache",
        ),
        ("run: make image\n", "run: make prod\n", "no job runs make image"),
        ("      - run: make kept-images-load\n", "", "image does not load, make, save"),
        ("      - run: make kept-images-save\n", "", "image does not load, make, save"),
        ("      - run: make handover-load\n", "", "push: does not run make handover-load, then"),
        (ENVIRONMENT, "", "push: does not run in the environment"),
        (ENVIRONMENT, "    environment: preprod\n", "push: does not run in the environment"),
        ("          fetch-depth: 0 ", "          fetch-depth: 1 ", "image: does not have the commits"),
        ("hashicorp/setup-terraform@", "actions/cache@", "test: has no Terraform"),
        (IMAGE_IF, "    needs: test\n", "image does not run on every pull request"),
        (IMAGE_IF, "    if: github.event_name == 'push'\n", "image does not run on every pull request"),
        (IMAGE_IF, "    permissions:\n      id-token: write\n", "image compiles with credentials"),
    ] {
        // The condition of the image job is that of the test job too.
        let place = if from == IMAGE_IF { workflow().find("  image:\n").expect("the job") } else { 0 };
        let whole = workflow();
        let changed = format!("{}{}", &whole[..place], whole[place..].replacen(from, to, 1));
        assert_ne!(changed, whole, "{from}");
        let faults = Workflow::read(&changed).faults();
        assert!(faults.iter().any(|seen| seen.contains(fault)), "{to:?}: {faults:?}");
    }
}

/// Without its cache a job compiles everything, each time.
#[test]
fn a_cache_that_is_deleted_or_keeps_nothing_is_seen() {
    let whole = workflow();
    let begins: Vec<_> = whole.match_indices("      - uses: actions/cache@").map(|(at, _)| at).collect();
    assert_eq!(begins.len(), 2);
    for at in begins {
        let end = at + 1 + whole[at + 1..].find("\n      - ").expect("another step") + 1;
        let step = &whole[at..end];
        let without = |part: &str| format!("{}{}{}", &whole[..at], step.replacen(part, "", 1), &whole[end..]);
        for part in [step, "            target\n", "            ~/.cargo/registry\n", "hashFiles('Cargo.lock')"] {
            let changed = without(part);
            assert_ne!(changed, whole, "{part}");
            let faults = Workflow::read(&changed).faults();
            assert!(faults.iter().any(|fault| fault.contains("compiles everything again")), "{part}: {faults:?}");
        }
    }
}

/// What pins the provider's content is for the repository to keep, and for the version that is asked for.
#[test]
fn the_lock_of_the_provider_is_there_and_not_ignored() {
    let lock = fs::read_to_string(repository().join("infra/.terraform.lock.hcl")).unwrap();
    let asked = fs::read_to_string(repository().join("infra/main.tf")).unwrap();
    let version = |text: &str| {
        let after = text.split_once("hashicorp/aws\"").and_then(|(_, after)| after.split_once("version"));
        after.and_then(|(_, after)| after.split('"').nth(1)).map(String::from)
    };
    assert!(lock.contains("\"h1:") && version(&lock).is_some() && version(&lock) == version(&asked), "{lock}");
    let ignored = |file: &str| {
        let mut git = Command::new("git");
        git.args(["check-ignore", "--quiet", "--no-index", file]).current_dir(repository());
        Ended::of(&mut git).code
    };
    assert_eq!(ignored("infra/.terraform.lock.hcl"), 1);
    for secret in ["infra/terraform.tfstate", "infra/terraform.tfstate.d/prod/terraform.tfstate"] {
        assert_eq!(ignored(secret), 0, "{secret}");
    }
}
