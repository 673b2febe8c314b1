//! From an edit to the function in AWS (moto), by the commands that people and CI type: make, the
//! packager, a real registry, the real Terraform.

mod clone;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{
    Ended, Fixture, ImageRegistry, Moto, Setup, copy, free_port, is_full, is_installed, packager, repository, skip,
};

/// Where a provider is unpacked on machines that cannot download one.
const PLUGINS: &str = "/opt/tf-plugins";

/// A command of Terraform, which takes its provider from there if there is one.
pub fn with_plugins(terraform: &mut Command) -> &mut Command {
    if Path::new(PLUGINS).is_dir() {
        terraform.env("TF_CLI_ARGS_init", format!("-plugin-dir={PLUGINS}"));
    }
    terraform
}

/// The files of `infra/` that Terraform reads.
const TODAY: [&str; 4] = ["main.tf", "moved.tf", "outputs.tf", "variables.tf"];

/// A project with this repository's Makefile and `infra/`, and what it is deployed to.
struct Stage {
    fixture: Fixture,
    registry: ImageRegistry,
    moto: Moto,
    /// The packager that make calls, and where it compiles.
    settings: Vec<(&'static str, String)>,
}

impl Stage {
    /// With a function that compiles in a blink. None where something is missing.
    fn set() -> Option<Self> {
        let fixture = Fixture::hello_in_git();
        let output = "[package.metadata.lambda-packager]\noutput = \"lambda-deployment.zip\"\n";
        fixture.append("Cargo.toml", output);
        fixture.write(".gitignore", "/target\n*.zip\n");
        fs::copy(repository().join("Makefile"), fixture.path("Makefile")).expect("a Makefile");
        let infra = fixture.path("infra");
        fs::create_dir(&infra).expect("a folder");
        for name in TODAY.into_iter().chain(["deploy", ".gitignore", ".terraform.lock.hcl"]) {
            fs::copy(repository().join("infra").join(name), infra.join(name)).expect("a file");
        }
        fixture.commit();
        let host = ("LAMBDA_PACKAGER_ENGINE", "host".to_string());
        Self::of(fixture, vec![host, ("PACKAGER", packager().display().to_string())])
    }

    /// Terraform and its provider are in no package.
    fn of(fixture: Fixture, settings: Vec<(&'static str, String)>) -> Option<Self> {
        if !is_installed("terraform", "<https://developer.hashicorp.com/terraform/install>") {
            return None;
        }
        let moto = Moto::start()?;
        let registry = ImageRegistry::open(&Setup::default())?;
        let stage = Self { fixture, registry, moto, settings };
        let init = Ended::of(stage.prepare(Command::new("terraform").args(["-chdir=infra", "init", "-input=false"])));
        if init.code != 0 {
            let why = format!("it gets no provider here, neither from {PLUGINS} nor by download: {}", init.stderr);
            skip("terraform", &why);
            return None;
        }
        Some(stage)
    }

    fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        self.fixture.prepare(command);
        command.envs(self.settings.iter().map(|(name, value)| (name, value))).env_remove("CI").env_remove("FORCE");
        with_plugins(command).env("TF_CLI_ARGS", "-no-color").stdin(std::process::Stdio::null());
        self.moto.prepare(command)
    }

    fn make(&self, words: &[&str]) -> Ended {
        let registry = format!("REGISTRY={}", self.registry.name());
        Ended::of(self.prepare(Command::new("make").args(["--no-print-directory", &registry]).args(words)))
    }

    fn function(&self, environment: &str) -> Value {
        let name = format!("{environment}-sse-streaming-lambda");
        self.aws(&["lambda", "get-function", "--function-name", &name])
    }

    fn aws(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.moto.aws(args)).expect("JSON")
    }

    /// The image that the function runs.
    fn deployed(&self) -> String {
        self.function("preprod")["Code"]["ImageUri"].as_str().expect("an image").to_string()
    }

    fn latest(&self) -> String {
        let name = "preprod-sse-streaming-lambda";
        format!("{}/{name}@{}", self.registry.name(), self.registry.digest(name, "latest").expect("it was pushed"))
    }

