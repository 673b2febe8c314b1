//! What a compile sees: the inputs of the function, and nothing else; and the inputs that it finds by missing them.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::clean_room::builder::{Kind, builders};
use crate::support::clean::Date::{Kept, Now};
use crate::support::clean::{Project, printing_value};
use crate::support::host::git;
use crate::support::{Ended, Engine, Fixture, is_full, one_engine};

const APP: &str = "app/src/main.rs";

/// Fails if any file within reach has the mark: from the workspace downwards, and in a container in all folders.
const WALKS: &str = r#"
use std::{fs, path::Path};

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, found),
            Ok(kind) if kind.is_file() && fs::read(&path).is_ok_and(|text| String::from_utf8_lossy(&text).contains(concat!("M4RK-of-what-is-", "no-input"))) => {
                found.push(path.display().to_string());
            }
            _ => {}
        }
    }
}

fn main() {
    let mut found = Vec::new();
    walk(Path::new(".."), &mut found);
    if Path::new("/workspace/app").exists() {
        for folder in ["/workspace", "/cargo", "/tmp", "/root", "/home", "/var", "/etc"] {
            walk(Path::new(folder), &mut found);
        }
    }
    assert!(found.is_empty(), "within reach: {found:?}");
    println!("cargo:rustc-env=SEEN={}", fs::read_to_string("../VERSION").unwrap());
    println!("cargo:rerun-if-changed=build.rs");
}
"#;

fn repository(fixture: &Fixture) {
    git(fixture.root(), &["init", "--quiet"]);
    fixture.write(".gitignore", "target/\n*.log\n.env\n/app/made\n");
}

fn with_what_must_not_be_seen() -> Fixture {
    let fixture = Fixture::empty("workspace");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"app\", \"other\"]\nresolver = \"2\"\n");
    fixture.package("app", "app", "");
    fixture.package("other", "other", "");
    fixture.write("app/build.rs", WALKS);
    fixture.write(APP, &printing_value("env!(\"SEEN\")"));
    fixture.write("VERSION", "seen");
    repository(&fixture);
    let token = "M4RK-of-what-is-no-input";
    git(fixture.root(), &["remote", "add", "origin", &format!("https://u:{token}@example.invalid/r")]);
    for name in [
        ".env",
        "x.log",
        "app/made/x.rs",
        "app/x.log",
        "other/src/main.rs",
        "other/data.txt",
        "web/index.html",
        "README.md",
        "LICENSE",
        "target/x",
        ".cargo/credentials.toml",
        "../beside.txt",
    ] {
        fixture.write(name, &format!("# {token}\n"));
    }
    symlink("../../beside.txt", fixture.path("app/link")).unwrap();
    fixture
}

#[test]
fn nothing_that_is_no_input_is_visible() {
    let fixture = with_what_must_not_be_seen();
    let mut engines = vec!["host"];
    engines.extend(crate::support::engines(Engine::Docker).map(Engine::name));
    for engine in engines {
        Ended::of(fixture.command_for(engine).args(["--package", "app"])).ok();
        assert_eq!(fixture.output_of_bootstrap("app"), "\"seen\"");
    }
    for builder in builders(Kind::BuildKit) {
        let mut command = builder.package(&fixture, &["--force", "--package", "app"]);
        Ended::of(command.env("LAMBDA_PACKAGER_CLEAN_ROOM", "1")).ok();
    }
}

fn including(engine: &'static str, file: &str) -> Project {
    let project = Project::workspace(engine, &["app", "other"]);
    project.package("app", "");
    project.package("other", "");
    repository(&project.fixture);
    project.write("other/src/lib.rs", "").write(APP, &printing_value(&format!("include_str!({file:?})")));
    project
}

/// The engine that the tests have anyway, and the host.
fn both() -> impl Iterator<Item = &'static str> {
    one_engine(Engine::Docker).map(Engine::name).into_iter().chain(["host"])
}

#[test]
fn what_a_compile_misses_and_git_lists_is_found_and_remembered() {
    for engine in both() {
        // With its folder, where that is no package's.
        let project = including(engine, "../../proto/deep/a.txt");
        project.write("proto/deep/a.txt", "one").misses("first build");
        project.changes("proto/deep/a.txt", "two", Kept);
        project.adds("proto/b.txt", "more", Now);
        // Of a package that is no dependency, only the file.
        let project = including(engine, "../../other/data.txt");
        project.write("other/data.txt", "one").write("other/more.txt", "").misses("first build");
        project.changes("other/data.txt", "two", Kept);
        project.write("other/more.txt", "other").hits();
    }
}

