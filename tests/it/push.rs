//! Images in a real registry: what is pushed, what is not pushed again, who may push it, and how to go back.

mod tokens;
mod trouble;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::host::git_in;
use crate::support::{
    Ended, Fate, Fixture, ImageRegistry, Live, Proxy, Setup, Story, Token, TokenServer, like, prefixed, program, skip,
    under,
};

const NAME: &str = "preprod-sse-streaming-lambda";

/// `image <words> --env preprod` against a registry. No engine takes part in a push.
fn image(fixture: &Fixture, words: &[&str], registry: &str) -> Command {
    let mut command = fixture.command_for("host");
    command.arg("image").args(words).args(["--env", "preprod", "--registry", registry]);
    // Nobody's logins but those of the test.
    let nowhere = fixture.around().join("no-logins");
    fixture.with_home(&mut command, &nowhere).env("DOCKER_CONFIG", nowhere.join("docker"));
    command.env_remove("XDG_RUNTIME_DIR").env_remove("REGISTRY_AUTH_FILE").env_remove("GITHUB_OUTPUT");
    command
}

fn push(fixture: &Fixture, registry: &str) -> Ended {
    Ended::of(&mut image(fixture, &["push"], registry))
}

/// The same with a login in the environment.
fn push_as(fixture: &Fixture, password: &str, registry: &str) -> Ended {
    let mut command = image(fixture, &["push", "--verbose"], registry);
    command.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", password);
    Ended::of(&mut command)
}

/// The record of the last image.
fn record(fixture: &Fixture) -> Value {
    fixture.json("target/lambda/hello/image.json")
}

fn tag(fixture: &Fixture) -> String {
    record(fixture)["tag"].as_str().expect("a tag").to_string()
}

/// Where both tags point that move.
#[track_caller]
fn latest(registry: &ImageRegistry) -> Option<String> {
    let [latest, of_environment] = ["latest", "preprod-latest"].map(|tag| registry.digest(NAME, tag));
    assert_eq!(latest, of_environment);
    latest
}

/// A registry, and a project to push to it.
fn open(setup: &Setup) -> Option<(ImageRegistry, Fixture)> {
    Some((ImageRegistry::open(setup)?, Fixture::hello_in_git()))
}

/// What becomes of requests that begin so; the others pass.
fn on(begin: &'static str, fate: Fate) -> impl Fn(&str) -> Fate {
    move |request| if request.starts_with(begin) { fate.clone() } else { Fate::Passed }
}

fn edit(fixture: &Fixture) {
    fixture.says("edited");
    fixture.commit();
}

/// A name, its password, and both as they are sent.
const LOGIN: (&str, &str) = ("tester", PASSWORD);
const PASSWORD: &str = "s3cret-word";
const ENCODED: &str = "dGVzdGVyOnMzY3JldC13b3Jk";

#[test]
fn a_push_sends_what_the_registry_lacks_and_the_next_one_nothing() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
    let proxy = Proxy::to(&registry, |_| Fate::Passed);
    let output = fixture.around().join("github-output");
    let ended = Ended::of(image(&fixture, &["push"], &proxy.name()).env("GITHUB_OUTPUT", &output)).ok();

    let head = fixture.git(&["rev-parse", "HEAD"]);
    let tag = tag(&fixture);
    let digest = registry.digest(NAME, &tag).expect("the immutable tag");
    assert_eq!(tag, format!("preprod-{}-{}", &head[..12], &digest["sha256:".len()..][..12]));
    let reference = format!("{}/{NAME}@{digest}", proxy.name());
    assert_eq!(ended.stdout, format!("{reference}\n"));
    assert_eq!(record(&fixture)["reference"], Value::from(reference.as_str()));
    let told = fs::read_to_string(&output).unwrap();
    assert_eq!(told, format!("image={reference}\ndigest={digest}\ntag={tag}\n"));
    assert_eq!(latest(&registry).as_ref(), Some(&digest));
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
    edit(&fixture);
    let story = Story::of(&mut image(&fixture, &["push"], &proxy.name())).ok();
    let blobs: Vec<_> =
        story.events.iter().filter(|event| event["event"] == "blob").map(|event| &event["pushed"]).collect();
    assert_eq!(blobs, [false, true, true]);
    let told = story.event("image");
    assert_eq!(told["image"]["digest"].as_str(), registry.digest(NAME, "latest").as_deref());
    assert!(told["stages_ms"]["push"].as_f64().is_some_and(|ms| ms > 0.0), "{told}");
    assert_eq!(registry.digest(NAME, &tag), Some(digest));
}

