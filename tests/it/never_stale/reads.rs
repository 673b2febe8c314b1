//! Traps for whoever believes that a package is made of its sources: what macros, build scripts and the
//! linker read besides.

use crate::never_stale::docker;
use crate::support::Fixture;
use crate::support::clean::{Project, long_ago};

/// A build script that hands the content of `../name` or `name` to the program without telling cargo
/// that it depends on it.
const READS_IN_SECRET: &str = "fn main() {
    println!(\"cargo:rerun-if-changed=build.rs\");
    println!(\"cargo:rustc-env=READ={}\", std::fs::read_to_string(\"read.txt\").unwrap());
}\n";

/// A build script that joins the files of `data`; cargo runs it again for any newer file of the package.
const LISTS: &str = "fn main() {
    let mut all: Vec<_> = std::fs::read_dir(\"data\").unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let text: Vec<_> = all.iter().map(|path| format!(\"{}={}\", path.display(), std::fs::read_to_string(path).unwrap())).collect();
    println!(\"cargo:rustc-env=READ={}\", text.join(\" \"));
}\n";

const PRINTS_READ: &str = "fn main() {\n    println!(\"{}\", env!(\"READ\"));\n}\n";

fn with_build_script(engine: &'static str, script: &str) -> Project {
    let project = Project::hello(engine);
    project.write("build.rs", script);
    project.write("src/main.rs", PRINTS_READ);
    project
}

#[test]
fn a_file_that_a_build_script_reads_in_secret() {
    let Some(docker) = docker() else { return };
    let project = with_build_script(docker, READS_IN_SECRET);
    project.write("read.txt", "one");
    project.misses("first build");
    project.write("read.txt", "two");
    project.misses("changed read.txt");
    project.write_keeping_mtime("read.txt", "six");
    project.misses("changed read.txt");
}

#[test]
fn a_file_that_a_macro_reads_in_secret() {
    let Some(docker) = docker() else { return };
    let project = Project::new(docker, "app", Fixture::empty("macro"));
    project.write("Cargo.toml", "[workspace]\nmembers = [\"app\", \"reader\"]\nresolver = \"2\"\n");
    project.package("reader", "[lib]\nproc-macro = true\n");
    project.write(
        "reader/src/lib.rs",
        "use proc_macro::TokenStream;
        #[proc_macro]
        pub fn templates(_: TokenStream) -> TokenStream {
            let folder = std::path::Path::new(&std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()).join(\"templates\");
            let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            all.sort();
            let text: String = all.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
            format!(\"{text:?}\").parse().unwrap()
        }\n",
    );
    project.package("app", "[dependencies]\nreader = { path = \"../reader\" }\n");
    project.write("app/src/main.rs", "fn main() {\n    println!(\"{}\", reader::templates!());\n}\n");
    project.write("app/templates/a", "one ");
    project.misses("first build");
    project.write("app/templates/a", "two ");
    project.misses("changed app/templates/a");
    project.write("app/templates/b", "three ");
    project.misses("added app/templates/b");
    project.remove("app/templates/a");
    project.misses("removed app/templates/a");
}

#[test]
fn files_that_a_build_script_lists() {
    let Some(docker) = docker() else { return };
    let project = with_build_script(docker, LISTS);
    project.write("data/a", "1");
    project.write("data/b", "2");
    project.misses("first build");
    project.remove("data/b");
    project.misses("removed data/b");
    project.write_old("data/c", "3");
    project.misses("added data/c");
    project.rename("data/c", "data/d");
    project.misses("added data/d (+1 more)");
    project.write("data/deep", "4");
    project.misses("added data/deep");
}

/// Cargo keeps OUT_DIR from run to run; a clean build starts with none.
#[test]
fn what_a_build_script_left_in_its_folder() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.write(
        "part/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=names\");
            let out = std::path::PathBuf::from(std::env::var_os(\"OUT_DIR\").unwrap());
            for name in std::fs::read_to_string(\"names\").unwrap().split_whitespace() {
                std::fs::write(out.join(name), name).unwrap();
            }
            let mut all: Vec<_> = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            all.sort();
            println!(\"cargo:rustc-env=LEFT={}\", all.join(\",\"));
        }\n",
    );
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"LEFT\")\n}\n");
    project.write("part/names", "a b");
    project.misses("first build");
    project.write("part/names", "b c");
    project.misses("changed part/names");
    project.write_keeping_mtime("part/names", "d");
    project.misses("changed part/names");
}

#[test]
fn a_file_that_git_ignores_and_the_compiler_reads() {
    let Some(docker) = docker() else { return };
    let project = Project::hello(docker);
    project.init_git();
    project.write(".gitignore", "/target\ngenerated.txt\nignored\n");
    project.write("src/main.rs", "fn main() {\n    println!(\"{}\", include_str!(\"generated.txt\"));\n}\n");
    project.write("src/generated.txt", "one");
    project.write("src/ignored", "nobody reads this");
    project.misses("first build");
    project.write_keeping_mtime("src/generated.txt", "two");
    project.misses("changed src/generated.txt");
    project.write("src/ignored", "nor this");
    project.hits();
}

#[test]
fn files_outside_of_every_package() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    include_str!(\"../../text\")\n}\n");
    project.write(
        "app/src/main.rs",
        "fn main() {
            println!(\"{:?} {}\", include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../bytes\")), part::text());
        }\n",
    );
    project.write("text", "text 1");
    project.write("bytes", "1");
    project.misses("first build");
    project.write_keeping_mtime("text", "text 2");
    project.misses("changed text");
    project.write_old("bytes", "2");
    project.misses("changed bytes");
    project.write("bytes", "3");
    project.misses("changed bytes");
}

/// Cargo can be told to write dep-info relative to a folder; files are then named that are not there.
#[test]
fn files_outside_of_every_package_with_relative_dep_info() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.write(".cargo/config.toml", "[build]\ndep-info-basedir = \"..\"\n");
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    include_str!(\"../../text\")\n}\n");
    project.write("text", "text 1");
    project.misses("first build");
    project.write_keeping_mtime("text", "text 2");
    project.misses("changed text");
}

/// Of the machine's own headers nobody makes another for a test; that they are looked at has to do.
#[test]
fn a_header_of_the_borrowed_toolchain_is_an_input() {
    let Some(docker) = docker() else { return };
    let project = Project::hello(docker);
    project.write("build.rs", "fn main() {\n    println!(\"cargo:rerun-if-changed=/usr/include/stdlib.h\");\n}\n");
    project.misses("first build");
    let manifest = project.fixture.manifest("hello");
    let files = manifest["extras"]["files"].as_array().expect("a list");
    assert!(
        files.iter().any(|file| file.as_str().is_some_and(|file| file.ends_with("/usr/include/stdlib.h"))),
        "{files:?}"
    );
}

#[test]
fn a_file_in_the_folder_of_a_package_that_is_no_dependency() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.write("app/greeting", "hello 1");
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    include_str!(\"../../app/greeting\")\n}\n");
    project.misses("first build");
    project.write_keeping_mtime("app/greeting", "hello 2");
    project.misses("changed app/greeting");
    project.write("app/greeting", "hello 3");
    project.misses("changed app/greeting");
}

#[test]
fn a_folder_that_the_build_script_of_another_package_names() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.write(
        "part/build.rs",
        "fn main() {
            let folder = std::env::current_dir().unwrap().parent().unwrap().join(\"app/words\");
            println!(\"cargo:rerun-if-changed={}\", folder.display());
            let mut all: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            all.sort();
            let text: String = all.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
            println!(\"cargo:rustc-env=WORDS={text}\");
        }\n",
    );
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"WORDS\")\n}\n");
    project.write("app/words/a", "1");
    project.misses("first build");
    project.write_keeping_mtime("app/words/a", "2");
    project.misses("changed app/words/a");
    let mtime = project.mtime("app/words");
    project.write_old("app/words/b", "3");
    project.date("app/words", mtime);
    project.misses("added app/words/b");
}

#[test]
fn a_file_and_a_folder_that_a_build_script_names_outside() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.write(
        "part/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=../one\");
            println!(\"cargo:rerun-if-changed=../many\");
            let mut all: Vec<_> = std::fs::read_dir(\"../many\").unwrap().map(|entry| entry.unwrap().path()).collect();
            all.push(\"../one\".into());
            all.sort();
            let text: String = all.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
            println!(\"cargo:rustc-env=TEXT={text}\");
        }\n",
    );
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"TEXT\")\n}\n");
    project.write("one", "1");
    project.write("many/a", "2");
    project.misses("first build");
    project.write_keeping_mtime("one", "3");
    project.misses("changed one");
    project.write("many/b", "4");
    project.misses("added many/b");
    project.write_old("many/c", "5");
    project.date("many", long_ago());
    project.misses("added many/c");
    project.write_keeping_mtime("many/a", "6");
    project.misses("changed many/a");
    project.remove("many/b");
    project.date("many", long_ago());
    project.misses("removed many/b");
    project.rename("many/c", "many/d");
    project.date("many", long_ago());
    project.misses("added many/d (+1 more)");
}

#[test]
fn a_build_script_that_names_its_whole_package() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.init_git();
    project.write(".gitignore", "target\nignored\n");
    project.write(
        "part/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=.\");
            println!(\"cargo:rustc-env=TEXT={}\", std::fs::read_to_string(\"ignored\").unwrap());
        }\n",
    );
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"TEXT\")\n}\n");
    project.write("part/ignored", "1");
    project.misses("first build");
    project.write_keeping_mtime("part/ignored", "2");
    project.misses("changed part/ignored");
}

