//! Who ends the packager in the middle of a clean room ends all that its engine does for it.

use std::time::Duration;

use crate::clean_room::builder::{Kind, every_builder};
use crate::support::{Fixture, Running, Story, cases, child_that_runs, kill, processes_of_the_host, wait_until};

#[test]
fn a_packager_that_ends_takes_its_build_along_by_whatever_signal() {
    for builder in every_builder() {
        // Its name is in the arguments of the engine's command line, and that of its sleep is nobody else's.
        let name = format!("held{}", std::process::id());
        let fixture = Fixture::empty("held");
        fixture.package("", &name, "");
        let sleep = format!("sleep 86400.{}", std::process::id());
        let (program, length) = sleep.split_once(' ').unwrap();
        let held = format!(
            "fn main() {{\n    std::process::Command::new(\"{program}\").arg(\"{length}\").status().unwrap();\n}}\n"
        );
        let run = || builder.package(&fixture, &["--clean-room"]);
        let marks = [&sleep, &format!("lambda-packager-parcel:f-{name}")];
        let runs = |marks: &[&String]| {
            processes_of_the_host().iter().any(|line| marks.iter().any(|mark| line.contains(*mark)))
        };
        // Podman undoes the step itself. (Stopped by us it would not outlive a packager that is killed: the kernel
        // hangs up on stopped groups of processes that lose their parent.)
        let slow = Some((("INT", 130), true)).filter(|_| cases(false, builder.kind == Kind::Podman));
        let all = [("INT", 130), ("TERM", 143), ("KILL", 137)];
        // With few cases each signal comes to one builder.
        let signals = cases(&all[builder.kind as usize..][..1], &all).iter().map(|one| (*one, false));
        for ((signal, code), is_slow) in signals.chain(slow) {
            fixture.builds_with(&format!("{held}// {signal} {is_slow}\n"), "fn main() {}\n");
            let running = Running::start(&run());
            let is_held = || runs(&[&sleep]);
            wait_until("the compile is held", is_held);
            let engine = is_slow.then(|| child_that_runs(builder.engine(), running.pid()).to_string());
            if let Some(engine) = &engine {
                kill("STOP", engine);
            }
            running.signal(signal);
            if let Some(engine) = &engine {
                wait_until("the compile is ended", || !is_held());
                // Longer than programs are waited for that leave nothing behind.
                std::thread::sleep(Duration::from_millis(2500));
                kill("CONT", engine);
            }
            let ended = running.end();
            assert_eq!(ended.code, code, "{:?}: {}", builder.kind, ended.stderr);
            wait_until(&format!("{:?}: nothing of it goes on after SIG{signal}", builder.kind), || !runs(&marks));
            let external: &[&str] = if builder.kind == Kind::Podman { &["--external"] } else { &[] };
            wait_until(&format!("{:?}: no container is left after SIG{signal}", builder.kind), || {
                builder.ask(&[&["ps", "--all", "--quiet"], external].concat()).is_empty()
            });
        }
        fixture.builds_with("fn main() {}\n", "fn main() {\n    println!(\"hello\");\n}\n");
        Story::of(&mut run()).ok();
        assert_eq!(fixture.output_of_bootstrap(&name), "hello");
    }
}
