//! What is kept is packed where the builder has tar and zstd, and kept as it is where not.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{
    KEPT, PACKED, WARM, archive, behind, image_after, is_cold, keeps_nothing, kept, members, replace, tar_of, unpacked,
    unzstd, with_itoa,
};
use crate::support::{Ended, Engine, Fixture, Front, Gate, Running, engines, eventually, on_path, one_engine, skip};

const UNUSABLE: &str = "note: the dependencies that were kept cannot be used";
/// A fake: in what runs in a container zstd has a name that nothing has there.
const WITHOUT_ZSTD: &str =
    "case $1 in exec) for word do shift; set -- \"$@\" \"$(printf %s \"$word\" | sed s/zstd/no-zstd/g)\"; done;; esac";

#[test]
fn a_builder_without_zstd_keeps_as_it_is_and_does_without_what_is_packed() {
    if !on_path("zstd") {
        return skip("zstd", "no zstd (Debian: apt-get install zstd)");
    }
    for engine in engines(Engine::Docker) {
        let one = with_itoa("unpacked");
        let image = kept(&one, engine);
        let holds = |name: &str| {
            let members = members(&tar_of(&one, engine, &image));
            members.iter().any(|(path, ..)| path.to_str().is_some_and(|path| path.contains(name)))
        };
        assert!(holds(PACKED) && !holds("/deps/"));
        // Libraries are packed once, and along with the compile: what is packed afterwards begins with a folder.
        let packed = members(&unpacked(&one, tar_of(&one, engine, &image)));
        let names: Vec<_> = packed.iter().map(|(path, ..)| path.to_str().expect("a name")).collect();
        let is_library = |name: &&str| name.contains("/deps/libitoa-");
        assert!(names[..2].iter().all(is_library), "{names:?}");
        assert_eq!(names.iter().copied().filter(|name| is_library(name)).count(), 2, "{names:?}");

        let front = Front::of(engine.name(), WITHOUT_ZSTD);
        let two = with_itoa("unpacked");
        let ended = behind(&front, &two, engine).ok();
        is_cold(&ended);
        assert!(ended.stderr.contains(UNUSABLE) && ended.stderr.contains("zstd"), "{}", ended.stderr);
        assert_eq!(image_after(KEPT, &ended), image);
        assert!(!holds(PACKED) && holds("/deps/libitoa-"));

        // With zstd or without: who comes next takes it as it is.
        let three = with_itoa("unpacked");
        assert_eq!(image_after(WARM, &behind(&front, &three, engine).ok()), image);
        assert_eq!(image_after(WARM, &with_itoa("unpacked").run_on(engine, &[]).ok()), image);
        assert!(one.zip("app") == two.zip("app") && two.zip("app") == three.zip("app"));
    }
}

/// A compile that knows of no lock and gets the container between another's end and its keeping sees what that was never to see.
#[test]
fn what_a_later_compile_made_is_not_kept_for_an_earlier_one() {
    for engine in engines(Engine::Docker) {
        let fixture = with_itoa("overtaken");
        fixture.write("src/bin/other.rs", "fn main() {\n    println!(\"{}\", itoa::Buffer::new().format(8));\n}\n");
        let path = std::env::var("PATH").unwrap();
        let mut other = fixture.command_on(engine);
        other.args(["--function", "other"]);
        let words: Vec<_> = std::iter::once(other.get_program()).chain(other.get_args()).collect();
        let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let said = fixture.around().join("other");
        let overtake = format!(
            "case \"$1 $*\" in exec*--binary=*) export PATH='{path}'; '{}' \"$@\" && rm '{}'/*.lock && \
             LAMBDA_PACKAGER_PASS_ENV=TOKEN TOKEN=t0ken {} >'{}' 2>&1 </dev/null; exit;; esac",
            engine.name(),
            fixture.path("target/lambda").display(),
            words.join(" "),
            said.display()
        );
        let front = Front::of(engine.name(), &overtake);
        let ended = Ended::of(fixture.command_on(engine).args(["--function", "app"]).env("PATH", &front.path)).ok();
        let said = fs::read_to_string(said).unwrap();
        assert!(said.contains("cache-miss: first build") && !said.contains(KEPT), "{said}");
        keeps_nothing(&ended);
        image_after(KEPT, &fixture.run_on(engine, &["--function", "app", "--force"]).ok());
    }
}

#[test]
fn packing_along_ends_with_a_compile_that_is_interrupted() {
    for engine in engines(Engine::Podman) {
        let fixture = with_itoa("cut-short");
        let gate = Gate::new();
        fixture.write("build.rs", &gate.waiting_build_script("held"));
        fixture.run_on(engine, &["container", "start"]).ok();
        gate.put("hold", "");
        let container = fixture.container(engine);
        // Slow for as long as anybody may want to wait.
        let slow = "case $1 in exec) for word do shift; set -- \"$@\" \"$(printf %s \"$word\" | \
                    sed 's/tail -n +1/sleep 6000; &/')\"; done;; esac";
        let front = Front::of(engine.name(), slow);
        let running = Running::start(fixture.command_on(engine).env("PATH", &front.path));
        eventually("it packs along with a compile that is held", || {
            let lines = engine.processes(&container);
            let runs = |part: &str| lines.iter().any(|line| line.contains(part));
            if runs("sleep 6000") && runs("build-script-build") { Ok(()) } else { Err(lines) }
        });
        running.signal("INT");
        assert_eq!(running.end().code, 130);
        eventually("nothing of it goes on", || {
            let lines = engine.processes(&container);
            if lines.iter().all(|line| line.contains("sleep 86400")) { Ok(()) } else { Err(lines) }
        });
        gate.take_away("hold");
        kept(&fixture, engine);
    }
}

