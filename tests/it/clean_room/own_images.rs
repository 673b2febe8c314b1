//! Images that the packager makes are made again once one is damaged; what nobody here can make is named (`faults`).

use std::fs;
use std::path::Path;

use crate::clean_room::builder::{AMAZON_LINUX, BASE, Builder, Kind, builders, every_builder};
use crate::clean_room::builder_image::{Other, another_rust};
use crate::support::{Fixture, Story, is_full, prefixed};
use crate::warm_start::with_itoa;

#[test]
fn an_image_that_is_made_here_is_made_again_once_it_is_damaged() {
    // It takes half a minute for each of them.
    let builders = if is_full() { every_builder() } else { Vec::new() };
    for builder in builders {
        let text = format!("FROM {BASE}\nRUN ln -s gcc /usr/bin/clang && ln -s make /usr/bin/cmake\n");
        builder.build(AMAZON_LINUX, &text);
        let one = with_itoa("own");
        // Rust as a distribution packages it: it is not sent, and this base has it.
        let path = prefixed(&another_rust(&one.around(), &Other::Packaged), &builder.behind("").path);
        let run = |fixture: &Fixture, args: &[&str]| {
            let mut command = fixture.command_elsewhere();
            command.args(["--engine", builder.engine(), "--pull-policy", "if-missing"]).args(args);
            Story::of(builder.lend(&mut command).env("PATH", &path))
        };
        let first = run(&one, &[]).ok();
        let zip = one.zip("app");
        let image = one.manifest("app")["road"]["base"].as_str().unwrap().to_string();
        assert!(image.starts_with("lambda-packager-builder:"), "{first}");

        // A whole layer, while a container of the image runs and another project has one too; and what is in a layer, which
        // the engine does not see until it builds on it.
        let first_id = builder.ask(&["image", "inspect", "--format", "{{.Id}}", &image]);
        let strangers = builder.ask(&["create", &image, "none"]);
        for (road, damage) in [(&[][..], ""), (&["--clean-room"], "diff")] {
            let id = || builder.ask(&["image", "inspect", "--format", "{{.Id}}", &image]);
            let before = id();
            builder.damage(&image, damage);
            one.append("src/main.rs", "// edited\n");
            let story = run(&one, road).ok();
            made_again(&story, &builder, &image);
            assert_eq!(one.manifest("app")["road"]["base"], image.as_str(), "{story}");
            assert!(id() != before && one.zip("app") == zip, "{:?}: {story}", builder.kind);
            one.append("src/main.rs", "// edited\n");
            let story = run(&one, road).ok();
            assert!(!is_damaged(&story), "{:?}: {story}", builder.kind);
        }
        // What another project's container used stays until that is gone.
        let list = ["images", "--all", "--quiet", "--no-trunc", "--filter", "label=lambda-packager.builder"];
        let is_there = || builder.ask(&list).contains(first_id.trim_start_matches("sha256:"));
        assert!(is_there(), "{:?}", builder.kind);
        builder.ask(&["rm", &strangers]);
        run(&one, &["clean"]).ok();
        assert!(!is_there(), "{:?}", builder.kind);

        // The dependencies that were kept: they are kept again.
        let kept = kept(&run(&with_itoa("own"), &[]).ok());
        builder.damage(&kept, "");
        let two = with_itoa("own");
        made_again(&run(&two, &[]).ok(), &builder, &kept);
        assert_eq!(two.output_of_bootstrap("app"), "7");
        let story = run(&with_itoa("own"), &[]).ok();
        assert!(story.to_string().contains(&format!("warm start from {kept}")), "{:?}: {story}", builder.kind);

        // The empty image that a toolchain is mounted into.
        let empty = || builder.ask(&["images", "--quiet", "--filter", "label=lambda-packager.borrowed"]);
        let on_host = |fixture: &Fixture| {
            let mut command = fixture.command_elsewhere();
            Story::of(builder.lend(command.args(["--engine", builder.engine(), "--base", "host"]))).ok()
        };
        on_host(&two);
        let borrowed = builder.ask(&["image", "inspect", "--format", "{{index .RepoTags 0}}", &empty()]);
        let borrowed = borrowed.trim_start_matches("localhost/");
        builder.damage(borrowed, "");
        two.append("src/main.rs", "// edited\n");
        builder.ask(&["rm", "--force", two.manifest("app")["road"]["container"].as_str().unwrap()]);
        made_again(&on_host(&two), &builder, borrowed);
    }
}

