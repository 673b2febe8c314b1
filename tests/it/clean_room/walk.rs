//! Four properties over one walk of a hundred builds, each by one of the builders, of one of a few states of
//! a project: layer caching consistency, dependency cache invalidation, two roads one artifact, final image
//! minimality. A state that a builder saw before costs no compile, and each build is held against all four.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::prelude::*;

use crate::clean_room::builder::{Builder, Kind, Reused, every_builder};
use crate::support::{Ended, Fixture, Story, repository, rows};

/// What of the project a case may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    manifest: usize,
    lockfile: usize,
    source: usize,
}

const DEPENDENCIES: [&str; 2] = ["itoa = \"1\"\n", "itoa = \"1\"\ncfg-if = \"1\"\n"];

/// What Cargo.lock alone decides: the manifest takes both versions.
const LOCKED: [&str; 2] = ["0.22.1", "0.23.1"];

const SOURCES: [&str; 3] = [
    "fn main() {\n    println!(\"{} {}\", leaf::five(), itoa::Buffer::new().format(1));\n}\n",
    "fn main() {\n    println!(\"{} {}\", leaf::five(), itoa::Buffer::new().format(2));\n    assert_ne!(std::env::args().count(), 9);\n}\n",
    // Needs one more library than the others.
    "#[link(name = \"m\")]\nunsafe extern \"C\" {\n    fn cos(x: f64) -> f64;\n}\nfn main() {\n    println!(\"{} {}\", leaf::five(), unsafe { cos(std::env::args().count() as f64 - 1.0) });\n}\n",
];

impl State {
    fn put_into(self, fixture: &Fixture) {
        let manifest = format!(
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nleaf = {{ path = \"leaf\" }}\nbase64 = \">=0.22, <0.24\"\n{}\
             [package.metadata.lambda-packager]\ninclude = [\"words.txt\"]\n[profile.release]\nlto = \"off\"\nopt-level = 0\n[workspace]\n",
            DEPENDENCIES[self.manifest]
        );
        fixture.write("Cargo.toml", &manifest);
        // The crates in the versions that this machine has; cargo adds the local packages, and removes what is not needed.
        let all = fs::read_to_string(repository().join("Cargo.lock")).unwrap();
        let is_other = |package: &&str| {
            let is_locked = package.contains(&format!("version = \"{}\"", LOCKED[self.lockfile]));
            package.starts_with("[[package]]\nname = \"base64\"\n") && !is_locked
        };
        let packages: Vec<&str> = all.split("\n\n").filter(|package| !is_other(package)).collect();
        fixture.write("Cargo.lock", &packages.join("\n\n"));
        fixture.write("leaf/Cargo.toml", "[package]\nname = \"leaf\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        fixture.write("leaf/src/lib.rs", "pub fn five() -> u32 {\n    std::env::args().count() as u32 + 4\n}\n");
        fixture.write("src/main.rs", SOURCES[self.source]);
        fixture.write("words.txt", "of the function\n");
    }

    /// The libraries that its binary needs, besides the dynamic linker.
    fn libraries(self) -> &'static [&'static str] {
        if self.source == 2 { &["libc.so.6", "libgcc_s.so.1", "libm.so.6"] } else { &["libc.so.6", "libgcc_s.so.1"] }
    }
}

/// The zip and the bootstrap of each state, as the reused container makes them from another folder.
struct Reference<'a> {
    builder: &'a Builder,
    fixture: Fixture,
    known: BTreeMap<State, (Vec<u8>, Vec<u8>)>,
}

impl Reference<'_> {
    fn of(&mut self, state: State) -> &(Vec<u8>, Vec<u8>) {
        if !self.known.contains_key(&state) {
            state.put_into(&self.fixture);
            let mut command = self.builder.package(&self.fixture, &["--mode", "prod"]);
            Ended::of(command.env("LAMBDA_PACKAGER_CLEAN_ROOM", "0")).ok();
            let road = &self.fixture.manifest("app")["road"];
            assert!(road["clean_room"] == false && road["container"] != "", "{road}");
            self.known.insert(state, (self.fixture.zip("app"), self.fixture.read("target/lambda/app/bootstrap")));
        }
        &self.known[&state]
    }
}

