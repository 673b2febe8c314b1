//! Warm start equals cold start.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes};
use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{KEPT, WARM, behind, cold, commit, depending_on, image_after, is_cold, keeps_nothing, kept, with_itoa};
use crate::support::{
    Ended, Engine, Fixture, Front, cases, engines, every_engine, one_engine, podman_with_all_cases, property,
};

#[test]
fn a_second_checkout_compiles_only_its_own_crates_and_gives_the_bytes_of_a_cold_build() {
    for engine in engines(Engine::Docker) {
        // One with a build script among them, and a dependency of a build script.
        let checkout = || {
            let dependencies = "quote = \"1\"\n[build-dependencies]\nitoa = \"1\"\n";
            let fixture = depending_on("second", dependencies, "quote::quote!(a + b).to_string()");
            fixture.write("build.rs", "fn main() {\n    assert_eq!(itoa::Buffer::new().format(7), \"7\");\n}\n");
            fixture
        };
        let one = checkout();
        let first = one.run_on(engine, &[]).ok();
        is_cold(&first);
        let image = image_after(KEPT, &first);
        assert!(first.stderr.contains("Compiling proc-macro2"), "{}", first.stderr);
        // Nothing is kept twice.
        one.says("edited");
        keeps_nothing(&one.run_on(engine, &[]).ok());

        let two = checkout();
        let second = two.run_on(engine, &[]).ok();
        assert_eq!(image_after(WARM, &second), image);
        assert!(second.stderr.contains("Compiling app"), "{}", second.stderr);
        for dependency in ["quote", "proc-macro2", "unicode-ident", "itoa"] {
            assert!(!second.stderr.contains(&format!("Compiling {dependency}")), "{}", second.stderr);
        }
        keeps_nothing(&second);
        assert_eq!(two.output_of_bootstrap("app"), "a + b");
        assert_eq!(two.containers(engine).len(), 1);
        assert!(two.zip("app") == cold(&checkout(), engine), "another zip than of a cold build");

        // The container that was filled is as good as any: it is kept as it is.
        let container = two.container(engine);
        two.says("edited");
        is_cold(&two.run_on(engine, &[]).ok());
        assert_eq!((two.container(engine), two.output_of_bootstrap("app")), (container, "edited".to_string()));
        assert!(two.zip("app") == one.zip("app"));
    }
}

/// Stable since cargo 1.100; this cargo has it on demand, which its container makes.
#[test]
fn dependencies_are_kept_from_the_newer_layout_of_the_target_directory_too() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let front =
        Front::of(engine.name(), "[ \"$1\" != create ] || { shift; set -- create --env RUSTC_BOOTSTRAP=1 \"$@\"; }");
    let checkout = || {
        let fixture = depending_on("newer", "quote = \"1\"\n", "quote::quote!(a + b).to_string()");
        fixture.append(".cargo/config.toml", "[unstable]\nbuild-dir-new-layout = true\n");
        fixture
    };
    let one = checkout();
    let image = image_after(KEPT, &behind(&front, &one, engine).ok());
    engine.exec(&one.container(engine), "ls /target/*/release/build/quote/*/out/libquote-*.rlib").ok();
    let two = checkout();
    let second = behind(&front, &two, engine).ok();
    assert_eq!(image_after(WARM, &second), image);
    for dependency in ["quote", "proc-macro2", "unicode-ident"] {
        assert!(!second.stderr.contains(&format!("Compiling {dependency}")), "{}", second.stderr);
    }
    keeps_nothing(&second);
    assert!(two.zip("app") == one.zip("app"), "another zip than of the first checkout");
}