#[test]
fn the_image_is_one_that_lambda_takes_and_names_its_sources() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
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
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
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

    // In a workspace: what lies at its top, but for what people read, and the package, but not another one; with the
    // function in a folder, and in the root around the other one.
    fs::remove_file(fixture.path("function/Cargo.lock")).unwrap();
    fixture.package("other", "other", "[package.metadata.lambda-packager]\noutput = \"other.zip\"\n");
    fixture.write("other/src/main.rs", "fn main() {}\n");
    fixture.write("links/all.ld", "");
    let members = |root: &str, members: &str| {
        let settings = "[workspace.metadata.lambda-packager]\ninputs = [\"**/*.{ld,x}\"]\nexclude = [\"**/notes\"]\n";
        let table = format!("[workspace]\nmembers = [{members}]\nresolver = \"2\"\n{settings}");
        fixture.write("Cargo.toml", &format!("{root}{table}"));
    };
    members("", "\"function\", \"other\"");
    for folder in ["function", "."] {
        if folder == "." {
            members(&fixture.text("function/Cargo.toml"), "\"other\"");
            fs::rename(fixture.path("function/src"), fixture.path("src")).unwrap();
            fs::remove_dir_all(fixture.path("function")).unwrap();
        }
        fixture.commit();
        let push = || {
            let mut command = image(&fixture, &["push", "--function", "hello"], &registry.name());
            Ended::of(command.current_dir(fixture.path(folder))).ok();
            registry.digest(NAME, "latest")
        };
        // With a lockfile.
        push();
        fixture.write("top.txt", "");
        fixture.commit();
        let first = push();
        fixture.write("other/src/main.rs", &format!("fn main() {{ /* {folder} */ }}\n"));
        // What another package makes, and what is left out.
        fixture.write("other.zip", folder);
        fixture.write(&format!("{folder}/notes/a"), folder);
        // In a package, that is an input.
        if folder != "." {
            fixture.write("README.md", "hello, everybody");
        }
        assert_eq!(push(), first, "{folder}");
        assert!(!tag(&fixture).contains("dirty"), "{}", tag(&fixture));
        fixture.commit();
        assert_eq!(push(), first, "{folder}");
        for (file, text) in [("top.txt", folder), ("links/all.ld", folder)] {
            let before = push();
            fixture.write(file, text);
            fixture.commit();
            assert_ne!(push(), before, "{folder} {file}");
        }
    }
}

#[test]
fn newer_certificates_at_the_same_commit_are_another_image_beside_the_first() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
    push(&fixture, &registry.name()).ok();
    let (first_tag, first) = (tag(&fixture), latest(&registry));
    let certificates = fixture.around().join("certificates");
    let of_machine = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let Some(path) = of_machine.iter().find(|path| Path::new(path).exists()) else {
        return skip("certificates", "there are no CA certificates on this machine (Debian: `ca-certificates`)");
    };
    fs::write(&certificates, [fs::read(path).unwrap(), b"# patched\n".to_vec()].concat()).unwrap();
    let script = "mount --bind \"$0\" \"$1\" || exit 99; shift; exec \"$@\"";
    let wrapper = ["unshare", "--mount", "sh", "-c", script, &certificates.to_string_lossy(), path];
    let ended = Ended::of(&mut under(&wrapper, &image(&fixture, &["push"], &registry.name())));
    if ended.code == 99 || ended.stderr.contains("unshare") {
        return skip("root", &format!("only root may mount: {}", ended.stderr));
    }
    assert_eq!(ended.ok().verdict(), "cache-hit");
    let second = latest(&registry);
    assert_ne!(second, first);
    assert_ne!(tag(&fixture), first_tag);
    assert_eq!((registry.digest(NAME, &first_tag), registry.digest(NAME, &tag(&fixture))), (first, second));
}

