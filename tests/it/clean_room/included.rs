//! What a function includes stands in the final image where Lambda unpacks a zip.

use crate::clean_room::builder::{BASE, Kind, builders};
use crate::support::{Ended, Fixture, Story, fed};

#[test]
fn the_final_image_has_what_the_function_includes_and_takes_a_library_from_there() {
    let builders = builders(Kind::BuildKit);
    let Some(first) = builders.first() else { return };
    // A library that is nobody else's: of the base, so that it fits.
    let fixture = Fixture::empty("including");
    let make = "echo 'int seven(void) { return 7; }' >/tmp/s.c && cc -shared -fPIC -o /tmp/libseven.so /tmp/s.c && cat /tmp/libseven.so";
    let mut command = first.command();
    let library = command.args(["run", "--rm", "--network", "none", BASE, "sh", "-ec", make]).output().unwrap();
    assert!(library.status.success(), "{}", String::from_utf8_lossy(&library.stderr));
    fixture.write("lib/.keep", "");
    std::fs::write(fixture.path("lib/libseven.so"), library.stdout).unwrap();
    fixture.write("config/words.txt", "good morning");
    let includes = "[package.metadata.lambda-packager]\ninclude = [\"config\", \"lib/libseven.so\"]\n";
    fixture.package("", "including", includes);
    fixture.builds_with(
        "fn main() {\n    println!(\"cargo::rustc-link-search=native={}/lib\", env!(\"CARGO_MANIFEST_DIR\"));\n}\n",
        "#[link(name = \"seven\")]\nunsafe extern \"C\" {\n    fn seven() -> i32;\n}\nfn main() {\n    \
         println!(\"{} {}\", std::fs::read_to_string(\"config/words.txt\").unwrap(), unsafe { seven() });\n}\n",
    );
    for builder in &builders {
        let mut command = builder.package(&fixture, &["--mode", "prod", "--force"]);
        // Records the build context, for a build by hand.
        let front = builder
            .behind("[ \"$1\" != build ] || [ \"$2\" = --help ] || { tee \"$0.tar\" | \"$real\" \"$@\"; exit; }");
        Ended::of(command.env("PATH", &front.path)).ok();
        let manifest = fixture.manifest("including");
        let image = manifest["artifact"]["image"].as_str().unwrap();
        let files = builder.files_of(image);
        let of_task: Vec<_> = files.keys().filter(|name| name.starts_with("var/task/")).collect();
        let expected = ["var/task/bootstrap", "var/task/config/words.txt", "var/task/lib/libseven.so"];
        assert_eq!(of_task, expected, "{:?}", builder.kind);
        assert!(files["var/task/lib/libseven.so"] == fixture.read("lib/libseven.so"));
        assert_eq!(files.keys().filter(|name| name.contains("seven")).count(), 1, "{:?}", files.keys());
        let run = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"];
        assert_eq!(builder.ask(&[&run[..], &[image]].concat()), "good morning 7", "{:?}", builder.kind);

        // The engine loses it: it is made again from the zip, with the libraries of the same base, or compiled on another.
        let again = || Story::of(&mut builder.package(&fixture, &["--mode", "prod"])).ok();
        builder.ask(&["rmi", image]);
        assert_eq!(again().verdict(), "cache-hit");
        assert!(builder.files_of(image) == files, "{:?}", builder.kind);
        builder.ask(&["rmi", image]);
        builder.build(BASE, &format!("FROM {BASE}\nLABEL a=b\n"));
        let story = again();
        assert!(story.verdict().starts_with("cache-miss: builder image "), "{:?}: {story}", builder.kind);
        assert!(builder.files_of(image) == files, "{:?}", builder.kind);

        // The last stage of the Dockerfile is an image that runs too, of the same bootstrap.
        let context = std::fs::read(front.file(&format!("{}.tar", builder.engine()))).unwrap();
        let by_hand = "lambda-packager-test-by-hand";
        let mut build = builder.command();
        build.args(["build", "--network", "none", "--build-arg", &format!("BASE_IMAGE={BASE}")]);
        fed(build.args(["--build-arg", "TOOLS=cargo rustc cc", "--tag", by_hand, "-"]), &context).ok();
        let runs = &builder.files_of(by_hand)["var/runtime/bootstrap"];
        assert!(*runs == files["var/task/bootstrap"], "{:?}", builder.kind);
    }
}