#[test]
fn what_a_build_script_and_a_c_compiler_miss_is_found() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let project = Project::workspace(engine.name(), &["app"]);
    project.package("app", "");
    repository(&project.fixture);
    let script = "fn main() {
    let path = \"../schema/a.sql\";
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!(\"{path}: {e}\"));
    println!(\"cargo:rustc-env=READ={text}{}\", std::fs::read_to_string(\"../more/b.sql\").expect(\"../more/b.sql\"));
}\n";
    project.write("app/build.rs", script).write(APP, &printing_value("env!(\"READ\")"));
    project.write("schema/a.sql", "one").write("more/b.sql", "two").misses("first build");
    project.changes("more/b.sql", "six", Kept);
    let text = Ended::of(&mut project.command()).ok().stderr;
    assert!(!text.contains("compiling again"), "{text}");
}

#[test]
fn a_readme_above_the_workspace_is_found() {
    for engine in both() {
        let fixture = Fixture::empty("repository");
        git(fixture.root(), &["init", "--quiet"]);
        fixture.write("README.md", "read me");
        fixture.package("rust/app", "app", "");
        fixture.write("rust/app/src/main.rs", &printing_value("include_str!(\"../../../README.md\")"));
        let mut command = fixture.command_for(engine);
        let ended = Ended::of(command.current_dir(fixture.path("rust/app"))).ok();
        assert!(ended.stderr.contains("the compile needs ../../README.md"), "{}", ended.stderr);
        let printed = Command::new(fixture.path("rust/app/target/lambda/app/bootstrap")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&printed.stdout), "\"read me\"\n");
    }
}

#[test]
fn what_git_ignores_is_named_with_the_line_to_add() {
    for engine in both() {
        let project = including(engine, "../made/x.txt");
        project.write("app/made/x.txt", "made");
        let hint = "git ignores app/made/x.txt, so the compile does not see it; if it is an input, add it: `inputs = [\"app/made/x.txt\"]`";
        Ended::of(&mut project.command()).fails(4, &["does not compile", hint]);
    }
}

#[test]
fn a_failure_that_names_no_path_lists_what_is_not_seen() {
    let project = Project::workspace("host", &["app"]);
    project.package("app", "");
    project.write("app/build.rs", "fn main() {\n    std::fs::read(format!(\"../{}/a\", \"schema\")).unwrap();\n}\n");
    project.write(APP, &printing_value("1")).write("schema/a", "").write("web/index.html", "");
    let hint =
        "the compile does not see these folders of the workspace: schema, web; if it needs one, add it to `inputs`";
    Ended::of(&mut project.command()).fails(4, &[hint]);
}

#[test]
fn what_is_declared_is_seen_and_what_is_excluded_is_not() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let project = Project::workspace(engine.name(), &["app"]);
    let settings = "inputs = [\"app/made\", \"../beside/**/*.txt\"]\nexclude = [\"app/made/big\", \"NOTES\"]\n";
    project.package("app", &format!("[package.metadata.lambda-packager]\n{settings}"));
    repository(&project.fixture);
    let script = "fn main() {
    for hidden in [\"made/big/x\", \"../NOTES\", \"../../beside/a.md\"] {
        assert!(!std::path::Path::new(hidden).exists(), \"{hidden} is visible\");
    }
    let read = |path: &str| std::fs::read_to_string(path).expect(path);
    println!(\"cargo:rustc-env=READ={}{}\", read(\"made/x\"), read(\"../../beside/deep/a.txt\"));
}\n";
    project.write("app/build.rs", script).write(APP, &printing_value("env!(\"READ\")"));
    for name in ["app/made/big/x", "NOTES", "../beside/a.md", "app/made/x"] {
        project.write(name, "1");
    }
    project.write("../beside/deep/a.txt", "1").misses("first build");
    project.changes("app/made/x", "2", Kept);
    project.changes("../beside/deep/a.txt", "2", Kept);
    project.adds("../beside/b.txt", "1", Now);
    project.write("app/made/big/x", "2").write("NOTES", "2").write("../beside/a.md", "2").hits();
}

/// The crates that people include files with; each is compiled for real.
#[test]
fn what_the_macros_of_others_miss_is_found() {
    if !is_full() {
        return;
    }
    let Some(engine) = one_engine(Engine::Docker) else { return };
    for (dependency, main) in [
        (
            "include_dir = \"0.7\"",
            "static D: include_dir::Dir = include_dir::include_dir!(\"$CARGO_MANIFEST_DIR/../assets\");
            fn main() { println!(\"{}\", D.get_file(\"a.txt\").unwrap().contents_utf8().unwrap()); }",
        ),
        (
            "rust-embed = { version = \"8\", features = [\"debug-embed\"] }",
            "#[derive(rust_embed::RustEmbed)]
            #[folder = \"../assets\"]
            struct A;
            fn main() { println!(\"{}\", String::from_utf8_lossy(&A::get(\"a.txt\").unwrap().data)); }",
        ),
    ] {
        let project = Project::workspace(engine.name(), &["app"]);
        project.package("app", &format!("[dependencies]\n{dependency}\n"));
        repository(&project.fixture);
        project.write(APP, &format!("{main}\n")).write("assets/a.txt", "one").misses("first build");
        project.changes("assets/a.txt", "two", Kept);
        project.adds("assets/b.txt", "more", Now);
    }
}
