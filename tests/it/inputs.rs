//! What a compile sees: the inputs of the function, and nothing else; and the inputs that it finds by missing them.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::clean_room::builder::{Kind, builders};
use crate::support::clean::Date::{Kept, Now};
use crate::support::clean::{Project, printing_value};
use crate::support::host::git;
use crate::support::{Ended, Engine, Fixture, is_full, one_engine, sha256};

const APP: &str = "app/src/main.rs";

/// Reads every file within reach, from the workspace downwards and in a container from the root, without the borrowed
/// toolchain; there also mounts and variables. Tells where it found the mark of an input, so that it is known to have
/// looked, and fails where anything has the mark of what is none.
const WALKS: &str = r#"
use std::{env, fs, path::Path};

fn walk(folder: &Path, marks: &[String; 2], found: &mut [Vec<String>; 2]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !["/proc", "/sys", "/usr", "/opt/rust"].iter().any(|other| path == Path::new(other)) => {
                walk(&path, marks, found);
            }
            Ok(kind) if kind.is_file() => {
                let content = fs::read(&path).unwrap_or_default();
                for (mark, found) in marks.iter().zip(found.iter_mut()) {
                    if content.windows(mark.len()).any(|window| window == mark.as_bytes()) {
                        found.push(path.display().to_string());
                    }
                }
            }
            _ => {}
        }
    }
}

fn main() {
    // Whole only here: the compiled script is within reach.
    let marks = ["an-input", "no-input"].map(|end| ["M4RK-of-what-is-", end].concat());
    let mut found = [Vec::new(), Vec::new()];
    walk(Path::new(".."), &marks, &mut found);
    if Path::new("/workspace/app").exists() {
        walk(Path::new("/"), &marks, &mut found);
        for (name, value) in env::vars_os() {
            if value.to_string_lossy().contains(&marks[1]) {
                found[1].push(name.to_string_lossy().into_owned());
            }
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found[1].extend(mounts.lines().filter(|line| line.contains("@AROUND@")).map(String::from));
        for file in ["/proc/1/environ", "/proc/self/environ", "/proc/1/cmdline"] {
            let text = fs::read(file).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(&marks[1]) {
                found[1].push(file.into());
            }
        }
    }
    let [mut inputs, others] = found;
    assert!(others.is_empty(), "within reach: {others:?}");
    inputs.sort();
    println!("cargo:rustc-env=SEEN={}", inputs.join(" "));
    println!("cargo:rerun-if-changed=build.rs");
}
"#;

/// Inputs of every kind.
const SEEN: [&str; 5] = [".sqlx/query.json", "VERSION", "app/made/declared.txt", "app/note.txt", "proto/a.txt"];

fn repository(fixture: &Fixture) {
    git(fixture.root(), &["init", "--quiet"]);
    fixture.write(".gitignore", "target/\n*.log\n.env\n/app/made\n");
}

fn with_what_must_not_be_seen() -> Fixture {
    let fixture = Fixture::empty("workspace");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"app\", \"other\"]\nresolver = \"2\"\n");
    let inputs = "[package.metadata.lambda-packager]\ninputs = [\"app/made/declared.txt\", \"proto\"]\n";
    fixture.package("app", "app", inputs);
    fixture.package("other", "other", "");
    let around = fixture.around();
    let around = around.file_name().expect("a name").to_string_lossy();
    fixture.write("app/build.rs", &WALKS.replace("@AROUND@", &around));
    fixture.write(APP, "fn main() {\n    println!(\"{}\", env!(\"SEEN\"));\n}\n");
    repository(&fixture);
    for name in SEEN {
        fixture.write(name, "M4RK-of-what-is-an-input\n");
    }
    git(fixture.root(), &["remote", "add", "origin", &format!("https://u:{TOKEN}@example.invalid/r")]);
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
        fixture.write(name, &format!("# {TOKEN}\n"));
    }
    let links = ["../../beside.txt", "../.git", "../.git/config", "../.cargo", "../.cargo/credentials.toml"];
    for (number, target) in links.iter().enumerate() {
        symlink(target, fixture.path(&format!("app/link{number}"))).unwrap();
    }
    fixture
}

const TOKEN: &str = "M4RK-of-what-is-no-input";

