//! A login to ECR by the real AWS CLI: the token that AWS (moto) gives opens a real registry.

use std::process::Command;

use crate::support::{Ended, Fixture, ImageRegistry, Moto, Setup, free_port};

const NAME: &str = "preprod-sse-streaming-lambda";

fn push(fixture: &Fixture, registry: &str) -> Command {
    let mut command = fixture.command_for("host");
    command.args(["image", "push", "--env", "preprod"]);
    command.args(["--registry-login", "ecr", "--registry", registry]);
    command
}

#[test]
fn the_aws_cli_logs_in_and_its_token_lies_nowhere() {
    let Some(moto) = Moto::start() else { return };
    let token = moto.aws(&["ecr", "get-login-password"]);
    let Some(registry) = ImageRegistry::open(&Setup { login: Some(("AWS", &token)), ..Setup::default() }) else {
        return;
    };
    let fixture = Fixture::hello_in_git();
    let ended = Ended::of(moto.prepare(&mut push(&fixture, &registry.name())).arg("--verbose")).ok();
    let reference = ended.stdout.trim();
    assert!(reference.starts_with(&format!("{}/{NAME}@sha256:", registry.name())), "{reference}");
    fixture.tells_nobody(&token, &ended);
}

#[test]
fn an_aws_that_gives_no_login_says_why() {
    if Moto::start().is_none() {
        return;
    }
    let fixture = Fixture::hello_in_git();
    // Nobody is there.
    let closed = format!("http://127.0.0.1:{}", free_port());
    let mut command = push(&fixture, "127.0.0.1:1");
    command.env("AWS_ENDPOINT_URL", closed).env("AWS_DEFAULT_REGION", "eu-central-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_MAX_ATTEMPTS", "1");
    Ended::of(&mut command).fails(10, &["AWS does not answer"]);
    // Nobody is asked for.
    let mut command = push(&fixture, "127.0.0.1:1");
    command.env("AWS_DEFAULT_REGION", "eu-central-1").env("AWS_EC2_METADATA_DISABLED", "true");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"] {
        command.env_remove(name);
    }
    fixture.with_home(&mut command, &fixture.around());
    Ended::of(&mut command).fails(11, &["AWS refused a login to ECR", "Unable to locate credentials"]);
    assert!(!fixture.path("target/lambda/hello/manifest.json").exists(), "a login that fails comes before a compile");
}