#[test]
fn a_rollback_moves_both_tags_and_the_list_says_so() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
    // Long ago, so that both are not of the same second.
    let mut amend = git_in(fixture.root());
    Ended::of(amend.args(["commit", "--amend", "--no-edit"]).env("GIT_COMMITTER_DATE", "@1000000000 +0000")).ok();
    push(&fixture, &registry.name()).ok();
    let (old_tag, old) = (tag(&fixture), registry.digest(NAME, "latest").unwrap());
    edit(&fixture);
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
    assert_eq!(latest(&registry).as_ref(), Some(&old));
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
    let Some((registry, fixture)) = open(&Setup { login: Some(LOGIN), ..Setup::default() }) else { return };
    let ended = push(&fixture, &registry.name());
    ended.fails(11, &["requires a login", "docker login"]);
    push_as(&fixture, "wrong", &registry.name()).fails(11, &["refuses the login"]);
    push_as(&fixture, "", &registry.name()).fails(11, &["LAMBDA_PACKAGER_REGISTRY_PASSWORD is not"]);
    let ended = push_as(&fixture, PASSWORD, &registry.name()).ok();
    for secret in [PASSWORD, ENCODED] {
        fixture.tells_nobody(secret, &ended);
    }

    // As `docker login` leaves it, and as `podman login` does.
    let store = serde_json::json!({"auths": {registry.name(): {"auth": ENCODED}}}).to_string();
    let folder = fixture.around().join("logins");
    fs::create_dir(&folder).unwrap();
    let (docker, podman) = (folder.join("config.json"), folder.join("auth.json"));
    for (file, variable, value) in [(&docker, "DOCKER_CONFIG", &folder), (&podman, "REGISTRY_AUTH_FILE", &podman)] {
        fs::write(file, &store).unwrap();
        Ended::of(image(&fixture, &["push"], &registry.name()).env(variable, value)).ok();
    }
    let mut command = image(&fixture, &["push"], &registry.name());
    Ended::of(command.env("DOCKER_AUTH_CONFIG", &store)).ok();
    // A helper that keeps it: docker's protocol, in which the host comes by stdin, answered by a script.
    let told = serde_json::json!({"Username": "tester", "Secret": PASSWORD});
    let script = format!("#!/bin/sh\n[ \"$*\" = get ] && [ \"$(cat)\" = {} ] && echo '{told}'\n", registry.name());
    program(&folder.join("docker-credential-test"), script.as_bytes());
    let blank = serde_json::json!({"auths": {registry.name(): {"auth": ""}}, "credsStore": "test"});
    fs::write(docker, blank.to_string()).unwrap();
    let path = prefixed(&folder, &std::env::var_os("PATH").unwrap());
    let mut command = image(&fixture, &["push"], &registry.name());
    Ended::of(command.env("DOCKER_CONFIG", &folder).env("PATH", &path)).ok();

    // A helper that fails says why, and the next source is asked.
    program(&folder.join("docker-credential-test"), b"#!/bin/sh\necho the vault is sealed; exit 1\n");
    let list = |podman: &Path| {
        let mut command = image(&fixture, &["list"], &registry.name());
        command.env("DOCKER_CONFIG", &folder).env("REGISTRY_AUTH_FILE", podman).env("PATH", &path);
        Ended::of(&mut command)
    };
    let told = format!("docker-credential-test has no login to {}: the vault is sealed", registry.name());
    list(&folder.join("none")).fails(11, &[&told, "requires a login"]);
    let found = list(&podman).ok();
    assert!(found.stderr.contains(&told) && !found.stdout.is_empty(), "{}", found.stderr);
}

#[test]
fn a_registry_that_only_a_manifest_names_gets_the_login_of_the_environment_on_demand() {
    let Some((registry, fixture)) = open(&Setup { login: Some(LOGIN), ..Setup::default() }) else { return };
    let proxy = Proxy::to(&registry, |_| Fate::Passed);
    let mut manifest = fs::read_to_string(fixture.path("Cargo.toml")).unwrap();
    manifest.push_str(&format!("\n[package.metadata.lambda-packager]\nregistry = {:?}\n", proxy.name()));
    fs::write(fixture.path("Cargo.toml"), manifest).unwrap();
    let list = |flags: &[&str]| {
        // Without the flag that names the registry.
        let whole = image(&fixture, &["list"], "");
        let mut command = Command::new(whole.get_program());
        command.args(whole.get_args().take_while(|argument| *argument != "--registry")).args(flags);
        like(&whole, &mut command);
        command.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", PASSWORD);
        Ended::of(&mut command)
    };
    list(&[]).fails(11, &["which only `registry` in [package.metadata.lambda-packager]", "requires a login"]);
    assert!(proxy.seen().iter().all(|request| !request.ends_with(" with a login")));
    // It has the login, and no such repository.
    list(&["--registry-login", "environment"]).fails(13, &["has no repository"]);
}

