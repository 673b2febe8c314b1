//! Promise 1, trap by trap: a hit is reported only if a clean build of the same inputs gives the same
//! bytes. Each test sets one trap that has caught, or could catch, a judge that goes by mtimes, by
//! cargo's records, or by what it was told once. After every run the verdict and the bytes are checked against a
//! clean build in another folder and a container of its own.

mod attempts;
pub mod elsewhere;
mod files;
mod reads;
mod settings;
mod times;

use crate::support::clean::{Project, printing};
use crate::support::{Engine, is_full};

/// The engine that traps are set on, if it is here.
fn docker() -> Option<&'static str> {
    Engine::Docker.is_here().then_some("docker")
}

/// The same with all cases. With few it is the host, for traps that only the judge could fall into: it is the same one
/// on the host, where a compile takes half as long.
fn host_or_docker() -> Option<&'static str> {
    if is_full() { docker() } else { Some("host") }
}

/// The sources of [`Project::pair`].
const APP: &str = "app/src/main.rs";
const PART: &str = "part/src/lib.rs";

/// A build script that hands a variable to the program without telling cargo that it depends on it.
const READS_NAME_IN_SECRET: &str = "fn main() {
    println!(\"cargo:rerun-if-changed=build.rs\");
    println!(\"cargo:rustc-env=READ={}\", std::env::var(\"NAME\").unwrap_or_default());
}\n";

/// A package without dependencies, built once.
fn built_hello(engine: &'static str) -> Project {
    let project = Project::hello(engine);
    project.write("src/main.rs", &printing("one"));
    project.misses("first build");
    project
}

/// A workspace of a function and a library, built once.
fn built_pair(engine: &'static str) -> Project {
    let project = Project::pair(engine);
    project.misses("first build");
    project
}
