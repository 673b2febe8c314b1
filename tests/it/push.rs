//! Images in a real registry: what is pushed, what is not pushed again, who may push it, and how to go back.

mod tokens;
mod trouble;

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::support::{Ended, Fate, Fixture, ImageRegistry, Live, Proxy, Setup, Story};

const NAME: &str = "preprod-sse-streaming-lambda";

/// `image <words> --env preprod` against a registry. No engine takes part in a push.
fn image(fixture: &Fixture, words: &[&str], registry: &str) -> Command {
    let mut command = fixture.command();
    command.args(["--engine", "host", "image"]).args(words).args(["--env", "preprod", "--registry", registry]);
    // Nobody's logins but those of the test.
    let nowhere = fixture.around().join("no-logins");
    command.env("HOME", &nowhere).env("DOCKER_CONFIG", nowhere.join("docker")).env_remove("XDG_RUNTIME_DIR");
    command.env("CARGO_HOME", cargo_home()).env_remove("REGISTRY_AUTH_FILE").env_remove("GITHUB_OUTPUT");
    if let Some(rustup) = std::env::var_os("RUSTUP_HOME").or_else(|| home().map(|home| home.join(".rustup").into())) {
        command.env("RUSTUP_HOME", rustup);
    }
    command
}

fn home() -> Option<std::path::PathBuf> {
    std::env::home_dir()
}

fn cargo_home() -> std::ffi::OsString {
    std::env::var_os("CARGO_HOME").unwrap_or_else(|| home().expect("a home").join(".cargo").into())
}

fn push(fixture: &Fixture, registry: &str) -> Ended {
    let begun = Instant::now();
    let ended = Ended::of(&mut image(fixture, &["push"], registry));
    // For the report (`--nocapture`): nothing here is decided by it.
    println!("status {} after {:.1} s", ended.code, begun.elapsed().as_secs_f64());
    ended
}

/// The record of the last image.
fn record(fixture: &Fixture) -> Value {
    serde_json::from_slice(&fixture.read("target/lambda/hello/image.json")).expect("JSON")
}

fn tag(fixture: &Fixture) -> String {
    record(fixture)["tag"].as_str().expect("a tag").to_string()
}

fn open(setup: &Setup) -> Option<ImageRegistry> {
    ImageRegistry::open(setup)
}

#[test]
fn a_push_sends_what_the_registry_lacks_and_the_next_one_nothing() {
    let Some(registry) = open(&Setup::default()) else { return };
    let proxy = Proxy::to(&registry, |_| Fate::Passed);
    let fixture = Fixture::hello_in_git();
    let output = fixture.around().join("github-output");
    let ended = Ended::of(image(&fixture, &["push"], &proxy.name()).env("GITHUB_OUTPUT", &output)).ok();

    let head = fixture.git(&["rev-parse", "HEAD"]);
    let fingerprint = fixture.manifest("hello")["fingerprint"].as_str().unwrap()[..12].to_string();
    let tag = tag(&fixture);
    assert_eq!(tag, format!("preprod-{}-{fingerprint}", &head[..12]));
    let digest = registry.digest(NAME, &tag).expect("the immutable tag");
    let reference = format!("{}/{NAME}@{digest}", proxy.name());
    assert_eq!(ended.stdout, format!("{reference}\n"));
    assert_eq!(record(&fixture)["reference"], Value::from(reference.as_str()));
    let told = fs::read_to_string(&output).unwrap();
    assert_eq!(told, format!("image={reference}\ndigest={digest}\ntag={tag}\n"));
    for moving in ["latest", "preprod-latest"] {
        assert_eq!(registry.digest(NAME, moving).as_ref(), Some(&digest), "{moving}");
    }
    // What stays first, seen to be there, and `latest` last.
    let seen = proxy.seen();
    let puts: Vec<_> =
        seen.iter().filter_map(|line| line.strip_prefix(&format!("PUT /v2/{NAME}/manifests/"))).collect();
    assert_eq!(puts, [tag.as_str(), "preprod-latest", "latest"]);
    let put = seen.iter().position(|line| line.starts_with("PUT") && line.ends_with(&tag)).unwrap();
    assert_eq!(seen[put + 1], format!("GET /v2/{NAME}/manifests/{tag}"));
    assert_eq!(seen.iter().filter(|line| line.starts_with("PATCH")).count(), 3);

    let again = push(&fixture, &proxy.name()).ok();
    assert_eq!((again.verdict(), &again.stdout), ("cache-hit", &ended.stdout));
    let seen = proxy.seen();
    assert!(seen.iter().all(|line| line.starts_with("GET ")), "{seen:?}");
    assert_eq!(seen.len(), 3, "{seen:?}");

    // An edit: only its own layer is sent, and the other image stays.
    fixture.says("edited");
    fixture.commit();
    let story = Story::of(&mut image(&fixture, &["push"], &proxy.name())).ok();
    let blobs: Vec<_> =
        story.events.iter().filter(|event| event["event"] == "blob").map(|event| &event["pushed"]).collect();
    assert_eq!(blobs, [false, true, true]);
    let told = story.events.iter().find(|event| event["event"] == "image").expect("the image");
    assert_eq!(told["image"]["digest"].as_str(), registry.digest(NAME, "latest").as_deref());
    assert!(told["stages_ms"]["push"].as_f64().is_some_and(|ms| ms > 0.0), "{told}");
    assert_eq!(registry.digest(NAME, &tag), Some(digest));
}