#[test]
fn a_builder_image_that_is_gone_is_built_from_what_the_engine_kept_unless_that_is_damaged() {
    for builder in builders(Kind::BuildKit) {
        let text = format!("FROM {BASE}\nRUN ln -s gcc /usr/bin/clang && ln -s make /usr/bin/cmake\n");
        builder.build(AMAZON_LINUX, &text);
        let fixture = Fixture::hello();
        let path = prefixed(&another_rust(&fixture.around(), &Other::Packaged), &builder.behind("").path);
        let run = || {
            let mut command = fixture.command_elsewhere();
            command.args(["--engine", builder.engine(), "--pull-policy", "if-missing", "--force"]);
            Story::of(builder.lend(&mut command).env("PATH", &path)).ok()
        };
        run();
        let road = |name: &str| fixture.manifest("hello")["road"][name].as_str().unwrap().to_string();
        let (image, id) = (road("base"), road("image_id"));
        // Docker's legacy builder and podman keep images only, and remove those that nothing stands on.
        builder.ask(&["tag", &image, "kept:1"]);
        let remove = || {
            builder.ask(&["rm", "--force", &road("container")]);
            builder.ask(&["rmi", &image]);
        };
        remove();
        let story = run();
        let is_built = |story: &Story| story.notes().iter().any(|note| note.starts_with("building the image"));
        assert!(is_built(&story) && road("image_id") == id, "{:?}: {story}", builder.kind);
        let zip = fixture.zip("hello");

        builder.damage(&image, "");
        remove();
        let story = run();
        assert!(is_built(&story) && road("image_id") != id, "{:?}: {story}", builder.kind);
        assert!(fixture.zip("hello") == zip, "{:?}: {story}", builder.kind);
        assert!(!is_built(&run()));
    }
}

#[test]
fn the_image_that_runs_the_function_is_made_again_once_a_layer_of_it_is_damaged() {
    for builder in builders(Kind::Podman) {
        let fixture = Fixture::hello();
        let run = || {
            let mut command = fixture.command_elsewhere();
            command.args(["--engine", builder.engine(), "--base", "host", "--mode", "prod"]);
            Story::of(builder.lend(&mut command))
        };
        run().ok();
        let image = fixture.manifest("hello")["artifact"]["image"].as_str().unwrap().to_string();
        let removed = |story: &Story| {
            let notes = story.notes().into_iter().filter(|note| note.contains("is damaged")).map(str::to_string);
            notes.collect::<Vec<_>>()
        };
        let name = if builder.kind == Kind::Podman { format!("localhost/{image}") } else { image.clone() };
        let expected = [format!("a layer of the image {name} is damaged: it is removed")];
        let output = || builder.ask(&["run", "--rm", "--network", "none", &image]);

        // The function's own layer: a hit finds out, and so does a compile.
        builder.damage(&image, "");
        let story = run().ok();
        assert_eq!((story.verdict(), removed(&story)), ("cache-hit", expected.to_vec()), "{:?}: {story}", builder.kind);
        assert!(!story.notes().iter().any(|note| note.contains("no more")), "{story}");
        assert_eq!(output(), "hello");
        builder.damage(&image, "");
        fixture.says("edited");
        let story = run().ok();
        assert_eq!(removed(&story), expected, "{:?}: {story}", builder.kind);
        assert_eq!(output(), "edited");
        assert_eq!((run().ok().verdict(), output()), ("cache-hit", "edited".into()));

        // The layer with the libraries, which an image without a name has too: docker leaves the one before.
        fixture.says("edited again");
        run().ok();
        let lower = builder.ask(&["image", "inspect", "--format", "{{.GraphDriver.Data.LowerDir}}", &image]);
        fs::remove_dir_all(Path::new(&lower).parent().unwrap()).unwrap();
        fixture.says("once more");
        let story = run().ok();
        assert!(removed(&story).contains(&expected[0]), "{:?}: {story}", builder.kind);
        assert_eq!(output(), "once more");

        // What a container uses stays with its layers: that is an error after one attempt.
        let container = builder.ask(&["create", &image]);
        builder.damage(&image, "");
        let story = run().ok();
        let told = format!("the image {image} is damaged, and it cannot be made again");
        assert!(story.notes().iter().any(|note| note.starts_with(&told)), "{:?}: {story}", builder.kind);
        builder.ask(&["rm", &container]);
        assert_eq!(removed(&run().ok()), expected, "{:?}", builder.kind);
        assert_eq!(output(), "once more");
        let names = builder.ask(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        assert!(!names.contains("-damaged"), "{:?}: {names}", builder.kind);
    }
}

/// The image of dependencies that a run kept.
fn kept(story: &Story) -> String {
    let event = story.events.iter().find(|event| event["event"] == "kept").unwrap_or_else(|| panic!("{story}"));
    event["image"].as_str().expect("a name").to_string()
}

fn is_damaged(story: &Story) -> bool {
    story.notes().iter().any(|note| note.contains("is damaged"))
}

#[track_caller]
fn made_again(story: &Story, builder: &Builder, image: &str) {
    let note = format!("a layer of the image {image} is damaged: it is removed, and made again");
    let notes = story.notes().iter().filter(|said| **said == note).count();
    assert_eq!(notes, 1, "{:?}: {story}", builder.kind);
}