/// A pipeline has them in the project, so that it can keep them.
#[test]
fn what_cargo_keeps_in_the_project_is_no_input() {
    let fixture = Fixture::hello_in_git();
    let run = |home: &str| {
        fixture.write(&format!("{home}/registry/index"), home);
        fixture.write(&format!("{home}-2/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
        fixture.write(&format!("{home}-2/release/deps/x"), home);
        Ended::of(fixture.command_for("host").env("CARGO_HOME", home)).ok()
    };
    run("cargo");
    // A relative home is the same place for the cargo that is started elsewhere.
    assert!(!fixture.path("src/cargo").exists());
    fixture.write("cargo/registry/more", "");
    fixture.write("cargo-2/release/more", "");
    assert_eq!(run("cargo").verdict(), "cache-hit");
}

#[test]
fn nothing_that_is_no_input_is_visible() {
    let fixture = with_what_must_not_be_seen();
    let seen_from = |folder: &str| SEEN.map(|name| format!("{folder}/{name}")).join(" ");
    let in_container = format!("{} {}", seen_from(".."), seen_from("/workspace"));
    let mut engines = vec!["host"];
    engines.extend(crate::support::engines(Engine::Docker).map(Engine::name));
    for engine in engines {
        Ended::of(fixture.command_for(engine).args(["--package", "app"]).env("TOKEN", TOKEN)).ok();
        let expected = if engine == "host" { &seen_from("..") } else { &in_container };
        assert_eq!(fixture.output_of_bootstrap("app"), *expected, "{engine}");
    }
    for builder in builders(Kind::BuildKit) {
        let mut command = builder.package(&fixture, &["--force", "--package", "app"]);
        Ended::of(command.env("LAMBDA_PACKAGER_CLEAN_ROOM", "1").env("TOKEN", TOKEN)).ok();
        assert_eq!(fixture.manifest("app")["road"]["clean_room"], true);
        assert_eq!(fixture.output_of_bootstrap("app"), in_container, "{:?}", builder.kind);
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

/// For packages that are not compiled cargo sees empty files; never in the place of what is.
#[test]
fn a_function_without_its_source_is_an_error_and_no_program_that_does_nothing() {
    for engine in both() {
        let project = Project::workspace(engine, &["app"]);
        let named =
            "[[bin]]\nname = \"one\"\npath = \"src/one.rs\"\n[[bin]]\nname = \"two\"\npath = \"src/deep/two.rs\"\n";
        project.package("app", named);
        repository(&project.fixture);
        project.write("app/src/one.rs", &printing_value("1"));
        let run = || Ended::of(&mut project.fixture.command_for(engine));
        run().fails(4, &["can't find bin `two`", "1 of 2 functions was not packaged: two"]);
        assert_eq!(project.fixture.output_of_bootstrap("one"), "1");
        project.write("app/src/deep/two.rs", &printing_value("2")).write("app/.gitignore", "deep\n");
        run().fails(4, &["git ignores app/src/deep/two.rs, so the compile does not see it"]);
        assert!(!project.path("target/lambda/two/lambda-deployment.zip").exists());
        project.package("app", &format!("{named}[lib]\npath = \"src/none.rs\"\n"));
        project.write("app/.gitignore", "");
        run().fails(4, &["couldn't read `app/src/none.rs`"]);
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

/// The crates that people read files with; each is compiled for real.
#[test]
fn what_the_macros_of_others_read_is_an_input() {
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

    // In a folder of the package around.
    let mut project = Project::workspace(engine.name(), &["crates/part"]);
    project.function("app");
    project.package("crates/part", "[dependencies]\ninclude_dir = \"0.7\"\n");
    let embeds = "static D: include_dir::Dir = include_dir::include_dir!(\"$CARGO_MANIFEST_DIR/../../assets\");\n\
                  pub fn text() -> String { D.files().map(|file| file.path().display().to_string()).collect() }\n";
    project.write("crates/part/src/lib.rs", embeds);
    let root = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                [dependencies]\npart = { path = \"crates/part\" }\n";
    project.write("Cargo.toml", &(root.to_string() + &project.fixture.text("Cargo.toml")));
    project.write("src/main.rs", "fn main() { println!(\"{}\", part::text()); }\n");
    repository(&project.fixture);
    project.write("assets/a.txt", "one").misses("first build");
    project.adds("assets/b.txt", "more", Now);

    // Templates of the package, and of a folder of no package that a template names.
    let project = Project::workspace(engine.name(), &["app"]);
    project.package("app", "[dependencies]\naskama = \"0.14\"\n");
    project.write("app/askama.toml", "[general]\ndirs = [\"templates\", \"../shared\"]\n");
    repository(&project.fixture);
    let main = "#[derive(askama::Template)]\n#[template(path = \"a.txt\")]\nstruct A;\n\
                fn main() { println!(\"{}\", askama::Template::render(&A).unwrap()); }\n";
    project.write(APP, main).write("app/templates/a.txt", "one {% include \"b.txt\" %}").write("shared/b.txt", "two");
    let settings = "[workspace.metadata.lambda-packager]\ninputs = [\"shared\"]\n";
    project.write("Cargo.toml", &(project.fixture.text("Cargo.toml") + settings)).misses("first build");
    project.changes("app/templates/a.txt", "six {% include \"b.txt\" %}", Kept);
    project.changes("shared/b.txt", "ten", Kept);
    // It comes before that of the other folder.
    project.adds("app/templates/b.txt", "new", Now);

    // What a database said to `cargo sqlx prepare`, at the top of the workspace.
    let project = Project::workspace(engine.name(), &["app"]);
    let sqlx = "sqlx = { version = \"0.8\", default-features = false, features = [\"macros\", \"postgres\"] }\n";
    project.package("app", &format!("[dependencies]\n{sqlx}"));
    repository(&project.fixture);
    let main = "fn output<O>(_: &sqlx::query::QueryScalar<'_, sqlx::Postgres, O, sqlx::postgres::PgArguments>) -> &'static str {
    std::any::type_name::<O>()
}
fn main() {
    println!(\"{}\", output(&sqlx::query_scalar!(\"select 1 as one\")));
}\n";
    let query = "select 1 as one";
    let hash = sha256(query.as_bytes());
    let says = |kind: &str| {
        format!(
            r#"{{"db_name":"PostgreSQL","query":"{query}","describe":{{"columns":[{{"ordinal":0,"name":"one","type_info":"{kind}"}}],"parameters":{{"Left":[]}},"nullable":[null]}},"hash":"{hash}"}}"#
        )
    };
    let file = format!(".sqlx/query-{hash}.json");
    project.write(APP, main).write(&file, &says("Int4")).misses("first build");
    assert_eq!(project.fixture.output_of_bootstrap("app"), "core::option::Option<i32>");
    project.changes(&file, &says("Int8"), Kept);
    assert_eq!(project.fixture.output_of_bootstrap("app"), "core::option::Option<i64>");
    project.adds(".sqlx/query-of-nobody.json", "{}", Now);
}
