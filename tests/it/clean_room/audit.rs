//! `verify`: what lies on disk, held against its record and against the other road.

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
    fixture.builds_with(
        "fn main() {\n    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();\n    \
         println!(\"cargo::rustc-env=NOW=the clock says {}\", now.as_nanos());\n}\n",
        "fn main() {\n    println!(\"{}\", env!(\"NOW\"));\n}\n",
    );
    run(&[]).ok();
    run(&["verify", "--rebuild"]).fails(5, &["hello is not the same: section ", "the clock says", "reads a clock"]);

    fixture.write("target/lambda/hello/lambda-deployment.zip", "no zip");
    run(&["verify"]).fails(5, &["lambda-deployment.zip is not what was packaged"]);
}