#[test]
fn variables_that_are_passed() {
    let Some(docker) = docker() else { return };
    let mut project = Project::pair(docker);
    project.package("app", "[dependencies]\npart = { path = \"../part\" }\n[package.metadata.lambda-packager]\npass_env = [\"GREETING\", \"NAME\"]\n");
    project.write(
        "app/src/main.rs",
        "fn main() {\n    println!(\"{:?}, {}\", option_env!(\"GREETING\"), part::text());\n}\n",
    );
    // The one says that it depends on a variable, the other does not.
    project.write(
        "app/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-env-changed=GREETING\");
        }\n",
    );
    project.write(
        "part/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            println!(\"cargo:rustc-env=GIVEN={}\", std::env::var(\"NAME\").unwrap_or_default());
        }\n",
    );
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"GIVEN\")\n}\n");
    project.misses("first build");
    project.variables(&[("GREETING", "hi")]);
    project.misses("variable GREETING unset -> set");
    project.variables(&[("GREETING", "ho")]);
    project.misses("variable GREETING changed");
    project.variables(&[("GREETING", "ho"), ("NAME", "a")]);
    project.misses("variable NAME unset -> set");
    project.variables(&[]);
    project.misses("variable GREETING set -> unset (+1 more)");
}

/// One function passes a variable that the build script of a shared library reads in secret.
#[test]
fn a_variable_that_only_one_of_two_functions_passes() {
    let Some(docker) = docker() else { return };
    let mut project = Project::pair(docker);
    project.write("Cargo.toml", "[workspace]\nmembers = [\"app\", \"part\", \"other\"]\nresolver = \"2\"\n");
    project.package(
        "other",
        "[dependencies]\npart = { path = \"../part\" }\n[package.metadata.lambda-packager]\npass_env = [\"NAME\"]\n",
    );
    project.write("other/src/main.rs", "fn main() {\n    println!(\"other, {}\", part::text());\n}\n");
    project.write(
        "part/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            println!(\"cargo:rustc-env=GIVEN={}\", std::env::var(\"NAME\").unwrap_or_default());
        }\n",
    );
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"GIVEN\")\n}\n");
    project.variables(&[("NAME", "a")]);
    project.function("other");
    project.misses("first build");
    project.function("app");
    project.misses("first build");
}

