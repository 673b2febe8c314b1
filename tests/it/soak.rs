//! Two hundred builds in one container, with a fault every tenth time: nothing grows, nothing leaks.

use std::fs;

use crate::support::{Engine, Fixture, Story, cases, one_engine};

/// What must not grow.
#[derive(Debug)]
struct Burden {
    processes: usize,
    memory_bytes: u64,
    disk_bytes: u64,
}

impl Burden {
    /// Of the container, right after a start: page cache and what else a life gathers is gone from none.
    fn of(engine: Engine, container: &str) -> Self {
        let processes = engine.processes(container).len();
        let sized = engine.ask(&["container", "inspect", "--size", "--format", "{{.SizeRw}}", container]);
        // What processes hold, without the page cache of what they read.
        let resident = engine.exec(
            container,
            "cat /proc/[0-9]*/statm 2>/dev/null | while read a b c; do t=$((${t:-0} + b)); echo $t; done | tail -n 1",
        );
        let pages: u64 = resident.ok().stdout.trim().parse().expect("a number");
        Self { processes, memory_bytes: pages * 4096, disk_bytes: sized.parse().expect("a number") }
    }
}

/// A source of random numbers that is the same in each run: Knuth's, of MMIX.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn many_builds_with_faults_leave_no_more_than_a_few() {
    let (builds, every, few) = cases((20, 3, 5), (200, 10, 10));
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello_packaged(engine.name());
    let containers_and_volumes = || {
        let label = format!("label={}", fixture.label());
        let volumes = engine.ask(&["volume", "ls", "--quiet", "--filter", &label]);
        (fixture.containers(engine).len(), volumes.lines().count())
    };
    let images = || engine.ask(&["images", "--quiet", "--filter", "label=lambda-packager.borrowed"]).lines().count();
    let mut random = Random(1);
    let mut after_few = None;
    for build in 1..=builds {
        if build % every == 0 {
            let id = fixture.container(engine);
            let deed: &[&str] = match build / every % 6 {
                0 => &["kill"],
                1 => &["pause"],
                2 => &["stop", "--time", "0"],
                3 => &["restart", "--time", "0"],
                4 => {
                    engine.exec(&id, "for f in /target/*/release/deps/*; do echo garbage > $f; done").ok();
                    &["inspect"]
                }
                _ => {
                    // A packager that died in the middle of its compile.
                    fixture.says(&format!("cut off {build}"));
                    let mut child = fixture.command_on(engine).spawn().expect("the bin starts");
                    child.kill().and_then(|()| child.wait()).expect("a child");
                    &["inspect"]
                }
            };
            engine.ask(&[deed, &[id.as_str()]].concat());
        }
        let text = format!("build {build} {}", random.below(1000));
        fixture.says(&text);
        let _ = fs::remove_file(fixture.path("src/more.rs"));
        if random.below(4) == 0 {
            // A longer program, and another file.
            let more = (0..random.below(30)).map(|at| format!("pub fn f{at}() {{ println!(\"{at}\") }}\n"));
            fixture.write("src/more.rs", &more.collect::<String>());
            let main = fixture.text("src/main.rs");
            fixture.write("src/main.rs", &format!("#![allow(dead_code)]\nmod more;\n{main}"));
        }
        let story = Story::of(&mut fixture.command_on(engine)).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), text, "build {build}: {story}");
        if build == few {
            after_few = Some((Burden::of(engine, &fixture.container(engine)), images()));
        }
    }
    let (early, early_images) = after_few.expect("there were as many");
    let late = Burden::of(engine, &fixture.container(engine));
    let told = format!("after {few} builds {early:?}, after {builds} {late:?}");
    assert!(late.processes <= early.processes + 1, "{told}");
    assert!(late.memory_bytes <= early.memory_bytes + (16 << 20), "{told}");
    assert!(late.disk_bytes <= early.disk_bytes + (8 << 20), "{told}");
    assert_eq!(containers_and_volumes(), (1, 3));
    // Others use the empty image too.
    let late_images = images();
    assert!(late_images <= early_images.max(1) + 1, "{early_images} {late_images}");
    // In the project itself there is as much as after one build.
    let names = fs::read_dir(fixture.path("target/lambda/hello")).expect("a folder").count();
    assert!(names < 12, "{names} files in target/lambda/hello");
}
