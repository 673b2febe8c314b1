//! Traps for whoever believes that a package reads its own files: what build scripts and macros read elsewhere in the
//! workspace, without a word to cargo; and records of cargo that are not where they were.

use crate::never_stale::{APP, docker, host_or_docker};
use crate::support::clean::Date::{Kept, Now, Old};
use crate::support::clean::{Project, printing_value, returning};

/// A build script that hands the content of `file` to the program.
fn reading(file: &str) -> String {
    format!(
        "fn main() {{
    println!(\"cargo:rerun-if-changed=build.rs\");
    println!(\"cargo:rustc-env=READ={{}}\", std::fs::read_to_string({file:?}).unwrap().trim());
}}\n"
    )
}

fn reading_app(engine: &'static str, file: &str) -> Project {
    let project = Project::workspace(engine, &["app"]);
    project.package("app", "");
    project.write("app/build.rs", &reading(file)).write(APP, &printing_value("env!(\"READ\")"));
    project
}

#[test]
fn a_file_at_the_top_of_the_workspace() {
    let Some(project) = docker().map(|docker| reading_app(docker, "../VERSION")) else { return };
    project.write("README.md", "for people").write("VERSION", "one").misses("first build");
    project.changes("VERSION", "two", Now);
    project.changes("VERSION", "six", Kept);
    project.write("README.md", "for others").hits();
    project.adds("CODENAME", "none", Now);
}

#[test]
fn what_a_macro_of_sqlx_reads_of_a_database() {
    let Some(project) = host_or_docker().map(|engine| Project::workspace(engine, &["app", "queries"])) else { return };
    project.package("queries", "[lib]\nproc-macro = true\n");
    project.write(
        "queries/src/lib.rs",
        "#[proc_macro]
        pub fn query(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
            let package = std::path::PathBuf::from(std::env::var(\"CARGO_MANIFEST_DIR\").unwrap());
            let text = std::fs::read_to_string(package.parent().unwrap().join(\".sqlx/query.json\")).unwrap();
            format!(\"{text:?}\").parse().unwrap()
        }\n",
    );
    project.package("app", "[dependencies]\nqueries = { path = \"../queries\" }\n");
    project.write(APP, &printing_value("queries::query!()"));
    project.write(".sqlx/query.json", "one").misses("first build");
    project.changes(".sqlx/query.json", "two", Kept);
    project.adds(".sqlx/another.json", "three", Now);
}

#[test]
fn a_folder_with_a_file_that_is_named_like_a_manifest() {
    let Some(project) = host_or_docker().map(|engine| reading_app(engine, "templates/text")) else { return };
    project.write("app/templates/Cargo.toml", "[package]\nname = \"{{name}}\"\n");
    project.write("app/templates/text", "one").misses("first build");
    project.changes("app/templates/text", "two", Kept);
}

/// The build script of `mid` reads a file of `part`, on which it does not depend; the program has both.
#[test]
fn a_build_script_that_reads_a_file_of_another_package() {
    let Some(project) = docker().map(|docker| Project::workspace(docker, &["app", "mid", "part"])) else { return };
    for name in ["mid", "part"] {
        project.package(name, "");
    }
    project.package("app", "[dependencies]\nmid = { path = \"../mid\" }\npart = { path = \"../part\" }\n");
    project.write("mid/build.rs", &reading("../part/read.txt")).write("mid/src/lib.rs", &returning("env!(\"READ\")"));
    project.write("part/src/lib.rs", &returning("include_str!(\"../read.txt\")"));
    project.write(APP, "fn main() {\n    println!(\"{} {}\", mid::text(), part::text());\n}\n");
    project.write("part/read.txt", "one").misses("first build");
    project.changes("part/read.txt", "two", Now);
    project.changes("part/read.txt", "six", Old);
}

/// Stable since cargo 1.100; this cargo has it on demand.
#[test]
fn the_target_directory_of_newer_cargos() {
    let Some(mut project) = docker().map(Project::pair) else { return };
    asks_for_the_newer_target_directory(&mut project);
    what_cargo_keeps_is_never_stale(&project);
}

pub fn asks_for_the_newer_target_directory(project: &mut Project) {
    project.variables(&[("RUSTC_BOOTSTRAP", "1"), ("LAMBDA_PACKAGER_PASS_ENV", "RUSTC_BOOTSTRAP")]);
    project.write(".cargo/config.toml", "[unstable]\nbuild-dir-new-layout = true\n");
}

/// What build scripts read and packages are made of changes, with dates that tell nothing, in a [`Project::pair`].
pub fn what_cargo_keeps_is_never_stale(project: &Project) {
    project.part_builds_with(
        "fn main() {
    println!(\"cargo:rerun-if-changed=../words/read.txt\");
    println!(\"cargo:rustc-env=READ={}\", std::fs::read_to_string(\"../words/read.txt\").unwrap());
}\n",
    );
    project.write("words/read.txt", "one").misses("first build");
    project.changes("words/read.txt", "two", Old);
    project.part_returns("concat!(\"three \", env!(\"READ\"))");
    project.misses("changed part/src/lib.rs");
    project.changes(APP, &printing_value("part::text()").replace("{:?}", "of {:?}"), Old);
}