/// A variable's compile that fails, then the old value again, which is a hit, then an edit.
#[test]
fn a_variable_set_back_after_a_failed_compile() {
    let Some(docker) = docker() else { return };
    let mut project = Project::pair(docker);
    project.package(
        "app",
        "[dependencies]\npart = { path = \"../part\" }\n[package.metadata.lambda-packager]\npass_env = [\"NAME\"]\n",
    );
    project.write(
        "part/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            println!(\"cargo:rustc-env=GIVEN={}\", std::env::var(\"NAME\").unwrap_or_default());
        }\n",
    );
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"GIVEN\")\n}\n");
    project.misses("first build");
    project.variables(&[("NAME", "a")]);
    project.write("app/src/main.rs", "fn main() { no }\n");
    project.run().fails(4, &["does not compile"]);
    project.variables(&[]);
    project.write("app/src/main.rs", "fn main() {\n    println!(\"app 1, {}\", part::text());\n}\n");
    project.hits();
    project.write("app/src/main.rs", "fn main() {\n    println!(\"app 2, {}\", part::text());\n}\n");
    project.misses("changed app/src/main.rs");
}

/// Crates of a registry do not change, so cargo does not look at them; those in a vendored folder do.
#[test]
fn a_vendored_crate_that_is_patched() {
    let Some(docker) = docker() else { return };
    let project = Project::new(docker, "app", Fixture::empty("vendored"));
    project.package("app", "[dependencies]\npatched = \"1\"\n");
    project.write("Cargo.toml", "[workspace]\nmembers = [\"app\"]\nresolver = \"2\"\n");
    project.write("app/src/main.rs", "fn main() {\n    println!(\"{}\", patched::text());\n}\n");
    project.write(
        ".cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"vendor\"\n[source.vendor]\ndirectory = \"vendor\"\n",
    );
    project
        .write("vendor/patched/Cargo.toml", "[package]\nname = \"patched\"\nversion = \"1.0.0\"\nedition = \"2021\"\n");
    project.write("vendor/patched/.cargo-checksum.json", "{\"files\":{}}");
    project.write("vendor/patched/src/lib.rs", "pub fn text() -> &'static str {\n    \"vendored\"\n}\n");
    project.misses("first build");
    project.write("vendor/patched/src/lib.rs", "pub fn text() -> &'static str {\n    \"patched\"\n}\n");
    project.misses("changed vendor/patched/src/lib.rs");
}

