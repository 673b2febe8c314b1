//! `lambda-packager init`: from a new project to a zip.

use std::process::{Command, Stdio};

use crate::cdk;
use crate::deploy::with_plugins;
use crate::support::host::cargo_here;
use crate::support::{Ended, Fixture, Moto, has_all, is_full, is_installed, packager, prefixed, skip};

/// Runs `init` with more arguments.
fn init(fixture: &Fixture, args: &[&str]) -> Ended {
    fixture.run(&[&["init", "--target", "x86_64"], args].concat())
}

fn files(fixture: &Fixture) -> String {
    let mut find = Command::new("find");
    find.arg(fixture.root())
        .args(["-path", "*/target", "-prune", "-o", "-path", "*/.git", "-prune", "-o", "-type", "f"]);
    let mut all: Vec<String> =
        Ended::of(find.args(["-exec", "sha256sum", "{}", "+"])).ok().stdout.lines().map(String::from).collect();
    all.sort_unstable();
    all.join("\n")
}

#[test]
fn a_new_project_has_a_zip_after_two_commands_and_init_changes_it_once() {
    let fixture = Fixture::empty("hello");
    Ended::of(cargo_here(&["init", "--quiet", "--vcs", "git"]).current_dir(fixture.root())).ok();
    Ended::of(&mut fixture.command_for("host")).ok();
    assert_eq!(fixture.output_of_bootstrap("hello"), "Hello, world!");

    let before = files(&fixture);
    let shown = init(&fixture, &["--dry-run"]).ok().stdout;
    let added =
        ["+[package.metadata.lambda-packager]", "+target_arch = \"x86_64\"", "+output = \"lambda-deployment.zip\""];
    has_all(&shown, &added);
    has_all(&shown, &["--- a/Cargo.toml", "+++ b/Cargo.toml", "+/lambda-deployment.zip", "nothing was written"]);
    assert_eq!(files(&fixture), before);
    let manifest = fixture.text("Cargo.toml");
    has_all(&init(&fixture, &[]).ok().stdout, &["wrote Cargo.toml, .gitignore"]);
    assert!(fixture.text("Cargo.toml").starts_with(&manifest));
    let after = files(&fixture);
    let second = init(&fixture, &[]).ok();
    assert!(second.stdout.contains("nothing to change"), "{}", second.stdout);
    assert!(second.stderr.contains("[package.metadata.lambda-packager] of Cargo.toml is there and stays as it is"));
    assert_eq!(files(&fixture), after);
    Ended::of(&mut fixture.command_for("host")).ok();
    assert!(fixture.read("lambda-deployment.zip") == fixture.zip("hello"));
}

#[test]
fn each_tool_gets_its_files_once_and_none_over_what_is_there() {
    for (tool, file) in [
        ("sam", "template.yaml"),
        ("cdk", "cdk/app.py"),
        ("terraform", "terraform/lambda.tf"),
        ("github", ".github/workflows/package.yml"),
    ] {
        let fixture = Fixture::hello();
        has_all(&init(&fixture, &["--for", tool]).ok().stdout, &[&format!("+++ b/{file}"), "hello"]);
        let once = files(&fixture);
        assert!(init(&fixture, &["--for", tool]).ok().stdout.contains("nothing to change"), "{tool}");
        assert_eq!(files(&fixture), once, "{tool}");
        fixture.write(file, "mine");
        let ended = init(&fixture, &["--for", tool]).ok();
        assert!(ended.stderr.contains(&format!("{file} is there and stays as it is: ")), "{}", ended.stderr);
        assert_eq!(fixture.text(file), "mine");
    }
    Fixture::hello().run(&["init", "--for", "pulumi"]).fails(2, &["possible values: sam, cdk, terraform, github"]);
}

