//! All tests that go through the whole packager, in one program: what they share is compiled and linked once, and
//! what is dear to set up is set up once.

mod support;

mod arm64;
mod bad_input;
mod callings;
mod cargo_aware;
mod cdk;
mod clean_room;
mod commands;
mod compatibility;
mod container;
mod debug;
mod deploy;
mod ecr;
mod elf;
mod extension;
mod faults;
mod fetch;
mod from_cargo_lambda;
mod gate_property;
mod git;
mod image;
mod init;
mod inputs;
mod interrupts;
mod isolation;
mod kill;
mod killed;
mod lifecycle;
mod make;
mod manifest;
mod many;
mod never_stale;
mod push;
mod remote;
mod reproducible;
mod runtime_api;
mod sam;
mod scripts;
mod security;
mod shim;
mod simultaneous;
mod soak;
mod warm_start;
mod workflow;