/// Sources that a build script makes are no inputs, wherever the target directory lies.
#[test]
fn generated_sources_are_no_inputs() {
    for engine in ["host"].into_iter().chain(docker()) {
        let project = Project::hello(engine);
        project.write(
            "build.rs",
            "fn main() {
                let out = std::path::PathBuf::from(std::env::var_os(\"OUT_DIR\").unwrap());
                std::fs::write(out.join(\"made.rs\"), std::fs::read_to_string(\"made.txt\").unwrap()).unwrap();
            }\n",
        );
        project.write("src/main.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n");
        project.write("made.txt", &crate::never_stale::printing("one"));
        project.misses("first build");
        project.write_keeping_mtime("made.txt", &crate::never_stale::printing("two"));
        project.misses("changed made.txt");
    }
}

#[test]
fn a_dependency_outside_of_the_workspace() {
    let Some(docker) = docker() else { return };
    let project = Project::hello(docker);
    project.write("Cargo.toml", "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nfar = { path = \"../shared/far\" }\n");
    project.write("src/main.rs", "fn main() {\n    println!(\"{}\", far::TEXT);\n}\n");
    project
        .write("../shared/Cargo.toml", "[workspace]\nmembers = [\"far\"]\n[workspace.package]\nversion = \"1.0.0\"\n");
    project
        .write("../shared/far/Cargo.toml", "[package]\nname = \"far\"\nversion.workspace = true\nedition = \"2021\"\n");
    project.write(
        "../shared/far/src/lib.rs",
        "pub const TEXT: &str = concat!(\"far \", env!(\"CARGO_PKG_VERSION\"), include_str!(\"../../text\"));\n",
    );
    project.write("../shared/text", " 1");
    project.misses("first build");
    project.write_keeping_mtime("../shared/text", " 2");
    project.misses("changed ../shared/text");
    project.write_keeping_mtime("../shared/far/src/lib.rs", "pub const TEXT: &str = include_str!(\"../../text\");\n");
    project.misses("changed ../shared/far/src/lib.rs");
    project.write("../shared/far/src/lib.rs", "pub const TEXT: &str = env!(\"CARGO_PKG_VERSION\");\n");
    project.misses("changed ../shared/far/src/lib.rs");
    project
        .write("../shared/Cargo.toml", "[workspace]\nmembers = [\"far\"]\n[workspace.package]\nversion = \"2.0.0\"\n");
    // The lockfile names the version too.
    let (code, _) = project.explain();
    assert_eq!(code, 1);
    project.misses_somehow();
}