#[test]
fn a_branch_in_a_worktree_and_this_checkout_after_clean_start_warm() {
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = with_itoa("branch");
    fixture.write(".gitignore", "target\n");
    let image = kept(&fixture, engine);
    commit(&fixture);
    fixture.git(&["worktree", "add", "--quiet", "-b", "branch", "../worktree"]);
    // A version of its own, as before a release: the dependencies are the same.
    for file in ["Cargo.toml", "Cargo.lock"] {
        let path = format!("../worktree/{file}");
        let text = fixture.text(&path);
        let (before, after) = text.split_once("name = \"app\"\nversion = \"0.1.0\"").expect("its version");
        fixture.write(&path, &format!("{before}name = \"app\"\nversion = \"0.2.0\"{after}"));
    }
    let branch = Ended::of(fixture.command_on(engine).current_dir(fixture.path("../worktree"))).ok();
    assert_eq!(image_after(WARM, &branch), image);

    fixture.run(&["clean", "--container"]).ok();
    let again = without_its_zip(&fixture, engine);
    assert_eq!(image_after(WARM, &again), image);
    // A container that is started by hand is filled too.
    fixture.run(&["clean", "--container"]).ok();
    fixture.run_on(engine, &["container", "start"]).ok();
    let again = without_its_zip(&fixture, engine);
    assert!(!again.stderr.contains("Compiling itoa"), "{}", again.stderr);
}

#[test]
fn other_dependencies_surroundings_profiles_and_features_start_cold() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let checkout = || {
        let fixture = with_itoa("differs");
        fixture.append("Cargo.toml", "\n[features]\nloud = []\n");
        fixture
    };
    let one = checkout();
    one.run_on(engine, &[]).ok();
    let dependency = "[dependencies.autocfg]\nversion = \"1\"\n";
    for (file, more) in [("Cargo.toml", dependency), (".cargo/config.toml", "MORE = \"1\"\n")] {
        let other = checkout();
        other.append(file, more);
        is_cold(&other.run_on(engine, &[]).ok());
    }
    let same = checkout();
    for args in [&["--features", "loud"][..], &["--mode", "dev"]] {
        is_cold(&same.run_on(engine, args).ok());
        same.run(&["clean", "--container"]).ok();
    }
    assert!(same.run_on(engine, &[]).ok().stderr.contains(WARM));
    assert!(same.zip("app") == cold(&checkout(), engine));
}

#[test]
fn functions_of_one_workspace_fill_one_image() {
    let Some(engine) = podman_with_all_cases() else { return };
    let checkout = || {
        let fixture = with_itoa("functions");
        fixture.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n");
        for (name, dependency) in [("a", "itoa"), ("b", "autocfg")] {
            fixture.package(name, name, &format!("\n[dependencies]\n{dependency} = \"1\"\n"));
            fixture.write(&format!("{name}/src/main.rs"), &format!("use {dependency} as _;\nfn main() {{}}\n"));
        }
        fixture
    };
    let one = checkout();
    let images = ["a", "b"].map(|name| image_after(KEPT, &one.run_on(engine, &["--function", name]).ok()));
    assert_eq!(images[0], images[1]);
    let two = checkout();
    for name in ["a", "b"] {
        let ended = two.run_on(engine, &["--function", name]).ok();
        for dependency in ["itoa", "autocfg"] {
            assert!(!ended.stderr.contains(&format!("Compiling {dependency}")), "{}", ended.stderr);
        }
        keeps_nothing(&ended);
    }
}

/// The sources of a checkout: for each file one of two texts.
type Texts = Vec<bool>;
const FILES: usize = 4;