    /// The tag that stays of the last image of a function.
    fn tag(&self, function: &str) -> String {
        self.fixture.json(&format!("target/lambda/{function}/image.json"))["tag"].as_str().expect("a tag").to_string()
    }
}

/// The stages that were timed, in their order.
fn stages(ended: &Ended) -> Vec<&str> {
    let lines = ended.stderr.lines().filter_map(|line| line.strip_prefix("deploy: "));
    lines.map(|line| line.split(' ').next().unwrap_or_default()).collect()
}

#[test]
fn an_image_is_deployed_redeployed_and_rolled_back() {
    let Some(stage) = Stage::set() else { return };
    let deploy = ["deploy", "ENV=preprod", "PACKAGE=image"];
    let first = stage.make(&deploy).ok();
    assert_eq!(stages(&first), ["package-and-push", "terraform-workspace", "terraform-apply"]);
    let (old, old_tag) = (stage.latest(), stage.tag("hello"));
    assert_eq!(stage.deployed(), old);
    let url = stage.aws(&["lambda", "get-function-url-config", "--function-name", "preprod-sse-streaming-lambda"]);
    assert_eq!(url["InvokeMode"], "RESPONSE_STREAM", "{url}");

    // Nothing changed: nothing is packaged, pushed or applied.
    let again = stage.make(&deploy).ok();
    assert_eq!(again.verdict(), "cache-hit");
    assert!(!again.stderr.contains("pushed"), "{}", again.stderr);
    // Moto tells an `image_config` that nobody set, so that "No changes" is never all that Terraform says.
    assert!(!again.stdout.contains("image_uri") && !again.stdout.contains("replaced"), "{}", again.stdout);
    assert_eq!(stage.deployed(), old);
    if is_full() {
        // But on demand.
        let forced = stage.make(&[&deploy[..], &["FORCE=1"]].concat()).ok();
        assert_eq!(forced.verdict(), "cache-miss: forced");
        assert_eq!(stage.deployed(), old);
    }

    stage.fixture.says("edited");
    stage.fixture.commit();
    stage.make(&deploy).ok();
    assert_ne!(stage.latest(), old);
    assert_eq!(stage.deployed(), stage.latest());

    stage.make(&["rollback", "ENV=preprod"]).fails(2, &[&old_tag, "which one? TAG="]);
    let back = stage.make(&["rollback", "ENV=preprod", &format!("TAG={old_tag}")]).ok();
    assert_eq!(stages(&back), ["rollback", "terraform-workspace", "terraform-apply"]);
    assert_eq!((stage.deployed(), stage.latest()), (old.clone(), old));
}

#[test]
fn what_fails_ends_it_before_terraform() {
    let Some(stage) = Stage::set() else { return };
    let ended = stage.make(&["deploy", "ENV=preprod", &format!("REGISTRY=127.0.0.1:{}", free_port())]);
    let ended = ended.fails(2, &["refuses connections", "nothing after it was started", "Error 10"]);
    assert_eq!(stages(&ended), ["package-and-push"]);
    stage.make(&["deploy", "ENV=staging"]).fails(2, &["Error 19"]);
    stage.fixture.write("src/main.rs", "fn main() { nonsense }\n");
    for package in ["image", "zip"] {
        let ended = stage.make(&["deploy", "ENV=preprod", &format!("PACKAGE={package}")]).fails(2, &["Error 4"]);
        assert_eq!(stages(&ended).len(), 1, "{}", ended.stderr);
    }
    assert_eq!(stage.aws(&["lambda", "list-functions"])["Functions"], serde_json::json!([]));
    assert!(!stage.fixture.path("infra/terraform.tfstate.d").exists());
}