#[test]
fn whoever_a_registry_sends_us_to_neither_gets_the_password_nor_says_who_gets_it() {
    let Some((registry, fixture)) = open(&Setup { login: Some(LOGIN), ..Setup::default() }) else { return };
    let thief = TokenServer::start(|_| Token::Refused);
    let challenge = format!("Bearer realm={:?},service=\"x\"", thief.realm());
    let challenged = (Fate::Challenged(challenge), 11, "refuses the login");
    for (fate, code, text) in [(Fate::Answered(404, "nobody"), 21, "status 404"), challenged] {
        let elsewhere = Proxy::to(&registry, on("", fate));
        let there = format!("http://{}/upload", elsewhere.name());
        let proxy = Proxy::to(&registry, on("POST", Fate::SentTo(there)));
        push_as(&fixture, PASSWORD, &proxy.name()).fails(code, &[text]);
        assert!(proxy.seen().iter().all(|request| request.ends_with(" with a login")));
        assert_eq!(elsewhere.seen(), ["PATCH /upload"]);
        assert_eq!(thief.seen(), []);
    }
}

#[test]
fn tls_is_trusted_only_with_the_certificate_of_its_authority() {
    let Some((registry, fixture)) = open(&Setup { tls: true, ..Setup::default() }) else { return };
    let address = format!("https://{}", registry.name());
    push(&fixture, &address).fails(10, &["cannot be trusted: TLS fails", "SSL_CERT_FILE"]);
    push(&fixture, &format!("http://{}", registry.name())).fails(10, &["requires TLS", "https://"]);
    Ended::of(image(&fixture, &["push"], &address).env("SSL_CERT_FILE", registry.certificate())).ok();
    assert!(record(&fixture)["reference"].as_str().unwrap().starts_with(&registry.name()));
}

#[test]
fn an_unknown_environment_costs_no_compile() {
    let fixture = Fixture::hello_in_git();
    let mut command = fixture.command_for("host");
    command.args(["image", "build", "--env", "staging"]);
    Ended::of(&mut command).fails(19, &["\"staging\"; the environments are preprod, prod", "environments"]);
    assert!(!fixture.path("target/lambda/hello/manifest.json").exists());
    Ended::of(command.env("LAMBDA_PACKAGER_ENVIRONMENTS", "staging")).ok();
}

