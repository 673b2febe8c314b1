//! Where cargo-lambda's tables put what is made, and in which format.

use crate::config::cargo_lambda_tables::{Said, Together};
use crate::error::Result;

/// What cargo-lambda leaves of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputFormat {
    #[default]
    Binary,
    Zip,
}

impl OutputFormat {
    pub const NAMES: [&str; 2] = ["binary", "zip"];

    /// In any case of letters.
    pub fn named(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        [Self::Binary, Self::Zip].get(at).copied()
    }
}

/// The keys of `build` that are about what is left of a function.
#[derive(Debug, Clone, Default)]
pub struct Output {
    pub format: Option<Said<OutputFormat>>,
    /// The folder that gets a folder for each function.
    pub lambda_dir: Option<Said<String>>,
    /// The function whose file goes directly into that folder.
    pub flatten: Option<Said<String>>,
}

impl Output {
    /// What the tables say.
    ///
    /// # Errors
    /// If a value is not valid.
    pub fn of(said: &Together) -> Result<Self> {
        let format = said.text("output_format")?.map(|Said { value, place }| match OutputFormat::named(&value) {
            Some(value) => Ok(Said { value, place }),
            None => Err(Said { value, place }.invalid("output_format", "`binary` or `zip`")),
        });
        Ok(Self { format: format.transpose()?, lambda_dir: said.text("lambda_dir")?, flatten: said.text("flatten")? })
    }
}