#[test]
fn a_zip_is_deployed_to_an_environment_of_its_own() {
    let Some(stage) = Stage::set() else { return };
    let mut validate = Command::new("terraform");
    Ended::of(stage.prepare(validate.args(["-chdir=infra", "validate"]))).ok();
    let ended = stage.make(&["deploy", "ENV=prod", "PACKAGE=zip"]).ok();
    assert_eq!(stages(&ended), ["package", "terraform-workspace", "terraform-apply"]);
    let mut sum = Command::new("sh");
    sum.args(["-c", "openssl dgst -sha256 -binary lambda-deployment.zip | base64"]).current_dir(stage.fixture.root());
    let told = stage.function("prod");
    assert_eq!(told["Configuration"]["CodeSha256"].as_str(), Some(Ended::answer(&mut sum).as_str()));
    assert_eq!(told["Configuration"]["Runtime"], "provided.al2023");
    if !is_full() {
        return;
    }
    // A function of each environment, both at once.
    stage.make(&["deploy", "ENV=preprod", "PACKAGE=image"]).ok();
    assert_eq!(stage.function("prod")["Configuration"]["PackageType"], "Zip");
    assert_eq!(stage.deployed(), stage.latest());
}

#[test]
fn several_functions_are_deployed_at_once() {
    let Some(mut stage) = Stage::set() else { return };
    stage.fixture.write("src/bin/worker.rs", "fn main() {\n    println!(\"worker\");\n}\n");
    stage.fixture.commit();
    stage.settings.push(("LAMBDA_PACKAGER_OUTPUT", "dist/{function}.zip".into()));
    stage.settings.push(("LAMBDA_PACKAGER_IMAGE_NAME", "{env}-{function}".into()));
    let outputs = stage.fixture.around().join("outputs");
    stage.settings.push(("GITHUB_OUTPUT", outputs.display().to_string()));
    let told = |environment: &str, name: &str| {
        stage.aws(&["lambda", "get-function", "--function-name", &format!("{environment}-{name}")])
    };
    let deploy = ["deploy", "ENV=preprod"];
    // Which functions there are and how large is said once, and not by what happens to be packaged.
    let undeclared = stage.make(&deploy).fails(2, &["`functions` does not name", "infra/functions.auto.tfvars"]);
    assert_eq!(undeclared.stdout.lines().filter(|line| line.starts_with("hello=")).count(), 0);
    stage
        .fixture
        .write("infra/functions.auto.tfvars", "functions = {\n  hello  = {}\n  worker = { memory_mb = 512 }\n}\n");
    stage.make(&deploy).ok();
    let digest = |name: &str| {
        let repository = format!("preprod-{name}");
        let digest = stage.registry.digest(&repository, "latest").expect("it was pushed");
        format!("{}/{repository}@{digest}", stage.registry.name())
    };
    let image = |name: &str| told("preprod", name)["Code"]["ImageUri"].as_str().expect("an image").to_string();
    let first = ["hello", "worker"].map(image);
    assert_eq!(first, ["hello", "worker"].map(digest));
    // In this form the next job gives it to `make apply`.
    let told_to_workflow = fs::read_to_string(&outputs).expect("the outputs of the step");
    let image_line = format!("image=hello={} worker={}", first[0], first[1]);
    assert!(told_to_workflow.lines().any(|line| line == image_line), "{told_to_workflow}");
    let sizes = ["hello", "worker"].map(|name| told("preprod", name)["Configuration"]["MemorySize"].as_u64());
    assert_eq!(sizes, [Some(256), Some(512)]);
    // Of one alone nothing is deployed, and the other one stays.
    stage.make(&[&deploy[..], &["LAMBDA_PACKAGER_FUNCTION=hello"]].concat()).fails(2, &["needs an image of worker"]);
    assert_eq!(["hello", "worker"].map(image), first);
    if is_full() {
        let tags = ["hello", "worker"].map(|name| format!("{name}={}", stage.tag(name)));
        stage.fixture.says("edited");
        stage.fixture.commit();
        stage.make(&deploy).ok();
        assert_ne!(image("hello"), first[0]);
        // One of them: the other one stays as it is.
        let worker = image("worker");
        stage.make(&["rollback", "ENV=preprod", &format!("TAG={}", tags[0])]).ok();
        assert_eq!([image("hello"), image("worker")], [first[0].clone(), worker]);
        stage.make(&["rollback", "ENV=preprod", &format!("TAG={}", tags.join(" "))]).ok();
        assert_eq!(["hello", "worker"].map(image), first);
        stage.make(&["deploy", "ENV=prod", "PACKAGE=zip"]).ok();
        let packages = ["hello", "worker"].map(|name| told("prod", name)["Configuration"]["CodeSize"].as_u64());
        assert_eq!(packages, ["hello", "worker"].map(|name| Some(stage.fixture.zip(name).len() as u64)));
    }
}