/// Every name in the final image, sorted.
fn expected_files(state: State) -> Vec<String> {
    let (linker, folder) = match std::env::consts::ARCH {
        "aarch64" => ("lib/ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu"),
        _ => ("lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu"),
    };
    let of_all = ["etc/group", "etc/nsswitch.conf", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", linker];
    let of_function = ["var/task/bootstrap", "var/task/words.txt"];
    let libraries = state.libraries().iter().map(|library| format!("{folder}/{library}"));
    let mut files: Vec<_> = of_all.into_iter().chain(of_function).map(String::from).chain(libraries).collect();
    files.sort();
    files
}

#[test]
fn layers_are_reused_the_bytes_are_the_containers_and_the_image_is_minimal() {
    let builders = every_builder();
    let Some(first) = builders.first() else { return };
    let mut reference = Reference { builder: first, fixture: Fixture::empty("elsewhere"), known: BTreeMap::new() };
    let fixture = Fixture::empty("app");
    let mut seen: Vec<(BTreeSet<[usize; 2]>, BTreeSet<State>)> = builders.iter().map(|_| Default::default()).collect();
    // Podman takes five times as long for what is there already.
    let turns = |at: usize| if builders[at].kind == Kind::Podman { 1 } else { 6 };
    let turns: Vec<usize> = (0..builders.len()).flat_map(|at| vec![at; turns(at)]).collect();
    let cases = (prop::sample::select(turns), 0..DEPENDENCIES.len(), 0..LOCKED.len(), 0..SOURCES.len());
    let case = |(which, manifest, lockfile, source): (usize, usize, usize, usize)| {
        let (builder, state) = (&builders[which], State { manifest, lockfile, source });
        let (bytes, bootstrap) = reference.of(state).clone();
        state.put_into(&fixture);
        let story = Story::of(&mut builder.package(&fixture, &["--mode", "prod", "--force"])).ok();

        // A layer is made anew if and only if what it is made of was not there yet.
        let (dependencies, sources) = &mut seen[which];
        let first = dependencies.is_empty();
        let is_known = !dependencies.insert([manifest, lockfile]);
        let expected = Reused { base: !first, dependencies: is_known, build: !sources.insert(state) };
        prop_assert_eq!(builder.reused(&story), expected, "{}", story);
        let locked = fixture.text("Cargo.lock");
        prop_assert!(locked.contains(&format!("name = \"base64\"\nversion = \"{}\"", LOCKED[lockfile])), "{}", locked);

        prop_assert!(fixture.zip("app") == bytes, "{:?} of {state:?}: not the container's bytes", builder.kind);

        let manifest = fixture.manifest("app");
        let image = manifest["artifact"]["image"].as_str().unwrap_or_default();
        let files = builder.files_of(image);
        prop_assert_eq!(files.keys().cloned().collect::<Vec<_>>(), expected_files(state));
        prop_assert!(files["var/task/bootstrap"] == bootstrap, "the image runs something else");
        let user = builder.ask(&["image", "inspect", "--format", "{{.Config.User}}", image]);
        prop_assert_eq!(user, "65532:65532");
        // It runs, from nothing but its own files.
        if state.source == 2 {
            prop_assert_eq!(builder.ask(&["run", "--rm", "--network", "none", image]), "5 1");
        }
        Ok(())
    };
    // With few cases one builder makes and reuses each layer; the others at least make and reuse.
    let of = |which: usize| {
        let all = [(0, 0, 0), (0, 0, 2), (0, 0, 0), (0, 1, 0), (1, 0, 1)];
        let few = if builders[which].kind == Kind::BuildKit { &all[..] } else { &all[..2] };
        few.iter().map(move |(manifest, lockfile, source)| (which, *manifest, *lockfile, *source)).collect::<Vec<_>>()
    };
    rows((0..builders.len()).flat_map(of), 100, cases, case);
}
