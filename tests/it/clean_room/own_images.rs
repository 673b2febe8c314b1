//! Images that the packager makes are made again once one is damaged; what nobody here can make is named (`faults`).

use std::fs;
use std::path::Path;

use crate::clean_room::builder::{AMAZON_LINUX, BASE, Builder, every_builder};
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
            damage_layer(&builder, &image, damage);
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
        damage_layer(&builder, &kept, "");
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
        damage_layer(&builder, borrowed, "");
        two.append("src/main.rs", "// edited\n");
        builder.ask(&["rm", "--force", two.manifest("app")["road"]["container"].as_str().unwrap()]);
        made_again(&on_host(&two), &builder, borrowed);
    }
}

/// The image of dependencies that a run kept.
fn kept(story: &Story) -> String {
    let event = story.events.iter().find(|event| event["event"] == "kept").unwrap_or_else(|| panic!("{story}"));
    event["image"].as_str().expect("a name").to_string()
}

/// Removes the last layer of an image from the engine's own files, or what is in it.
fn damage_layer(builder: &Builder, image: &str, part: &str) {
    let layer = builder.ask(&["image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", image]);
    fs::remove_dir_all(Path::new(&layer).parent().unwrap().join(part)).unwrap();
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
