//! `verify`: what lies on disk, held against its record and against the other road.

use std::process::Command;

use crate::clean_room::builder::{Kind, builder};
use crate::support::{Ended, Fixture};

#[test]
fn what_lies_on_disk_is_rebuilt_on_the_other_road_and_a_difference_is_named() {
    let Some(builder) = builder(Kind::BuildKit) else { return };
    let fixture = Fixture::hello();
    let run = |args: &[&str]| Ended::of(&mut builder.package(&fixture, args));
    run(&["verify"]).fails(5, &["is missing", "package again"]);
    run(&[]).ok();
    assert!(run(&["verify"]).ok().stdout.contains("hello is as it was packaged, and starts on provided.al2023"));
    let rebuilt = run(&["verify", "--rebuild"]).ok().stdout;
    assert!(rebuilt.contains("rebuilt to the same bytes: ") && rebuilt.contains("clean room"), "{rebuilt}");
    // And the other way round. An audit leaves everything as it was.
    run(&["--clean-room", "--force"]).ok();
    let manifest = fixture.read("target/lambda/hello/manifest.json");
    let rebuilt = run(&["verify", "--rebuild"]).ok().stdout;
    assert!(rebuilt.contains("rebuilt to the same bytes: "), "{rebuilt}");
    assert!(rebuilt.contains("container lambda-packager-hello"), "{rebuilt}");
    assert!(fixture.read("target/lambda/hello/manifest.json") == manifest);

    fixture.says("something else");
    run(&["verify", "--rebuild"]).fails(5, &["not made from the current inputs: changed src/main.rs", "package first"]);

    // A build script that looks at the clock: no two builds are the same.
    says_the_time(&fixture);
    run(&[]).ok();
    run(&["verify", "--rebuild"]).fails(5, &["hello is not the same: section ", "the clock says", "reads a clock"]);

    fixture.write("target/lambda/hello/lambda-deployment.zip", "no zip");
    run(&["verify"]).fails(5, &["lambda-deployment.zip is not what was packaged"]);
}

#[test]
fn where_there_is_no_other_road_it_is_compiled_from_nothing() {
    let fixture = Fixture::hello();
    let run = |args: &[&str]| fixture.run(&[args, &["--engine", "host"]].concat());
    run(&[]).ok();
    assert!(run(&["verify", "--rebuild"]).ok().stdout.contains("rebuilt to the same bytes: "));
    says_the_time(&fixture);
    run(&[]).ok();
    run(&["verify", "--rebuild"]).fails(5, &["hello is not the same: section ", "the clock says"]);
}

#[test]
fn a_record_of_another_checkout_is_told_as_such() {
    let fixture = Fixture::hello_packaged("host");
    let copy = fixture.around().join("copy");
    Ended::of(Command::new("cp").arg("-a").args([fixture.root(), &copy])).ok();
    let mut command = fixture.command_for("host");
    Ended::of(command.arg("verify").current_dir(&copy))
        .fails(5, &["does not count here: manifest of the workspace ", "package again"]);
}

fn says_the_time(fixture: &Fixture) {
    fixture.builds_with(
        "fn main() {\n    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();\n    \
         println!(\"cargo::rustc-env=NOW=the clock says {}\", now.as_nanos());\n}\n",
        "fn main() {\n    println!(\"{}\", env!(\"NOW\"));\n}\n",
    );
}