/// A function of each tool's files, made by that tool; what is a layer is left to its user.
#[test]
fn what_is_written_for_a_tool_does_its_work() {
    if !is_full() {
        return;
    }
    let written_for = |tool: &str| {
        let fixture = Fixture::hello();
        fixture.write("src/bin/tail.rs", "fn main() {}\n");
        fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\nkind = { tail = \"extension\" }\n");
        let ended = init(&fixture, &["--for", tool]).ok();
        has_all(&ended.stderr, &["tail is a layer, and no function: publish target/lambda/tail/"]);
        fixture
    };
    let prepared = |fixture: &Fixture, program: &str, folder: &str, args: &[&str]| {
        let mut command = Command::new(program);
        fixture.prepare(&mut command);
        let folder_of_packager = packager().parent().expect("a folder");
        command.env("PATH", prefixed(folder_of_packager, &std::env::var_os("PATH").expect("PATH")));
        command.env("LAMBDA_PACKAGER_ENGINE", "host").current_dir(fixture.path(folder)).args(args);
        command
    };
    if is_installed("sam", "pip install aws-sam-cli") {
        let fixture = written_for("sam");
        for _ in 0..2 {
            let mut sam = prepared(&fixture, "sam", "", &["build"]);
            Ended::of(sam.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "eu-central-1")).ok();
            let built = fixture.read(".aws-sam/build/HelloFunction/bootstrap");
            assert!(built == fixture.read("target/lambda/hello/bootstrap"));
            assert_eq!(fixture.manifest("hello")["history"].as_array().map(Vec::len), Some(1));
        }
    }
    if cdk::is_here() {
        let fixture = written_for("cdk");
        Ended::of(&mut fixture.command_for("host")).ok();
        let mut python = prepared(&fixture, "python3", "cdk", &["app.py"]);
        python.env("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1").env("CDK_OUTDIR", "cdk.out");
        Ended::of(&mut python).ok();
        let template = fixture.json("cdk/cdk.out/Functions.template.json");
        let resources = template["Resources"].as_object().expect("resources");
        let function = resources.values().find(|it| it["Type"] == "AWS::Lambda::Function").expect("a function");
        let key = function["Properties"]["Code"]["S3Key"].as_str().expect("a key");
        let source = &fixture.json("cdk/cdk.out/Functions.assets.json")["files"][key.trim_end_matches(".zip")];
        let asset = source["source"]["path"].as_str().expect("a path");
        assert!(fixture.read(&format!("cdk/cdk.out/{asset}")) == fixture.zip("hello"));
    }
    if is_installed("terraform", "<https://developer.hashicorp.com/terraform/install>") {
        let (fixture, moto) = (written_for("terraform"), Moto::start().expect("moto"));
        Ended::of(&mut fixture.command_for("host")).ok();
        let terraform = |args: &[&str]| {
            let mut command = prepared(&fixture, "terraform", "terraform", args);
            Ended::of(moto.prepare(with_plugins(&mut command)).stdin(Stdio::null()))
        };
        let init = terraform(&["init", "-input=false", "-no-color"]);
        if init.code != 0 {
            return skip("terraform", &format!("it gets no provider here: {}", init.stderr));
        }
        terraform(&["apply", "-input=false", "-auto-approve"]).ok();
        let told = moto.aws(&["lambda", "get-function", "--function-name", "hello"]);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["Configuration"]["CodeSize"], fixture.zip("hello").len());
    }
}

/// What belongs to the tool is no input, also where the settings were there before.
#[test]
fn files_of_a_tool_are_no_reason_to_package_again() {
    let fixture = Fixture::hello();
    init(&fixture, &[]).ok();
    fixture.append("Cargo.toml", "locked = false # mine\n");
    has_all(
        &init(&fixture, &["--for", "terraform"]).ok().stdout,
        &["+exclude = [\"terraform\"]", " locked = false # mine"],
    );
    Ended::of(&mut fixture.command_for("host")).ok();
    fixture.write("terraform/.terraform/plugin", "");
    assert!(Ended::of(&mut fixture.command_for("host")).ok().stderr.contains("cache-hit"));
    let ended = init(&fixture, &["--for", "cdk"]).ok();
    assert!(ended.stderr.contains("stays as it is: add to `exclude` [\"cdk\"]"), "{}", ended.stderr);
}

