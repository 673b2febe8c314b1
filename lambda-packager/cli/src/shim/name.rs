//! Under which name it is called, and what it says of itself.

/// The name by which cargo calls it.
pub const NAME: &str = "cargo-lambda";

/// The version of cargo-lambda whose flags are understood.
pub const VERSION: &str = "1.9.2";

/// The name of this program itself. It stands in the version, so that it is told apart from cargo-lambda.
pub const PROGRAM: &str = env!("CARGO_BIN_NAME");