/// A function, a library, a procedural macro and a build script, all of the workspace, which say `texts`;
/// the crates that are downloaded are always the same.
fn write(fixture: &Fixture, texts: &Texts, age: Option<Duration>) {
    let said = |index: usize| if texts[index] { format!("new {index}") } else { format!("old {index}") };
    let package =
        |name, rest| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n{rest}");
    let dependencies = "[dependencies]\nitoa = \"1\"\npart = { path = \"part\" }\nwords = { path = \"words\" }\n";
    let main = format!(
        "fn main() {{\n    println!(\"{} {{}} {{}} {{}} {{}}\", part::TEXT, words::text!(), include_str!(concat!(env!(\"OUT_DIR\"), \"/text\")), itoa::Buffer::new().format(7));\n}}\n",
        said(0)
    );
    // What it finds there already it would leave there: in a clean build nothing.
    let build = format!(
        "use std::{{env, fs, path::Path}};\nfn main() {{\n    let out = env::var(\"OUT_DIR\").unwrap();\n    let file = Path::new(&out).join(\"text\");\n    let before = fs::read_to_string(&file).unwrap_or_default();\n    fs::write(file, before + \"{}\").unwrap();\n}}\n",
        said(3)
    );
    let words = format!(
        "#[proc_macro]\npub fn text(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{\n    \"\\\"{}\\\"\".parse().unwrap()\n}}\n",
        said(2)
    );
    let files = [
        ("Cargo.toml", package("app", dependencies)),
        ("src/main.rs", main),
        ("build.rs", build),
        ("part/Cargo.toml", package("part", "")),
        ("part/src/lib.rs", format!("pub const TEXT: &str = \"{}\";\n", said(1))),
        ("words/Cargo.toml", package("words", "[lib]\nproc-macro = true\n")),
        ("words/src/lib.rs", words),
    ];
    for (name, text) in files {
        fixture.write(name, &text);
        if let Some(age) = age {
            let times = FileTimes::new().set_modified(SystemTime::now() - age);
            File::open(fixture.path(name)).and_then(|file| file.set_times(times)).expect("it is ours");
        }
    }
}

fn printed(texts: &Texts) -> String {
    let said = texts.iter().enumerate().map(|(index, new)| format!("{} {index}", if *new { "new" } else { "old" }));
    format!("{} 7", said.collect::<Vec<_>>().join(" "))
}

/// Packages again, with what is there: `--force` would begin with nothing.
fn without_its_zip(fixture: &Fixture, engine: Engine) -> Ended {
    let _ = fs::remove_file(fixture.path("target/lambda/app/lambda-deployment.zip"));
    fixture.run_on(engine, &[]).ok()
}

fn remove_containers(fixture: &Fixture, engine: Engine) {
    for container in fixture.containers(engine) {
        engine.ask(&["rm", "--force", &container]);
    }
}

#[test]
fn warm_start_equals_cold_start() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let [maker, cold_one, one, two] = [(); 4].map(|()| with_itoa("equals"));
    write(&maker, &vec![false; FILES], None);
    let image = kept(&maker, engine);
    let mut truth: HashMap<Texts, Vec<u8>> = HashMap::new();
    let case = (
        vec(any::<bool>(), FILES),
        // Written now, some minutes ago, or long before the image was made.
        prop_oneof![Just(None), Just(Some(300)), Just(Some(300_000_000))],
        any::<bool>(),
        any::<bool>(),
    );
    property(cases(3, 100), 0, case, |(texts, age, in_one, forget)| {
        let fixture = if in_one { &one } else { &two };
        write(fixture, &texts, age.map(Duration::from_secs));
        remove_containers(fixture, engine);
        // A fresh checkout knows nothing; one of which only the container went knows what it was made of.
        if forget {
            let _ = fs::remove_dir_all(fixture.path("target"));
        }
        let ended = without_its_zip(fixture, engine);
        prop_assert_eq!(image_after(WARM, &ended), image.as_str());
        prop_assert!(!ended.stderr.contains("Compiling itoa"), "{}", ended.stderr);
        prop_assert_eq!(fixture.output_of_bootstrap("app"), printed(&texts));
        let cold = truth.entry(texts.clone()).or_insert_with(|| {
            write(&cold_one, &texts, None);
            remove_containers(&cold_one, engine);
            cold(&cold_one, engine)
        });
        prop_assert!(fixture.zip("app") == *cold, "another zip than of a cold build");
        Ok(())
    });
}

#[test]
fn engines_do_not_mix() {
    // An image is the engine's: what one has kept is not said to be there by the other.
    let all: Vec<Engine> = every_engine().collect();
    let [docker, podman] = all[..] else { return };
    let fixture = with_itoa("engines");
    fixture.run_on(docker, &[]).ok();
    is_cold(&without_its_zip(&fixture, podman));
}
