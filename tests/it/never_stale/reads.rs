//! Traps for whoever believes that a package is made of its sources: what macros, build scripts and the
//! linker read besides.

use crate::never_stale::{APP, READS_NAME_IN_SECRET, docker};
use crate::support::clean::Date::{Kept, Now, Old};
use crate::support::clean::{Project, app, long_ago, part, printing, printing_value};

/// A build script that hands the content of `read.txt` to the program without telling cargo that it depends on it.
const READS_IN_SECRET: &str = "fn main() {
    println!(\"cargo:rerun-if-changed=build.rs\");
    println!(\"cargo:rustc-env=READ={}\", std::fs::read_to_string(\"read.txt\").unwrap());
}\n";

/// The body of a function that joins the files of a `folder`, in the order of their names.
const JOINS: &str = "
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_string();
    let text: String = all.iter().map(|path| name(path) + \"=\" + &std::fs::read_to_string(path).unwrap()).collect();\n";

/// A build script that starts with these lines, and joins the files of a `folder` that they name. If they tell cargo of
/// nothing, it runs the script again for any newer file of the package.
fn joins(lines: &str) -> String {
    format!("fn main() {{\n{lines}{JOINS}    println!(\"cargo:rustc-env=READ={{text}}\");\n}}\n")
}

fn with_build_script(engine: &'static str, script: &str) -> Project {
    let project = Project::hello(engine);
    project.fixture.builds_with(script, &printing_value("env!(\"READ\")"));
    project
}

#[test]
fn a_file_that_a_build_script_reads_in_secret() {
    let Some(project) = docker().map(|docker| with_build_script(docker, READS_IN_SECRET)) else { return };
    project.write("read.txt", "one").misses("first build");
    project.changes("read.txt", "two", Now);
    project.changes("read.txt", "six", Kept);
}

/// Cargo finds it without a word in the manifest.
#[test]
fn a_file_that_a_build_script_reads_that_was_not_there_at_first() {
    let Some(project) = docker().map(Project::hello) else { return };
    project.write("read.txt", "one").misses("first build");
    project.write("build.rs", READS_IN_SECRET);
    project.write("src/main.rs", &printing_value("env!(\"READ\")")).misses_somehow();
    project.changes("read.txt", "two", Now);
}

#[test]
fn a_file_that_a_macro_reads_in_secret() {
    let members = ["app", "part", "reader", "facade"];
    let Some(project) = docker().map(|docker| Project::workspace(docker, &members)) else { return };
    project.package("facade", "[dependencies]\nreader = { path = \"../reader\" }\n");
    project.write("facade/src/lib.rs", "pub use reader::templates;\n");
    project.package("reader", "[lib]\nproc-macro = true\n");
    project.write(
        "reader/src/lib.rs",
        &format!(
            "#[proc_macro]
            pub fn templates(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{
                let package = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap();
                let folder = std::path::Path::new(&package).join(\"../app/templates\");
                {JOINS}
                format!(\"{{text:?}}\").parse().unwrap()
            }}\n"
        ),
    );
    project.write("app/templates/a", "one ");
    project.calls_part("app", "");
    project.write("app/src/main.rs", &printing_value("part::text()"));
    // By itself, or by a package that hands it on.
    for package in ["reader", "facade"] {
        project.package("part", &format!("[dependencies]\n{package} = {{ path = \"../{package}\" }}\n"));
        project.part_returns(&format!("{package}::templates!()"));
        project.misses_somehow();
        project.changes("app/templates/a", "two ", Now);
        project.adds("app/templates/b", "three ", Now);
        project.removes("app/templates/b");
        project.changes("app/templates/a", "one ", Now);
    }
}

#[test]
fn a_folder_that_is_no_cache_any_more() {
    let count = "std::fs::read_dir(\"data\").map_or(0, |all| all.count())";
    let script = format!("fn main() {{\n    println!(\"cargo:rustc-env=READ={{}}\", {count});\n}}\n");
    let Some(project) = docker().map(|docker| with_build_script(docker, &script)) else { return };
    project.write("data/CACHEDIR.TAG", "").write("data/a", "1").misses("first build");
    project.write("data/b", "2").hits();
    project.remove("data/CACHEDIR.TAG").misses_somehow();
}

#[test]
fn files_that_a_build_script_lists() {
    let script = joins("let folder = \"data\";");
    let Some(project) = docker().map(|docker| with_build_script(docker, &script)) else { return };
    project.write("data/a", "1");
    project.write("data/b", "2").misses("first build");
    project.removes("data/b");
    project.adds("data/c", "3", Old);
    project.rename("data/c", "data/d").misses("added data/d (+1 more)");
    project.adds("data/deep", "4", Now);
}

/// Cargo keeps OUT_DIR from run to run; a clean build starts with none.
#[test]
fn what_a_build_script_left_in_its_folder() {
    let Some(mut project) = docker().map(Project::pair) else { return };
    project.part_builds_with(&joins(
        "println!(\"cargo:rerun-if-changed=names\");
        let folder = std::path::PathBuf::from(std::env::var_os(\"OUT_DIR\").unwrap());
        for name in std::fs::read_to_string(\"names\").unwrap().split_whitespace() {
            std::fs::write(folder.join(name), name).unwrap();
        }",
    ));
    project.write("part/names", "a b").misses("first build");
    project.changes("part/names", "b c", Now);
    project.changes("part/names", "d", Kept);
    // Each profile has such a folder, also the one that did not compile when the names changed.
    project.arguments(&["--mode", "dev"]).write_dated("part/names", "e", Now).misses_somehow();
    project.arguments(&[]).misses_somehow();
}

#[test]
fn a_file_that_git_ignores_and_the_compiler_reads() {
    let Some(project) = docker().map(Project::hello) else { return };
    project.init_git();
    project.write(".gitignore", "/target\ngenerated.txt\nignored\n");
    project.package("../hello", "[package.metadata.lambda-packager]\ninputs = [\"src/generated.txt\"]\n");
    project.write("src/main.rs", &printing_value("include_str!(\"generated.txt\")"));
    project.write("src/generated.txt", "one");
    project.write("src/ignored", "nobody reads this").misses("first build");
    project.changes("src/generated.txt", "two", Kept);
    project.write("src/ignored", "nor this").hits();
}

#[test]
fn files_outside_of_every_package() {
    let Some(project) = docker().map(Project::pair) else { return };
    project.part_returns("include_str!(\"../../text\")");
    let bytes = "include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../bytes\"))";
    project.write(APP, &printing_value(&format!("({bytes}, part::text())")));
    project.write("text", "text 1");
    project.write("bytes", "1").misses("first build");
    project.changes("text", "text 2", Kept);
    project.changes("bytes", "2", Old);
    project.changes("bytes", "3", Now);
}

/// Cargo can be told to write dep-info relative to a folder; files are then named that are not there.
#[test]
fn files_outside_of_every_package_with_relative_dep_info() {
    let Some(project) = docker().map(Project::pair) else { return };
    project.write(".cargo/config.toml", "[build]\ndep-info-basedir = \"..\"\n");
    project.part_returns("include_str!(\"../../text\")");
    project.write("text", "text 1").misses("first build");
    project.changes("text", "text 2", Kept);
}

/// Of the machine's own headers nobody makes another for a test; that they are looked at has to do.
#[test]
fn a_header_of_the_borrowed_toolchain_is_an_input() {
    let Some(project) = docker().map(Project::hello) else { return };
    project.write("build.rs", "fn main() {\n    println!(\"cargo:rerun-if-changed=/usr/include/stdlib.h\");\n}\n");
    project.misses("first build");
    let manifest = project.fixture.manifest("hello");
    let files = manifest["extras"]["files"].as_array().expect("a list");
    let is_header =
        |file: &serde_json::Value| file.as_str().is_some_and(|file| file.ends_with("/usr/include/stdlib.h"));
    assert!(files.iter().any(is_header), "{files:?}");
}

#[test]
fn a_file_in_the_folder_of_a_package_that_is_no_dependency() {
    let Some(project) = docker().map(Project::pair) else { return };
    project.write("app/greeting", "hello 1");
    project.part_returns("include_str!(\"../../app/greeting\")");
    project.misses("first build");
    project.changes("app/greeting", "hello 2", Kept);
    project.changes("app/greeting", "hello 3", Now);
}

#[test]
fn a_folder_that_the_build_script_of_another_package_names() {
    let Some(project) = docker().map(Project::pair) else { return };
    project.part_builds_with(&joins(
        "let folder = std::env::current_dir().unwrap().parent().unwrap().join(\"app/words\");
        println!(\"cargo:rerun-if-changed={}\", folder.display());",
    ));
    project.write("app/words/a", "1").misses("first build");
    project.changes("app/words/a", "2", Kept);
    let mtime = project.mtime("app/words");
    project.write_dated("app/words/b", "3", Old);
    project.date("app/words", mtime).misses("added app/words/b");
}

#[test]
fn a_file_and_a_folder_that_a_build_script_names_outside() {
    let Some(project) = docker().map(Project::pair) else { return };
    project.part_builds_with(&joins(
        "println!(\"cargo:rerun-if-changed=../one\");
        println!(\"cargo:rerun-if-changed=../many\");
        println!(\"cargo:rustc-env=ONE={}\", std::fs::read_to_string(\"../one\").unwrap());
        let folder = \"../many\";",
    ));
    project.part_returns("concat!(env!(\"ONE\"), env!(\"READ\"))");
    project.calls_part("app", "inputs = [\"many\"]\n");
    project.write("one", "1");
    project.write("many/a", "2").misses("first build");
    project.changes("one", "3", Kept);
    project.adds("many/b", "4", Now);
    project.write_dated("many/c", "5", Old);
    project.date("many", long_ago()).misses("added many/c");
    project.changes("many/a", "6", Kept);
    project.remove("many/b");
    project.date("many", long_ago()).misses("removed many/b");
    project.rename("many/c", "many/d");
    project.date("many", long_ago()).misses("added many/d (+1 more)");
}

#[test]
fn a_build_script_that_names_its_whole_package() {
    let Some(project) = docker().map(Project::pair) else { return };
    project.init_git();
    project.write(".gitignore", "target\nignored\n");
    project.calls_part("app", "inputs = [\"part/ignored\"]\n");
    project.part_builds_with(
        "fn main() {
            println!(\"cargo:rerun-if-changed=.\");
            println!(\"cargo:rustc-env=READ={}\", std::fs::read_to_string(\"ignored\").unwrap());
        }\n",
    );
    project.write("part/ignored", "1").misses("first build");
    project.changes("part/ignored", "2", Kept);
}

#[test]
fn variables_that_are_passed() {
    let Some(mut project) = docker().map(Project::pair) else { return };
    project.calls_part("app", "pass_env = [\"GREETING\", \"NAME\"]\n");
    project.write(APP, &printing_value("(option_env!(\"GREETING\"), part::text())"));
    // The one says that it depends on a variable, the other does not.
    project.write("app/build.rs", "fn main() {\n    println!(\"cargo:rerun-if-env-changed=GREETING\");\n}\n");
    project.part_builds_with(READS_NAME_IN_SECRET);
    project.misses("first build");
    project.variables(&[("GREETING", "hi")]).misses("variable GREETING unset -> set");
    project.variables(&[("GREETING", "ho")]).misses("variable GREETING changed");
    project.variables(&[("GREETING", "ho"), ("NAME", "a")]).misses("variable NAME unset -> set");
    project.variables(&[]).misses("variable GREETING set -> unset (+1 more)");
}

/// One function passes a variable that the build script of a shared library reads in secret.
#[test]
fn a_variable_that_only_one_of_two_functions_passes() {
    let Some(mut project) = docker().map(Project::pair) else { return };
    project.members(&["app", "part", "other"]);
    project.calls_part("other", "pass_env = [\"NAME\"]\n");
    project.write("other/src/main.rs", &app("other"));
    project.part_builds_with(READS_NAME_IN_SECRET);
    project.variables(&[("NAME", "a")]);
    project.function("other").misses("first build");
    project.function("app").misses("first build");
}

/// A variable's compile that fails, then the old value again, which is a hit, then an edit.
#[test]
fn a_variable_set_back_after_a_failed_compile() {
    let Some(mut project) = docker().map(Project::pair) else { return };
    project.calls_part("app", "pass_env = [\"NAME\"]\n");
    project.part_builds_with(READS_NAME_IN_SECRET);
    project.misses("first build");
    project.variables(&[("NAME", "a")]);
    project.write(APP, "fn main() { no }\n");
    project.run().fails(4, &["does not compile"]);
    project.variables(&[]);
    project.write(APP, &app("app 1")).hits();
    project.changes(APP, &app("app 2"), Now);
}

/// Crates of a registry do not change, so cargo does not look at them; those in a vendored folder do.
#[test]
fn a_vendored_crate_that_is_patched() {
    let Some(project) = docker().map(Project::vendoring) else { return };
    project.misses("first build");
    project.changes("vendor/part/src/lib.rs", &part("patched"), Now);
}

/// Sources that a build script makes are no inputs, wherever the target directory lies.
#[test]
fn generated_sources_are_no_inputs() {
    for engine in ["host"].into_iter().chain(docker()) {
        let project = Project::hello(engine);
        project.fixture.builds_with(
            "fn main() {
                let out = std::path::PathBuf::from(std::env::var_os(\"OUT_DIR\").unwrap());
                std::fs::write(out.join(\"made.rs\"), std::fs::read_to_string(\"made.txt\").unwrap()).unwrap();
            }\n",
            "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n",
        );
        project.write("made.txt", &printing("one")).misses("first build");
        project.changes("made.txt", &printing("two"), Kept);
    }
}

#[test]
fn a_dependency_outside_of_the_workspace() {
    let Some(project) = docker().map(Project::hello) else { return };
    project.package("../hello", "[dependencies]\nfar = { path = \"../shared/far\" }\n");
    project.write("src/main.rs", &printing_value("far::TEXT"));
    let shared =
        |version| format!("[workspace]\nmembers = [\"far\"]\n[workspace.package]\nversion = \"{version}.0.0\"\n");
    project.write("../shared/Cargo.toml", &shared(1));
    let far = "[package]\nname = \"far\"\nversion.workspace = true\nedition = \"2021\"\n";
    project.write("../shared/far/Cargo.toml", far);
    project.write(
        "../shared/far/src/lib.rs",
        "pub const TEXT: &str = concat!(\"far \", env!(\"CARGO_PKG_VERSION\"), include_str!(\"../../text\"));\n",
    );
    project.write("../shared/text", " 1").misses("first build");
    project.changes("../shared/text", " 2", Kept);
    project.changes("../shared/far/src/lib.rs", "pub const TEXT: &str = include_str!(\"../../text\");\n", Kept);
    project.changes("../shared/far/src/lib.rs", "pub const TEXT: &str = env!(\"CARGO_PKG_VERSION\");\n", Now);
    // The lockfile names the version too.
    project.write("../shared/Cargo.toml", &shared(2)).misses_somehow();
}