#[test]
fn what_fails_while_it_is_sent_leaves_no_image() {
    if !on_path("zstd") {
        return skip("zstd", "no zstd (Debian: apt-get install zstd)");
    }
    for engine in engines(Engine::Docker) {
        let fixture = with_itoa("broken-off");
        // The libraries are sent by then, and the engine makes an image of what comes.
        let fail = "case $1 in exec) for word do shift; set -- \"$@\" \"$(printf %s \"$word\" | \
                    sed 's/zstd -q -1 --long=27 -T0 -B8MiB -o .target/false \"target/')\"; done;; esac";
        let front = Front::of(engine.name(), fail);
        let ended = behind(&front, &fixture, engine).ok();
        keeps_nothing(&ended);
        assert!(ended.stderr.contains("the compiled dependencies are not kept"), "{}", ended.stderr);
        let filter = format!("label={}", fixture.label());
        assert_eq!(engine.ask(&["images", "--all", "--quiet", "--filter", &filter]), "");
        image_after(KEPT, &fixture.run_on(engine, &["--force"]).ok());
        assert_ne!(engine.ask(&["images", "--all", "--quiet", "--filter", &filter]), "");
    }
}

/// Of what was packed; without one, the image has no target directory at all.
type Damage = Option<fn(&Fixture, Vec<u8>) -> Vec<u8>>;

fn cut(_: &Fixture, bytes: Vec<u8>) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

/// What tar takes for the end of its archive comes before what only zstd can find wrong.
fn wrong_at_the_end(fixture: &Fixture, bytes: Vec<u8>) -> Vec<u8> {
    let mut tar = unzstd(fixture, &bytes);
    tar.resize(tar.len() + (1 << 20), 0);
    let file = fixture.around().join("long.tar");
    fs::write(&file, tar).unwrap();
    Ended::of(Command::new("zstd").args(["-q", "-f"]).arg(&file)).ok();
    let mut bytes = fs::read(file.with_extension("tar.zst")).unwrap();
    *bytes.last_mut().expect("a checksum") ^= 1;
    bytes
}

#[test]
fn a_damaged_image_or_archive_is_said_and_replaced() {
    if !on_path("zstd") {
        return skip("zstd", "no zstd (Debian: apt-get install zstd)");
    }
    let damages: [Damage; 3] = [None, Some(cut), Some(wrong_at_the_end)];
    for (engine, damage) in engines(Engine::Docker).flat_map(|engine| damages.map(|damage| (engine, damage))) {
        let one = with_itoa("damaged-archive");
        let image = image_after(KEPT, &one.run_on(engine, &["--force"]).ok());
        let mut files = members(&tar_of(&one, engine, &image));
        match damage {
            Some(damage) => {
                let packed = files.iter_mut().find(|(path, ..)| path.ends_with(PACKED)).expect("it is packed");
                packed.2 = damage(&one, std::mem::take(&mut packed.2));
            }
            None => files.iter_mut().for_each(|(path, ..)| *path = Path::new("elsewhere").join(&path)),
        }
        replace(&one, engine, &image, &archive(files));

        let two = with_itoa("damaged-archive");
        let ended = two.run_on(engine, &[]).ok();
        is_cold(&ended);
        assert!(ended.stderr.contains(UNUSABLE), "{}", ended.stderr);
        assert_eq!(image_after(KEPT, &ended), image);
        // Nothing is left behind: one container, and what it needs.
        let container = two.container(engine);
        let left = engine.exec(&container, "ls /target/.lambda-packager").ok().stdout;
        assert!(!left.contains("zst") && !left.contains("layout"), "{left}");
        let three = with_itoa("damaged-archive");
        assert_eq!(image_after(WARM, &three.run_on(engine, &[]).ok()), image);
        assert!(one.zip("app") == two.zip("app") && two.zip("app") == three.zip("app"));
        engine.ask(&["rmi", "--force", &image]);
    }
}

#[test]
fn nothing_packs_or_unpacks_beside_another() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let one = with_itoa("beside");
    // Functions of a workspace share the place where is laid out what an image is made of.
    let lock = one.path("target/lambda/container.lock");
    let asked = one.around().join("asked");
    let ask = format!(
        "case \"$1 $*\" in import*-deps:*) flock -n '{}' true; echo $? >'{}';; esac",
        lock.display(),
        asked.display()
    );
    let front = Front::of(engine.name(), &ask);
    image_after(KEPT, &behind(&front, &one, engine).ok());
    assert_eq!(fs::read_to_string(asked).unwrap(), "1\n", "the container's lock is held");

    // A compile waits for the end of what is unpacked there, though nobody else does.
    let ask = "case $1 in exec) for word do shift; set -- \"$@\" \"$(printf %s \"$word\" | \
               sed 's/^mv surroundings.kept/flock -n lock true; echo $? >asked; &/')\"; done;; esac";
    let front = Front::of(engine.name(), ask);
    let two = with_itoa("beside");
    image_after(WARM, &behind(&front, &two, engine).ok());
    let told = engine.exec(&two.container(engine), "cat /target/.lambda-packager/asked").ok().stdout;
    assert_eq!(told, "1\n", "the target directory's lock is held");
}