#[test]
fn what_was_deployed_before_the_functions_were_a_map_keeps_its_state() {
    if !is_full() {
        return;
    }
    let Some(stage) = Stage::set() else { return };
    stage.fixture.run(&["--engine", "host"]).ok();
    let (infra, aside) = (stage.fixture.path("infra"), stage.fixture.around().join("today"));
    let terraform = |args: &[&str]| {
        let mut command = Command::new("terraform");
        stage.prepare(command.arg("-chdir=infra").args(args));
        let variables = [("environment", "preprod"), ("package", "zip"), ("url_authorization", "NONE")];
        command.envs(variables.map(|(name, value)| (format!("TF_VAR_{name}"), value)));
        Ended::of(&mut command).ok()
    };
    // As this repository had it then.
    fs::create_dir(&aside).unwrap();
    for name in TODAY {
        fs::rename(infra.join(name), aside.join(name)).unwrap();
    }
    copy(&repository().join("tests/fixtures/one_function"), &infra);
    terraform(&["apply", "-input=false", "-auto-approve"]);
    let before: Vec<String> = terraform(&["state", "list"]).stdout.lines().map(String::from).collect();
    assert!(before.len() == 7 && before.contains(&"aws_lambda_function.function".to_string()), "{before:?}");

    for name in TODAY {
        fs::rename(aside.join(name), infra.join(name)).unwrap();
    }
    terraform(&["plan", "-input=false", "-out=plan"]);
    let plan: Value = serde_json::from_str(&terraform(&["show", "-json", "plan"]).stdout).expect("JSON");
    let mut moved = Vec::new();
    for change in plan["resource_changes"].as_array().expect("resources") {
        assert_eq!(change["change"]["actions"], serde_json::json!(["no-op"]), "{change}");
        moved.push(change["previous_address"].as_str().unwrap_or_else(|| panic!("{change}")).to_string());
    }
    moved.sort_unstable();
    assert_eq!(moved, before);
}

/// AWS removes URL and permissions with the function.
#[test]
fn a_function_of_another_kind_of_package_gets_its_url_again() {
    if !is_full() {
        return;
    }
    let Some(mut stage) = Stage::set() else { return };
    stage.settings.push(("TF_VAR_url_authorization", "NONE".into()));
    stage.make(&["deploy", "ENV=preprod", "PACKAGE=zip"]).ok();
    let plan = |variables: &[&str]| -> Value {
        let terraform = |args: &[&str]| {
            Ended::of(stage.prepare(Command::new("terraform").arg("-chdir=infra").args(args))).ok().stdout
        };
        let variables = variables.iter().flat_map(|variable| ["-var", variable]);
        terraform(&["plan", "-input=false", "-out=plan"].into_iter().chain(variables).collect::<Vec<_>>());
        serde_json::from_str(&terraform(&["show", "-json", "plan"])).expect("JSON")
    };
    let image = format!("image={}/x@sha256:{}", stage.registry.name(), "0".repeat(64));
    let planned = plan(&["environment=preprod", "package=image", &image]);
    let changes = planned["resource_changes"].as_array().expect("resources");
    for kind in ["aws_lambda_function", "aws_lambda_function_url", "aws_lambda_permission", "aws_cloudformation_stack"]
    {
        let change = changes.iter().find(|change| change["type"] == kind).unwrap_or_else(|| panic!("{kind}"));
        let is_made_again =
            change["change"]["actions"].as_array().is_some_and(|all| all.iter().any(|it| it == "create"));
        assert!(is_made_again, "{change}");
    }
    // One function in the map is told without its name; it has an architecture of its own.
    let one = "functions={hello={architecture=\"arm64\"}}";
    let planned = plan(&["environment=preprod", "package=image", &image, one]);
    let changes = planned["resource_changes"].as_array().expect("resources");
    let after = changes.iter().find(|change| change["address"] == "aws_lambda_function.function[\"hello\"]");
    assert_eq!(after.expect("the function")["change"]["after"]["architectures"], serde_json::json!(["arm64"]));
}