#[test]
fn two_revisions_pushed_at_once_leave_latest_at_one_of_them_whole() {
    let Some(registry) = ImageRegistry::open(&Setup::default()) else { return };
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

#[test]
fn an_image_that_is_to_be_deployed_is_looked_for_by_its_digest() {
    let Some((registry, fixture)) = open(&Setup { login: Some(LOGIN), ..Setup::default() }) else { return };
    push_as(&fixture, PASSWORD, &registry.name()).ok();
    let recorded = record(&fixture);
    let reference = recorded["reference"].as_str().unwrap();
    let proxy = Proxy::to(&registry, |_| Fate::Passed);
    let check = |reference: &str, password: &str| {
        let mut command = image(&fixture, &["check", reference], &proxy.name());
        command.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", password);
        Ended::of(&mut command)
    };
    let here = reference.replace(&registry.name(), &proxy.name());
    assert_eq!(check(&here, PASSWORD).ok().stdout, format!("{here}\n"));
    let seen = proxy.seen();
    assert!(seen.iter().all(|line| line.starts_with("GET ")), "{seen:?}");
    // What was pushed last stays what the record says.
    assert_eq!(record(&fixture), recorded);

    let unknown = format!("{}@sha256:{}", here.split_once('@').unwrap().0, "0".repeat(64));
    let ended =
        check(&unknown, PASSWORD).fails(20, &["has no image", &unknown[proxy.name().len() + 1..], "push it first"]);
    assert_eq!(ended.stdout, "");
    check(&here.replace(NAME, "other"), PASSWORD).fails(20, &["has no image other@"]);
    check(&here, "wrong").fails(11, &["refuses the login"]);
    // The login is for the registry that the user names, and not for one that a reference names besides.
    check(reference, PASSWORD).fails(11, &["is not for", "flag --registry names another registry"]);
    let mut alone = fixture.command_for("host");
    alone.args(["image", "check", reference, "--env", "preprod"]);
    alone.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", PASSWORD);
    Ended::of(&mut alone).ok();
    check(&format!("{}:latest", here.split_once('@').unwrap().0), PASSWORD).fails(2, &["a reference with a digest"]);
    fixture.run(&["--engine", "host", "image", "check", &here, "--env", "staging"]).fails(19, &["\"staging\""]);
}

#[test]
fn what_is_packaged_for_production_is_packaged_in_a_mode_for_it() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
    let push = |words: &[&str]| {
        let mut command = fixture.command_for("host");
        command.args(["image", "push", "--env", "prod", "--registry", &registry.name()]).args(words);
        Ended::of(&mut command)
    };
    let mode = || fixture.manifest("hello")["ingredients"]["mode"].as_str().map(String::from);
    push(&[]).ok();
    assert_eq!(mode().as_deref(), Some("prod"));
    // A mode that somebody set is not replaced without a word.
    let manifest = fixture.text("Cargo.toml");
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\nmode = \"release\"\n");
    push(&[]).fails(2, &["`mode` in [package.metadata.lambda-packager]", "`release` is not for the environment prod"]);
    push(&["--mode", "dev"]).fails(2, &["flag --mode", "`dev` is not for the environment prod", "--mode prod"]);
    assert_eq!(mode().as_deref(), Some("prod"));
    push(&["--mode", "docker"]).ok();
    assert_eq!(mode().as_deref(), Some("docker"));
    fixture.write("Cargo.toml", &manifest);
    // Elsewhere any mode will do.
    Ended::of(&mut image(&fixture, &["push"], &registry.name())).ok();
    assert_eq!(mode().as_deref(), Some("release"));
}

/// As a pipeline does it: the job that makes the image has no login, the one that pushes it compiles nothing.
#[test]
fn an_image_in_a_file_is_pushed_elsewhere_as_it_is() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
    let archive = fixture.around().join("image.tar").display().to_string();
    let build = |environment: &str| {
        let words = ["image", "build", "--env", environment, "--archive", &archive];
        Ended::of(fixture.command_for("host").args(words)).ok()
    };
    build("preprod");
    let clone = Fixture::empty("clone");
    clone.git(&["clone", "--quiet", &fixture.root().display().to_string(), "."]);
    let push = || Ended::of(&mut image(&clone, &["push", "--archive", &archive], &registry.name()));
    let pushed = push().ok();
    assert!(!clone.path("target/lambda/hello/manifest.json").exists(), "something was packaged: {}", pushed.stderr);
    let told = record(&clone);
    assert_eq!(pushed.stdout.trim(), told["reference"]);
    assert_eq!(latest(&registry).as_deref(), told["digest"].as_str());
    assert_eq!(record(&fixture)["tag"], told["tag"]);
    // The same that a push from there gives.
    Ended::of(&mut image(&fixture, &["push"], &registry.name())).ok();
    assert_eq!((record(&fixture)["digest"].clone(), &record(&fixture)["tag"]), (told["digest"].clone(), &told["tag"]));

    build("prod");
    push().fails(2, &["has no image preprod-sse-streaming-lambda of preprod", "prod-sse-streaming-lambda:prod-"]);
    fs::write(&archive, "something else").unwrap();
    push().fails(2, &["is no image that `image build --archive` wrote", &archive]);
}