#[test]
fn the_settings_of_cargo_lambda_become_ours_with_the_same_zip() {
    let fixture = Fixture::empty("hello");
    let theirs = "[features]\nloud = []\n\n[package.metadata.lambda.build]\nfeatures = [\"loud\"]\nlambda_dir = \"dist\"\noutput_format = \"binary\"\n";
    fixture.package("", "hello", theirs);
    fixture.prints("\"{}\", cfg!(feature = \"loud\")");
    let packages = || {
        Ended::of(fixture.command_for("host").args(["--target", "x86_64"])).ok();
        fixture.zip("hello")
    };
    let before = packages();
    let ended = init(&fixture, &[]).ok();
    has_all(&ended.stdout, &["+features = [\"loud\"]", "+output = \"dist/{function}/bootstrap.zip\""]);
    has_all(&ended.stderr, &["`output_format = \"binary\"` in [package.metadata.lambda.build] of ", "is not honoured"]);
    let manifest = fixture.text("Cargo.toml");
    fixture.write("Cargo.toml", &manifest.replace(&theirs[theirs.find("[package").unwrap()..], ""));
    assert!(packages() == before && fixture.read("dist/hello/bootstrap.zip") == before);
    assert_eq!(fixture.output_of_bootstrap("hello"), "true");
}

/// Ours stand above the tables of cargo-lambda, of whichever package.
#[test]
fn what_tables_of_packages_say_is_not_replaced_for_all() {
    let fixture = Fixture::empty("shop");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"assets\"]\nresolver = \"2\"\n");
    fixture.package("api", "api", "[package.metadata.lambda.build]\narm64 = true\n");
    fixture.write("api/src/main.rs", "fn main() {}\n");
    fixture.package("assets", "assets", "[package.metadata.lambda-packager]\nkind = \"layer\"\ninclude = [\"opt\"]\n");
    fixture.write("assets/src/lib.rs", "");
    fixture.write("assets/opt/data", "data");
    let told = fixture.run(&["init"]).ok().stdout;
    assert!(!told.contains("target_arch"), "{told}");
    // There are two, though one bin.
    has_all(&told, &["+output = \"dist/{function}.zip\""]);
    // A table of ours in a package is above that for all.
    let fixture = Fixture::empty("shop");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"worker\"]\nresolver = \"2\"\n");
    for (name, own) in [("api", "target_arch = \"arm64\"\noutput = \"api.zip\"\n"), ("worker", "")] {
        fixture.package(name, name, &format!("[package.metadata.lambda-packager]\n{own}"));
        fixture.write(&format!("{name}/src/main.rs"), "fn main() {}\n");
    }
    has_all(&fixture.run(&["init"]).ok().stdout, &["+target_arch = ", "+output = \"dist/{function}.zip\""]);
    // What a workspace says for all, and what one package says instead.
    let fixture = Fixture::empty("shop");
    let of_all = "[workspace.metadata.lambda.build]\ninclude = [\"shared.txt\"]\nfeatures = [\"x\"]\n";
    fixture.write("Cargo.toml", &format!("[workspace]\nmembers = [\"api\", \"worker\"]\nresolver = \"2\"\n{of_all}"));
    for (name, own) in [("api", ""), ("worker", "[package.metadata.lambda.build]\nfeatures = [\"y\"]\n")] {
        fixture.package(name, name, &format!("[features]\nx = []\ny = []\n{own}"));
        fixture.write(&format!("{name}/src/main.rs"), "fn main() {}\n");
    }
    fixture.write("shared.txt", "");
    Ended::of(&mut fixture.command_for("host")).ok();
    fixture.run(&["init"]).ok();
    let run = Ended::of(&mut fixture.command_for("host")).ok();
    assert!(run.stderr.contains("2 packaged (api: changed Cargo.toml"), "{}", run.stderr);
    let features = |name: &str| fixture.manifest(name)["ingredients"]["features"].to_string();
    assert!(features("api").contains('x') && features("worker").contains('y'), "{}", features("worker"));
}

#[test]
fn without_a_function_there_is_nothing_to_write() {
    let fixture = Fixture::empty("hello");
    fixture.package("", "hello", "");
    fixture.write("src/lib.rs", "");
    let before = files(&fixture);
    init(&fixture, &["--for", "sam"]).fails(2, &["there is no bin target to package"]);
    assert_eq!(files(&fixture).lines().count(), before.lines().count() + 1, "only Cargo.lock");
}
