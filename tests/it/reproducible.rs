//! The same sources are the same zip, byte for byte, wherever, by whomever and with whatever engine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Ended, Engine, Fixture, OtherUser, repository, skip};

/// Prints everything that could tell where and when it was compiled.
const MAIN: &str = r#"
use std::ffi::{CStr, c_char};
unsafe extern "C" {
    fn when() -> *const c_char;
}
fn main() {
    println!("{}", unsafe { CStr::from_ptr(when()) }.to_str().unwrap());
    println!("{} {} {}", file!(), leaf::place(), std::panic::Location::caller().file());
    if std::env::args().count() > 100 {
        panic!("its place is in the binary");
    }
}
"#;

/// A function with C code, a path dependency outside of its workspace, and files to include.
fn telltale(folder: &str) -> Fixture {
    let fixture = Fixture::empty(folder);
    let manifest = r#"
        [package]
        name = "telltale"
        version = "0.1.0"
        edition = "2024"
        [dependencies]
        leaf = { path = "../leaf" }
        [build-dependencies]
        cc = "1"
        [package.metadata.lambda-packager]
        include = ["share", "bin/tool.sh"]
    "#;
    fixture.write("Cargo.toml", manifest);
    // The crate in the version that this machine has.
    fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).unwrap();
    fixture.builds_with("fn main() {\n    cc::Build::new().file(\"src/when.c\").compile(\"when\");\n}\n", MAIN);
    fixture.write("src/when.c", "const char *when(void) { return __DATE__ \" \" __TIME__ \" \" __FILE__; }\n");
    fixture.write("../leaf/Cargo.toml", "[package]\nname = \"leaf\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    fixture.write("../leaf/src/lib.rs", "pub fn place() -> &'static str {\n    file!()\n}\n");
    for (name, mode) in [("bin/tool.sh", 0o755), ("share/b.txt", 0o644), ("share/A.txt", 0o644)] {
        fixture.write(name, name);
        fs::set_permissions(fixture.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fixture
}

/// The zip, and that nothing in it tells of `fixture`'s place.
#[track_caller]
fn zip_of(fixture: &Fixture, ended: Ended) -> Vec<u8> {
    ended.ok();
    let bootstrap = fixture.read("target/lambda/telltale/bootstrap");
    let place = fixture.around();
    let place = place.to_str().unwrap().as_bytes();
    assert!(!bootstrap.windows(place.len()).any(|window| window == place), "the checkout's path is in the binary");
    fixture.zip("telltale")
}

#[test]
fn checkouts_users_clocks_and_engines_give_the_same_zip() {
    if !Engine::Docker.is_here() {
        return;
    }
    let one = telltale("one");
    let first = zip_of(&one, Ended::of(one.command_on(Engine::Docker).env("TZ", "UTC")));
    lists_names_in_order_with_modes_and_without_a_date(&one);
    let printed = "Jan  1 1980 00:00:00 src/when.c\nsrc/main.rs /workspace/leaf/src/lib.rs src/main.rs";
    assert_eq!(one.output_of_bootstrap("telltale"), printed);

    if Engine::Podman.is_here() {
        let again = zip_of(&one, one.run_on(Engine::Podman, &["--force"]));
        assert!(again == first, "podman made another zip");
    }

    let two = telltale("somewhere/else entirely/two");
    for (name, mode) in [
        ("bin/tool.sh", 0o700),
        ("share", 0o700),
        ("share/A.txt", 0o600),
        ("share/b.txt", 0o444),
        ("Cargo.toml", 0o600),
    ] {
        fs::set_permissions(two.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = two.command_under(&["sh", "-c", "umask 077; exec \"$0\" \"$@\""]);
    command.args(["--engine", "docker"]).env("TZ", "Pacific/Kiritimati").env("LC_ALL", "C");
    let again = zip_of(&two, Ended::of(&mut command));
    assert!(again == first, "another folder, umask and time zone made another zip");

    if let Some(user) = OtherUser::of_docker() {
        let three = telltale("three");
        let again = zip_of(&three, Ended::of(user.command(&three).args(["--engine", "docker"])));
        assert!(again == first, "another user made another zip");
        let bootstrap = three.read("target/lambda/telltale/bootstrap");
        let home = user.home().to_str().unwrap().as_bytes();
        assert!(!bootstrap.windows(home.len()).any(|window| window == home), "the user's home is in the binary");
    }
}

/// As somebody else's program reads it.
fn lists_names_in_order_with_modes_and_without_a_date(fixture: &Fixture) {
    let zip = fixture.path("target/lambda/telltale/lambda-deployment.zip");
    let unzip = |how: &str, what: &[&str]| Command::new("unzip").arg(how).arg(&zip).args(what).output();
    let Ok(listed) = unzip("-Z", &[]) else { return skip("unzip", "no unzip (Debian: apt-get install unzip)") };
    let listed = Ended::from(listed).ok().stdout;
    // -rwxr-xr-x  2.0 unx   343392 b- defN 80-Jan-01 00:00 bootstrap
    let lines = listed.lines().filter(|line| line.starts_with('-')).map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Not its size, nor whether the bytes look like text.
        [fields[0], &fields[4][1..], fields[6], fields[7], fields[8]].join(" ")
    });
    let expected = [
        "-rwxr-xr-x - 80-Jan-01 00:00 bin/tool.sh",
        "-rwxr-xr-x - 80-Jan-01 00:00 bootstrap",
        "-rw-r--r-- - 80-Jan-01 00:00 share/A.txt",
        "-rw-r--r-- - 80-Jan-01 00:00 share/b.txt",
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected, "{listed}");
    assert_eq!(unzip("-p", &["share/A.txt"]).unwrap().stdout, b"share/A.txt");
    assert!(unzip("-p", &["bootstrap"]).unwrap().stdout == fixture.read("target/lambda/telltale/bootstrap"));
}