#[test]
fn images_of_several_functions_are_in_one_file() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
    fixture.write("src/bin/worker.rs", "fn main() {\n    println!(\"worker\");\n}\n");
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\nimage_name = \"{env}-{function}\"\n");
    fixture.commit();
    let archive = fixture.around().join("image.tar").display().to_string();
    let build = |more: &[&str]| {
        let words = ["image", "build", "--env", "preprod", "--archive", &archive];
        Ended::of(fixture.command_for("host").args(words).args(more)).ok()
    };
    build(&[]);
    let clone = Fixture::empty("clone");
    clone.git(&["clone", "--quiet", &fixture.root().display().to_string(), "."]);
    let push = |more: &[&str]| Ended::of(image(&clone, &["push", "--archive", &archive], &registry.name()).args(more));
    let pushed = push(&[]).ok();
    assert!(!clone.path("target/lambda/worker/manifest.json").exists(), "something was packaged: {}", pushed.stderr);
    let lines = ["hello", "worker"].map(|name| {
        let (repository, made) = (format!("preprod-{name}"), fixture.json(&format!("target/lambda/{name}/image.json")));
        let digest = made["digest"].as_str().expect("a digest");
        assert_eq!(registry.digest(&repository, "latest").as_deref(), Some(digest));
        assert_eq!(registry.digest(&repository, made["tag"].as_str().expect("a tag")).as_deref(), Some(digest));
        format!("{name}={}/{repository}@{digest}", registry.name())
    });
    assert_eq!(pushed.stdout.lines().collect::<Vec<_>>(), lines);
    // What it lacks is an error before anything is pushed; what nobody asks for stays in it.
    build(&["--function", "hello"]);
    push(&[]).fails(2, &["has no image preprod-worker of preprod", "it has preprod-hello:"]);
    build(&[]);
    assert_eq!(push(&["--function", "worker"]).ok().stdout.trim(), lines[1].trim_start_matches("worker="));
}

#[test]
fn images_of_several_functions_are_pushed_listed_and_rolled_back_in_one_go() {
    let Some((registry, fixture)) = open(&Setup::default()) else { return };
    fixture.write("src/bin/worker.rs", "fn main() {\n    println!(\"worker\");\n}\n");
    fixture.write("src/bin/ext.rs", "fn main() {}\n");
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\nkind = { ext = \"extension\" }\n");
    fixture.commit();
    let run = |words: &[&str]| Ended::of(&mut image(&fixture, words, &registry.name()));
    run(&["push"]).fails(2, &["would have the images of hello and of worker", "`image_name = \"{env}-{function}\"`"]);
    fixture.append("Cargo.toml", "image_name = \"{env}-{function}\"\n");
    fixture.commit();
    run(&["push", "--function", "ext"]).fails(2, &["`kind` in", "the zip of ext, of kind `extension`, is for a layer"]);
    run(&["push", "--function", "hello,ext"]).fails(2, &["the zip of ext, of kind"]);

    let tags = || {
        ["hello", "worker"].map(|name| {
            let record = fixture.json(&format!("target/lambda/{name}/image.json"));
            record["tag"].as_str().expect("a tag").to_string()
        })
    };
    let latest = || ["preprod-hello", "preprod-worker"].map(|repository| registry.digest(repository, "latest"));
    let pushed = run(&["push"]).ok();
    assert!(pushed.stderr.contains("no image of ext: what makes a layer has none"), "{}", pushed.stderr);
    assert_eq!(pushed.stdout.lines().count(), 2);
    let (old_tags, old) = (tags(), latest());
    edit(&fixture);
    fixture.write("src/bin/worker.rs", "fn main() {\n    println!(\"edited\");\n}\n");
    fixture.commit();
    run(&["push"]).ok();
    let new = latest();
    assert!(old[0] != new[0] && old[1] != new[1]);
    let listed = run(&["list"]).ok().stdout;
    for (name, tag) in ["hello", "worker"].iter().zip(&old_tags) {
        assert!(listed.contains(&format!("preprod-{name}  {tag}  ")), "{listed}");
    }

    let [hello, worker] = [format!("hello={}", old_tags[0]), format!("worker={}", old_tags[1])];
    let several = ["there are several functions, and a tag is of one image: hello, worker", "FUNCTION=TAG"];
    run(&["rollback", &old_tags[0]]).fails(2, &several);
    run(&["rollback", &hello, &hello]).fails(2, &["hello is not selected, or has a tag already"]);
    // No tag moves before all that is wanted is there.
    run(&["rollback", &hello, "worker=preprod-0-0"]).fails(20, &["preprod-worker has no image \"preprod-0-0\""]);
    assert_eq!(latest(), new);
    let back = run(&["rollback", &hello, &worker]).ok();
    assert_eq!(latest(), old);
    let digest = |index: usize| old[index].clone().expect("a digest");
    let line = |name: &str, index| format!("{name}={}/preprod-{name}@{}", registry.name(), digest(index));
    assert_eq!(back.stdout.lines().collect::<Vec<_>>(), [line("hello", 0), line("worker", 1)]);
}
