//! A compile that left no record, failed or of another function, may have left units in cargo's target
//! directory that are not of the content which the next hit sees.

use std::process::Command;

use crate::support::{Engine, Fixture};

/// A function `app`, another one `other`, and a library that both use.
fn workspace() -> Fixture {
    let fixture = Fixture::empty("workspace");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"app\", \"other\", \"dep\"]\nresolver = \"2\"\n");
    for name in ["app", "other"] {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ndep = {{ path = \"../dep\" }}\n"
        );
        fixture.write(&format!("{name}/Cargo.toml"), &manifest);
        fixture.write(&format!("{name}/src/main.rs"), "fn main() {\n    println!(\"{}\", dep::TEXT);\n}\n");
    }
    fixture.write("dep/Cargo.toml", "[package]\nname = \"dep\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    fixture.write("dep/src/lib.rs", "pub const TEXT: &str = \"old\";\n");
    fixture
}

fn shell(fixture: &Fixture, script: &str) {
    let status = Command::new("sh").args(["-ec", script]).current_dir(fixture.root()).status().expect("sh starts");
    assert!(status.success(), "{script}");
}

#[test]
fn a_hit_after_a_failed_compile_forgets_nothing() {
    if !Engine::Docker.is_here() {
        return;
    }
    let fixture = workspace();
    let run = |args: &[&str]| fixture.run_on(Engine::Docker, &[&["--function", "app"], args].concat());
    run(&[]).ok();

    // The library compiles as "new", the function fails.
    shell(&fixture, "cp -p dep/src/lib.rs kept && cp -p app/src/main.rs main");
    fixture.write("dep/src/lib.rs", "pub const TEXT: &str = \"new\";\n");
    fixture.write("app/src/main.rs", "fn main() {\n    broken\n}\n");
    run(&[]).fails(4, &["broken"]);

    // Both are restored with their old dates: the zip is right again.
    shell(&fixture, "cp -p kept dep/src/lib.rs && cp -p main app/src/main.rs");
    assert_eq!(run(&[]).ok().verdict(), "cache-hit");

    // An edit of the function alone must not be linked with the library as it was when it failed.
    fixture.write("app/src/main.rs", "fn main() {\n    println!(\"edited {}\", dep::TEXT);\n}\n");
    run(&[]).ok();
    assert_eq!(fixture.output_of_bootstrap("app"), "edited old");
}

#[test]
fn a_hit_after_another_functions_compile_forgets_nothing() {
    if !Engine::Docker.is_here() {
        return;
    }
    let fixture = workspace();
    let run = |function: &str| fixture.run_on(Engine::Docker, &["--function", function]).ok();
    run("app");
    run("other");

    // The other function compiles the library as "new" into the target directory that both share.
    shell(&fixture, "cp -p dep/src/lib.rs kept");
    fixture.write("dep/src/lib.rs", "pub const TEXT: &str = \"new\";\n");
    run("other");
    shell(&fixture, "cp -p kept dep/src/lib.rs");
    assert_eq!(run("app").verdict(), "cache-hit");

    fixture.write("app/src/main.rs", "fn main() {\n    println!(\"edited {}\", dep::TEXT);\n}\n");
    run("app");
    assert_eq!(fixture.output_of_bootstrap("app"), "edited old");
}
