//! Functions that share the layer of their compiled dependencies.

use std::fs;

use crate::clean_room::builder::{Builder, Kind, builders};
use crate::support::{Ended, Fixture, repository};

const ALL: [&str; 3] = ["api", "loud", "worker"];

/// Three packages with a function each. `api` has a build script that lists what it sees of the others, `worker` has a
/// crate of its own, and `loud` turns on a feature of one that all of them have.
fn workspace(folder: &str) -> Fixture {
    let fixture = Fixture::empty(folder);
    fixture.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"api\", \"loud\", \"worker\"]\nresolver = \"2\"\n[profile.release]\nlto = \"off\"\n",
    );
    fixture.package("api", "api", "[dependencies]\nfnv = \"1\"\n");
    fixture.package("worker", "worker", "[dependencies]\nfnv = \"1\"\nitoa = \"1\"\n");
    fixture.package("loud", "loud", "[dependencies]\nfnv = { version = \"1\", default-features = false }\n");
    for name in ALL {
        fixture.write(&format!("{name}/src/main.rs"), &source(name, "0"));
    }
    fixture.append("api/src/main.rs", "const SEEN: &str = env!(\"SEEN\");\n#[used]\nstatic KEPT: &str = SEEN;\n");
    fixture.write(
        "api/build.rs",
        "use std::{fs, path::Path};\nfn list(folder: &Path, seen: &mut Vec<String>) {\n    for entry in fs::read_dir(folder).unwrap() {\n        \
         let path = entry.unwrap().path();\n        seen.push(path.display().to_string());\n        if path.is_dir() {\n            list(&path, seen);\n        }\n    }\n}\n\
         fn main() {\n    let mut seen = Vec::new();\n    list(Path::new(\"../worker\"), &mut seen);\n    seen.sort();\n    println!(\"cargo::rustc-env=SEEN={}\", seen.join(\" \"));\n}\n",
    );
    fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).unwrap();
    fixture
}

fn source(name: &str, edit: &str) -> String {
    format!(
        "use std::hash::Hasher;\nfn main() {{\n    let mut hasher = fnv::FnvHasher::default();\n    hasher.write(b\"{name}\");\n    println!(\"{{}} {edit}\", hasher.finish());\n}}\n"
    )
}

/// Packages all; returns how often the crate that all of them have was compiled.
fn package(builder: &Builder, fixture: &Fixture, clean_room: &str) -> usize {
    let mut command = builder.package(fixture, &["--mode", "prod", "--workspace"]);
    Ended::of(command.env("LAMBDA_PACKAGER_CLEAN_ROOM", clean_room)).ok();
    let logs = ALL.map(|name| fixture.text(&format!("target/lambda/{name}/build.log")));
    logs.iter().map(|log| log.matches("Compiling fnv ").count()).sum()
}

#[test]
fn dependencies_are_compiled_once_for_functions_with_the_same_features_and_no_function_sees_another() {
    let builders = builders(Kind::BuildKit);
    let Some(first) = builders.first() else { return };
    let elsewhere = workspace("elsewhere");
    package(first, &elsewhere, "0");
    for builder in &builders {
        let (kind, fixture) = (builder.kind, workspace("app"));
        // `loud` has other features.
        assert_eq!(package(builder, &fixture, "1"), 2, "{kind:?}");
        for name in ALL {
            assert!(fixture.zip(name) == elsewhere.zip(name), "{kind:?} made other bytes of {name}");
        }
        fixture.write("worker/src/main.rs", &source("worker", "1"));
        package(builder, &fixture, "1");
        assert_eq!(fixture.output_of_bootstrap("worker").split(' ').nth(1), Some("1"), "{kind:?}");
        let log = fixture.text("target/lambda/worker/build.log");
        assert!(!log.contains("Compiling fnv ") && log.contains("Compiling worker "), "{kind:?}: {log}");
    }
}
