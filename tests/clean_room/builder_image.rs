//! The builder image: built once, used by both roads, and asked for again only when that can help.

use crate::builder::{BASE, builders};
use crate::support::{Engine, Fixture, Story};

/// What it is based on where nothing else is said.
const AMAZON_LINUX: &str = "amazonlinux:2023";

#[test]
fn it_is_built_once_from_a_base_that_is_here_and_both_roads_start_from_it() {
    for builder in builders() {
        // Amazon Linux as far as the recipe can tell: whatever it would install is there.
        let text = format!("FROM {BASE}\nRUN ln -s gcc /usr/bin/clang && ln -s make /usr/bin/cmake\n");
        builder.build(AMAZON_LINUX, &text);
        let fixture = Fixture::hello();
        let run = |args: &[&str], clean_room: &str| {
            let mut command = fixture.command();
            command.args(["--engine", builder.engine(), "--pull-policy", "if-missing"]).args(args);
            Story::of(builder.lend(&mut command).env("LAMBDA_PACKAGER_CLEAN_ROOM", clean_room)).ok()
        };
        let is_built = |story: &Story| story.notes().iter().any(|note| note.starts_with("building the image"));
        let first = run(&[], "0");
        assert!(is_built(&first), "{first}");
        let manifest = fixture.manifest("hello");
        let base = manifest["road"]["base"].as_str().unwrap().to_string();
        assert!(base.starts_with("lambda-packager-builder:1.") && base.contains("-provided.al2023-"), "{first}");
        let container = manifest["road"]["container"].as_str().unwrap().to_string();
        assert_eq!(manifest["road"]["host_toolchain"], false);
        assert_eq!(manifest["road"]["fallback"], "");
        assert!(manifest["ingredients"]["builder image"] == base.as_str(), "{manifest}");
        let zip = fixture.zip("hello");

        assert_eq!(run(&[], "0").verdict(), "cache-hit");
        let room = run(&["--force"], "1");
        assert!(!is_built(&room), "{room}");
        let road = &fixture.manifest("hello")["road"];
        assert!(road["clean_room"] == true && road["base"] == base.as_str(), "{road}");
        assert!(fixture.zip("hello") == zip, "{:?} made other bytes", builder.kind);

        // Another recipe has another name: what was built by the former one is not reused.
        let path = "target/lambda/hello/manifest.json";
        let text = String::from_utf8(fixture.read(path)).unwrap();
        fixture.write(path, &text.replace(&base, "lambda-packager-builder:of-another-recipe"));
        let again = run(&[], "0");
        assert!(
            again.verdict().starts_with("cache-miss: builder image lambda-packager-builder:of-another-recipe -> "),
            "{again}"
        );
        // Both of docker's builders keep their images in one place.
        builder.ask(&["rm", "--force", &container]);
        builder.ask(&["rmi", "--force", &base]);
    }
}

#[test]
fn a_registry_that_cannot_be_reached_is_asked_once() {
    let Some(engine) = crate::support::engines().next() else { return };
    // A name that no registry has.
    let fixture = Fixture::hello();
    let run = |policy: &str| {
        Story::of(fixture.command_on(engine).args(["--force", "--pull-policy", policy, "--runtime", "provided.al2023"]))
    };
    if engine.command().args(["pull", AMAZON_LINUX]).output().is_ok_and(|output| output.status.success()) {
        return crate::support::skip("a registry answers here: its absence cannot be tested");
    }
    let asked = |story: &Story| story.notes().iter().any(|note| note.contains("asked for again in an hour"));
    let first = run("if-missing").ok();
    assert!(asked(&first), "{first}");
    let road = fixture.manifest("hello")["road"].clone();
    assert!(road["fallback"] == "no builder image here" && road["host_toolchain"] == true, "{road}");
    assert!(!asked(&run("if-missing").ok()));
    assert!(!asked(&run("never").ok()));
    assert!(asked(&run("always").ok()));
}

#[test]
fn an_image_is_pulled_as_the_policy_says_and_a_silent_registry_is_given_up() {
    let Some(engine) = crate::support::engines().find(|engine| *engine == Engine::Docker) else { return };
    // It takes calls, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("{}/nobody/nothing:1", silent.local_addr().unwrap());
    let fixture = Fixture::hello();
    let run = |policy: &str| {
        Story::of(fixture.command_on(engine).args(["--force", "--base", &base, "--pull-policy", policy]))
    };
    let never = run("never");
    assert_eq!(never.code(), 3);
    assert!(never.failure().contains("is not here") && never.failure().contains("flag --pull-policy"), "{never}");
    let missing = run("if-missing");
    assert_eq!(missing.code(), 3);
    assert!(missing.failure().contains("did not answer within"), "{missing}");
}