#[test]
fn the_image_is_one_that_lambda_takes_and_names_its_sources() {
    let Some(registry) = open(&Setup::default()) else { return };
    let fixture = Fixture::hello_in_git();
    fixture.git(&["remote", "add", "origin", "https://user:secret@example.invalid/owner/hello.git"]);
    let revision = fixture.git(&["rev-parse", "HEAD"]);
    push(&fixture, &registry.name()).ok();
    let first = registry.digest(NAME, "latest");
    let (manifest, config) = registry.image(NAME, "latest");
    assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(config["os"], "linux");
    assert_eq!(config["architecture"], if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.revision"], Value::from(revision.as_str()));
    assert_eq!(labels["org.opencontainers.image.source"], "https://example.invalid/owner/hello");
    assert_eq!(labels["lambda-packager.fingerprint"], fixture.manifest("hello")["artifact"]["zip_sha256"]);
    assert!(!config.to_string().contains("secret"));
    assert!(config["config"]["User"].as_str().is_some_and(|user| !user.is_empty() && !user.starts_with("0")));
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/var/task/bootstrap"]));

    // A clone elsewhere makes the same image.
    let clone = Fixture::empty("clone");
    clone.git(&["clone", "--quiet", &fixture.root().display().to_string(), "."]);
    clone.git(&["remote", "set-url", "origin", "git@example.invalid:owner/hello.git"]);
    Ended::of(image(&clone, &["push"], &registry.name()).env("LAMBDA_PACKAGER_LABEL", fixture.label())).ok();
    assert_eq!(registry.digest(NAME, "latest"), first);

    // What is not committed is told; the same image goes under another tag.
    fixture.says("edited");
    push(&fixture, &registry.name()).ok();
    assert!(tag(&fixture).starts_with(&format!("preprod-{}-dirty-", &revision[..12])), "{}", tag(&fixture));
    let (_, config) = registry.image(NAME, "latest");
    let told = &config["config"]["Labels"]["org.opencontainers.image.revision"];
    assert_eq!(*told, Value::from(format!("{revision}-dirty")));
}

#[test]
fn a_commit_to_something_else_makes_no_other_image() {
    let Some(registry) = open(&Setup::default()) else { return };
    let fixture = Fixture::hello_in_git();
    // The function is one folder of the repository.
    for name in ["src", "Cargo.toml", "Cargo.lock"] {
        let to = fixture.path("function");
        fs::create_dir_all(&to).unwrap();
        fs::rename(fixture.path(name), to.join(name)).unwrap();
    }
    fixture.write(".gitignore", "target\n");
    fixture.commit();
    let push = || {
        let mut command = image(&fixture, &["push"], &registry.name());
        Ended::of(command.current_dir(fixture.path("function"))).ok();
        registry.digest(NAME, "latest")
    };
    let first = push();
    fixture.write("README.md", "hello");
    fixture.commit();
    assert_eq!(push(), first);
    // The tag names what is checked out: both commits are there.
    assert_eq!(registry.tags(NAME).iter().filter(|tag| !tag.ends_with("latest")).count(), 2);
}

#[test]
fn a_rollback_moves_both_tags_and_the_list_says_so() {
    let Some(registry) = open(&Setup::default()) else { return };
    let fixture = Fixture::hello_in_git();
    // Long ago, so that both are not of the same second.
    let mut amend = Command::new("git");
    amend.args(["-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "--amend", "--no-edit"]);
    Ended::of(amend.current_dir(fixture.root()).env("GIT_COMMITTER_DATE", "@1000000000 +0000")).ok();
    push(&fixture, &registry.name()).ok();
    let (old_tag, old) = (tag(&fixture), registry.digest(NAME, "latest").unwrap());
    fixture.says("edited");
    fixture.commit();
    push(&fixture, &registry.name()).ok();
    let (new_tag, new) = (tag(&fixture), registry.digest(NAME, "latest").unwrap());
    assert_ne!(old, new);

    let listed = || Ended::of(&mut image(&fixture, &["list"], &registry.name())).ok().stdout;
    let moving = |listed: &str, tag: &str| {
        let line = listed.lines().find(|line| line.starts_with(tag)).unwrap_or_else(|| panic!("{tag} in {listed}"));
        line.ends_with("<- preprod-latest, latest")
    };
    let before = listed();
    assert!(moving(&before, &new_tag) && !moving(&before, &old_tag), "{before}");
    assert_eq!(before.lines().count(), 2);
    assert!(before.starts_with(&new_tag), "the newest is not the first: {before}");

    let ended = Ended::of(&mut image(&fixture, &["rollback", &old_tag], &registry.name())).ok();
    assert_eq!(ended.stdout, format!("{}/{NAME}@{old}\n", registry.name()));
    for moved in ["latest", "preprod-latest"] {
        assert_eq!(registry.digest(NAME, moved).as_ref(), Some(&old), "{moved}");
    }
    assert_eq!(registry.digest(NAME, &new_tag).as_ref(), Some(&new));
    assert_eq!(record(&fixture)["digest"], Value::from(old.as_str()));
    let after = listed();
    assert!(moving(&after, &old_tag) && !moving(&after, &new_tag), "{after}");

    for unknown in ["preprod-0-0", "prod-0-0", "latest"] {
        let ended = Ended::of(&mut image(&fixture, &["rollback", unknown], &registry.name()));
        ended.fails(20, &[unknown, &old_tag]);
    }
    assert_eq!(registry.digest(NAME, "latest"), Some(old));
}

#[test]
fn a_login_comes_from_the_environment_or_from_what_the_engine_stored_and_lies_nowhere_else() {
    let Some(registry) = open(&Setup { login: Some(("tester", "s3cret-word")), ..Setup::default() }) else { return };
    let fixture = Fixture::hello_in_git();
    let ended = push(&fixture, &registry.name());
    ended.fails(11, &["requires a login", "docker login"]);
    let with = |user: &str, password: &str| {
        let mut command = image(&fixture, &["push"], &registry.name());
        command.env("LAMBDA_PACKAGER_REGISTRY_USER", user).env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", password);
        Ended::of(command.arg("--verbose"))
    };
    with("tester", "wrong").fails(11, &["refuses the login"]);
    with("tester", "").fails(11, &["LAMBDA_PACKAGER_REGISTRY_PASSWORD is not"]);
    let ended = with("tester", "s3cret-word").ok();
    let everything = fs::read_dir(fixture.path("target/lambda/hello")).unwrap();
    let files: Vec<_> = everything.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    let encoded = "dGVzdGVyOnMzY3JldC13b3Jk";
    for secret in ["s3cret-word", encoded] {
        assert!(!ended.stderr.contains(secret) && !ended.stdout.contains(secret));
        let holds = |file: &Vec<u8>| file.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!files.iter().any(holds), "{secret}");
    }

    // As `docker login` leaves it, and as `podman login` does.
    let store = serde_json::json!({"auths": {registry.name(): {"auth": encoded}}}).to_string();
    let folder = fixture.around().join("logins");
    fs::create_dir(&folder).unwrap();
    for (file, variable) in [("config.json", "DOCKER_CONFIG"), ("auth.json", "REGISTRY_AUTH_FILE")] {
        fs::write(folder.join(file), &store).unwrap();
        let value = if variable == "DOCKER_CONFIG" { folder.clone() } else { folder.join(file) };
        Ended::of(image(&fixture, &["push"], &registry.name()).env(variable, value)).ok();
    }
    // A helper that keeps it: docker's protocol, in which the host comes by stdin, answered by a script.
    let helper = folder.join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\n[ \"$*\" = get ] && [ \"$(cat)\" = {} ] && echo '{{\"Username\": \"tester\", \"Secret\": \"s3cret-word\"}}'\n",
        registry.name()
    );
    fs::write(&helper, script).unwrap();
    Ended::of(Command::new("chmod").arg("755").arg(&helper)).ok();
    fs::write(folder.join("config.json"), "{\"credsStore\": \"test\"}").unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut command = image(&fixture, &["push"], &registry.name());
    Ended::of(command.env("DOCKER_CONFIG", &folder).env("PATH", path)).ok();
}

#[test]
fn a_registry_that_sends_us_elsewhere_does_not_send_the_password_along() {
    let Some(registry) = open(&Setup { login: Some(("tester", "s3cret-word")), ..Setup::default() }) else { return };
    let elsewhere = Proxy::to(&registry, |_| Fate::Answered(404, "nobody"));
    let there = format!("http://{}/upload", elsewhere.name());
    let proxy =
        Proxy::to(
            &registry,
            move |request| {
                if request.starts_with("POST") { Fate::SentTo(there.clone()) } else { Fate::Passed }
            },
        );
    let fixture = Fixture::hello_in_git();
    let mut command = image(&fixture, &["push"], &proxy.name());
    command.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", "s3cret-word");
    Ended::of(&mut command).fails(21, &["status 404"]);
    assert!(proxy.seen().iter().all(|request| request.ends_with(" with a login")));
    assert_eq!(elsewhere.seen(), ["PATCH /upload"]);
}

#[test]
fn tls_is_trusted_only_with_the_certificate_of_its_authority() {
    let Some(registry) = open(&Setup { tls: true, ..Setup::default() }) else { return };
    let fixture = Fixture::hello_in_git();
    let address = format!("https://{}", registry.name());
    push(&fixture, &address).fails(10, &["cannot be trusted: TLS fails", "SSL_CERT_FILE"]);
    push(&fixture, &format!("http://{}", registry.name())).fails(10, &["requires TLS", "https://"]);
    Ended::of(image(&fixture, &["push"], &address).env("SSL_CERT_FILE", registry.certificate())).ok();
    assert!(record(&fixture)["reference"].as_str().unwrap().starts_with(&registry.name()));
}

#[test]
fn an_unknown_environment_costs_no_compile() {
    let fixture = Fixture::hello_in_git();
    let mut command = fixture.command();
    command.args(["--engine", "host", "image", "build", "--env", "staging"]);
    Ended::of(&mut command).fails(19, &["\"staging\"; there are preprod, prod", "environments"]);
    assert!(!fixture.path("target/lambda/hello/manifest.json").exists());
    Ended::of(command.env("LAMBDA_PACKAGER_ENVIRONMENTS", "staging")).ok();
}

#[test]
fn two_revisions_pushed_at_once_leave_latest_at_one_of_them_whole() {
    let Some(registry) = open(&Setup::default()) else { return };
    let fixtures: Vec<_> = (0..2)
        .map(|number| {
            let fixture = Fixture::hello_in_git();
            fixture.says(&format!("revision {number}"));
            fixture.commit();
            // Compiled before, so that the pushes meet.
            Ended::of(&mut image(&fixture, &["build"], &registry.name())).ok();
            fixture
        })
        .collect();
    for _ in 0..5 {
        let lives: Vec<_> =
            fixtures.iter().map(|fixture| Live::start(&mut image(fixture, &["push"], &registry.name()))).collect();
        for live in lives {
            live.end().ok();
        }
        let digests: Vec<_> = fixtures.iter().map(|fixture| registry.digest(NAME, &tag(fixture))).collect();
        let latest = registry.digest(NAME, "latest");
        assert!(latest.is_some() && digests.contains(&latest), "{latest:?} of {digests:?}");
        let (manifest, _) = registry.image(NAME, "latest");
        assert!(registry.is_whole(NAME, &manifest));
    }
}
