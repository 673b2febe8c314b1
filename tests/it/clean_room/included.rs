//! What a function includes stands in the final image where Lambda unpacks a zip.

use crate::clean_room::builder::{BASE, Kind, RUNTIME, builders};
use crate::support::{Ended, Fixture};

#[test]
fn the_final_image_has_what_the_function_includes_and_takes_a_library_from_there() {
    let builders = builders(Kind::Podman);
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
    fixture.write(
        "Cargo.toml",
        "[package]\nname = \"including\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [package.metadata.lambda-packager]\ninclude = [\"config\", \"lib/libseven.so\"]\n",
    );
    fixture.builds_with(
        "fn main() {\n    println!(\"cargo::rustc-link-search=native={}/lib\", env!(\"CARGO_MANIFEST_DIR\"));\n}\n",
        "#[link(name = \"seven\")]\nunsafe extern \"C\" {\n    fn seven() -> i32;\n}\nfn main() {\n    \
         println!(\"{} {}\", std::fs::read_to_string(\"config/words.txt\").unwrap(), unsafe { seven() });\n}\n",
    );
    for builder in &builders {
        for runtime in ["scratch", RUNTIME] {
            let mut command = fixture.command();
            let args = ["--mode", "prod", "--force", "--base", BASE, "--engine", builder.engine(), "--runtime-image"];
            Ended::of(builder.lend(command.args(args).arg(runtime))).ok();
            let manifest = fixture.manifest("including");
            let image = manifest["artifact"]["image"].as_str().unwrap();
            let files = builder.files_of(image);
            let of_task: Vec<&str> =
                files.keys().map(String::as_str).filter(|name| name.starts_with("var/task/")).collect();
            assert_eq!(of_task, ["var/task/config/words.txt", "var/task/lib/libseven.so"], "{:?}", builder.kind);
            assert!(files["var/task/lib/libseven.so"] == fixture.read("lib/libseven.so"));
            if runtime == "scratch" {
                assert!(
                    !files.keys().any(|name| name.starts_with("usr/") && name.contains("seven")),
                    "{:?}",
                    files.keys()
                );
                let run = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", image];
                assert_eq!(builder.ask(&run), "good morning 7", "{:?}", builder.kind);
            }
        }
    }
}