#[test]
fn a_public_url_has_both_permissions_and_another_has_none() {
    let Some(mut stage) = Stage::set() else { return };
    let name = "preprod-sse-streaming-lambda";
    let deploy = ["deploy", "ENV=preprod", "PACKAGE=zip"];
    if is_full() {
        stage.make(&deploy).ok();
        assert_eq!(stage.aws(&["cloudformation", "describe-stacks"])["Stacks"], serde_json::json!([]));
    }
    stage.settings.push(("TF_VAR_url_authorization", "NONE".into()));
    stage.make(&deploy).ok();
    let policy = stage.aws(&["lambda", "get-policy", "--function-name", name]);
    let policy: Value = serde_json::from_str(policy["Policy"].as_str().expect("a policy")).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    let mut actions: Vec<_> = statements.iter().filter_map(|it| it["Action"].as_str()).collect();
    actions.sort_unstable();
    // The provider may give one of them itself, too.
    actions.dedup();
    assert_eq!(actions, ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"], "{policy}");
    // Moto keeps no condition of the first: the template has it.
    let stack = format!("{name}-url");
    let template = stage.aws(&["cloudformation", "get-template", "--stack-name", &stack]);
    let permission = &template["TemplateBody"]["Resources"]["Permission"]["Properties"];
    assert_eq!(permission["InvokedViaFunctionUrl"], true, "{template}");
}

#[test]
fn what_a_pipeline_pushed_is_applied_elsewhere_with_the_state_in_a_bucket() {
    let Some(stage) = Stage::set() else { return };
    stage.make(&["apply", "ENV=preprod"]).fails(2, &["which image?"]);
    let pushed = stage.make(&["push", "ENV=preprod"]).ok();
    let image = pushed.stdout.trim().to_string();
    assert_eq!(image, stage.latest());

    let bucket = "state-of-the-test";
    let location = "LocationConstraint=eu-central-1";
    stage.moto.aws(&["s3api", "create-bucket", "--bucket", bucket, "--create-bucket-configuration", location]);
    let apply = |image: &str| {
        let mut command = Command::new("make");
        command.args(["--no-print-directory", "apply", "ENV=preprod", &format!("IMAGE={image}")]);
        stage.prepare(command.arg(format!("STATE_BUCKET={bucket}")));
        // A bucket's own host name is not known on this machine.
        let init = command.get_envs().find(|(name, _)| *name == "TF_CLI_ARGS_init").and_then(|(_, value)| value);
        let init = format!("{} -backend-config=use_path_style=true", init.unwrap_or_default().display());
        Ended::of(command.env("TF_CLI_ARGS_init", init))
    };
    let applied = apply(&image).ok();
    assert_eq!(stages(&applied), ["find-image", "terraform-init", "terraform-workspace", "terraform-apply"]);
    assert_eq!(stage.deployed(), image);
    let state = stage.moto.aws(&["s3", "ls", "--recursive", bucket]);
    assert!(state.contains("env:/preprod/sse-streaming-lambda.tfstate"), "{state}");
    // A tag is no image to deploy, nor is a digest that the registry does not have.
    let tagged = apply("127.0.0.1/preprod-sse-streaming-lambda:latest").fails(2, &["a reference with a digest"]);
    let (repository, _) = image.split_once('@').expect("a digest");
    let unknown = apply(&format!("{repository}@sha256:{}", "0".repeat(64))).fails(2, &["has no image", "Error 20"]);
    for ended in [tagged, unknown] {
        assert_eq!(stages(&ended), ["find-image"]);
    }
    assert_eq!(stage.deployed(), image);
}
