//! Examples as functions: compiled with the dev-dependencies of their package, which its bins never see.

use std::fs;
use std::process::Command;

use crate::support::registry::Registry;
use crate::support::{Ended, Engine, Fixture, cases, one_engine};

const TOKEN: &str = "SECRET-TOKEN-OF-A-REGISTRY";

/// The package `api` with a bin of that name and the examples `demo` and `more`, and `quiet` with an example of that name. A
/// dev-dependency of `api` turns on another feature of the crate that all of them share, and one is downloaded.
fn workspace(registry: &Registry) -> Fixture {
    let fixture = Fixture::empty("shop");
    fixture
        .write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"quiet\", \"tool\", \"shared\"]\nresolver = \"2\"\n");
    fixture.shared();
    fixture.package("tool", "tool", "[dependencies]\nshared = { path = \"../shared\", features = [\"loud\"] }\n");
    fixture.write("tool/src/lib.rs", "pub const TEXT: &str = \"tool\";\n");
    fixture.package("quiet", "quiet", "[dev-dependencies]\nshared = { path = \"../shared\" }\n");
    fixture.write("quiet/src/lib.rs", "");
    fixture.write("quiet/examples/quiet.rs", "fn main() {\n    println!(\"quiet {}\", shared::say());\n}\n");
    let dev = "[dev-dependencies]\ntool = { path = \"../tool\" }\nfetched = { version = \"1\", registry = \"mine\" }\n";
    fixture.package("api", "api", &format!("[dependencies]\nshared = {{ path = \"../shared\" }}\n{dev}"));
    fixture.write("api/src/main.rs", "fn main() {\n    println!(\"api {}\", shared::say());\n}\n");
    for name in ["demo", "more"] {
        let text = format!("\"{name} {{}} {{}} {{}}\", shared::say(), tool::TEXT, fetched::TEXT");
        fixture.write(&format!("api/examples/{name}.rs"), &format!("fn main() {{\n    println!({text});\n}}\n"));
    }
    fixture.write(
        "../cargo-home/config.toml",
        &format!(
            "[registries.mine]\nindex = {:?}\ntoken = {TOKEN:?}\n[registry]\nglobal-credential-providers = [\"cargo:token\"]\n",
            registry.index()
        ),
    );
    fixture
}

fn packager(fixture: &Fixture, engine: &str) -> Command {
    let mut command = fixture.command_for(engine);
    command.env("CARGO_HOME", fixture.around().join("cargo-home"));
    command
}

#[test]
fn an_example_is_packaged_where_it_is_named_and_only_it_depends_on_dev_dependencies() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let registry = Registry::open(TOKEN);
    registry.publish("fetched", "fetched");
    for road in cases(vec![engine.name()], vec![engine.name(), "host"]) {
        let fixture = workspace(&registry);
        let run = |names: &[&str]| {
            Ended::of(packager(&fixture, road).args(names.iter().flat_map(|name| ["--function", name]))).ok()
        };
        assert_eq!(run(&[]).verdict(), "cache-miss: first build");
        assert!(!fixture.path("target/lambda/demo").exists(), "nobody meant it");
        let of_bin = fixture.zip("api");

        let all = run(&["*", "examples/*"]);
        assert!(all.stderr.contains("4 functions: 3 packaged (demo: first build, ...), 1 reused"), "{}", all.stderr);
        let printed = ["api", "demo", "more", "quiet"].map(|name| fixture.output_of_bootstrap(name));
        assert_eq!(printed, ["api soft", "demo LOUD tool fetched", "more LOUD tool fetched", "quiet soft"]);
        fixture.append("shared/src/lib.rs", "// another\n");
        let again = run(&["*", "examples/*"]);
        // The bin, the examples of its package, and that of the other one.
        assert_eq!(again.stderr.matches("Finished `release`").count(), 3, "{}", again.stderr);
        assert!(fixture.zip("api") == of_bin, "an example changed its bytes");
        let together = fixture.zip("demo");
        Ended::of(packager(&fixture, road).args(["--force", "--function", "demo"])).ok();
        assert!(fixture.zip("demo") == together, "alone it has other bytes");

        fixture.write("tool/src/lib.rs", "pub const TEXT: &str = \"edited\";\n");
        let edited = run(&["api", "demo"]);
        let expected = "2 functions: 1 packaged (demo: changed tool/src/lib.rs), 1 reused";
        assert!(edited.stderr.contains(expected), "{}", edited.stderr);
        assert_eq!(fixture.output_of_bootstrap("demo"), "demo LOUD edited fetched");
    }
}

#[test]
fn an_example_has_the_bytes_that_cargo_makes_and_a_bin_of_its_name_is_another_function() {
    let fixture = Fixture::hello();
    let run = |names: &[&str]| {
        Ended::of(fixture.command_for("host").args(names.iter().flat_map(|name| ["--function", name])))
    };
    run(&["examples/hello"]).fails(2, &["there is no function `examples/hello`", "the functions are: hello"]);
    fixture.write("examples/hello.rs", "fn main() {\n    println!(\"an example\");\n}\n");
    run(&["hello", "examples/hello"]).ok();
    assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    assert_eq!(fixture.output_of_bootstrap("hello.example.hello"), "an example");

    // Cargo itself, in the sources that the packager compiled, with what it adds to the profile.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folders =
        fs::read_dir(fixture.path("target/lambda")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let sources = folders.map(|folder| folder.join("workspace")).find(|folder| folder.is_dir()).expect("the sources");
    let mut cargo = fixture.cargo_command();
    cargo.current_dir(&sources).args(["build", "--release", "--example", "hello", "--target", &triple]);
    cargo.args(["--config", "profile.release.strip=\"symbols\"", "--target-dir"]).arg(fixture.path("target/by-cargo"));
    Ended::of(&mut cargo).ok();
    let by_cargo = fixture.read(&format!("target/by-cargo/{triple}/release/examples/hello"));
    assert!(by_cargo == fixture.read("target/lambda/hello.example.hello/bootstrap"), "cargo makes other bytes");
}
