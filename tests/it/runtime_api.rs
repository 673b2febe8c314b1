//! The zip of this repository runs where it ships: someone else's Lambda runtime API starts nothing
//! but what was unzipped, and gets its answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::support::host::cargo_here;
use crate::support::{Ended, Fixture, Running, eventually, free_port, has_all, is_installed, repository, skip};

/// A program that ends with the test, and all that it started.
struct Everything(Running);

impl Drop for Everything {
    fn drop(&mut self) {
        self.0.signal_all("KILL");
    }
}

/// `cargo lambda` in `folder`: it wants a manifest there.
fn cargo_lambda(folder: &Path, port: u16, args: &[&str]) -> Command {
    let mut command = Command::new("cargo-lambda");
    command.args(["lambda", args[0], "--invoke-address=127.0.0.1", &format!("--invoke-port={port}")]).args(&args[1..]);
    command.current_dir(folder);
    command
}

#[test]
fn the_zip_answers_through_someone_elses_runtime_api() {
    if !Command::new("cargo-lambda").args(["lambda", "--help"]).output().is_ok_and(|output| output.status.success()) {
        return skip("cargo-lambda", "no cargo-lambda to invoke the zip with (pip install cargo-lambda)");
    }
    if !is_installed("unzip", "Debian: apt-get install unzip") {
        return;
    }
    Ended::of(&mut cargo_here(&["build", "--release"])).ok();
    let fixture = Fixture::hello();
    let zip = repository().join("lambda-deployment.zip");
    Ended::of(Command::new("unzip").args(["-q", "-d"]).arg(fixture.root()).arg(zip)).ok();
    let port = free_port();
    let _api = Everything(Running::start(&cargo_lambda(fixture.root(), port, &["watch", "--only-lambda-apis"])));
    eventually("the runtime API listens", || TcpStream::connect(("127.0.0.1", port)));

    // Before any client, and with the runtime's variables alone.
    let mut bootstrap = Command::new(fixture.path("bootstrap"));
    bootstrap.env_clear().env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt"));
    bootstrap.env("AWS_LAMBDA_FUNCTION_NAME", "_").env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    let _function = Everything(Running::start(bootstrap.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")));

    let event = repository().join("lambda/tests/data/health.json");
    let mut invoke = cargo_lambda(fixture.root(), port, &["invoke", "_", "--data-file"]);
    let answer = Ended::answer(invoke.arg(event));
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["status"], "ok", "{answer}");

    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let request =
        "GET /lambda-url/_/events?count=3&interval_ms=1000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).expect("it listens");
    let (mut so_far, mut when_seen, mut piece) = (String::new(), Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = client.read(&mut piece) {
        so_far.push_str(&String::from_utf8_lossy(&piece[..length]));
        when_seen.push(so_far.matches("\ndata:").count());
    }
    assert!(so_far.starts_with("HTTP/1.1 200 "), "{so_far}");
    has_all(&so_far.to_lowercase(), &["content-type: text/event-stream", "transfer-encoding: chunked"]);
    // Each event was there before the next.
    assert!([1, 2, 3].iter().all(|count| when_seen.contains(count)), "{when_seen:?}\n{so_far}");
}
