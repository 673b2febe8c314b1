//! The answers about several functions: one that fails keeps no other one from its answer.

use lambda_packager::internal::{Error, Result, print_lines};

use crate::json;

/// Prints the lines about each of `count` functions, by its id; `line_of` an error where there are several.
///
/// # Errors
/// If one fails, its error where it is alone; otherwise one that says which ones `failed`, of the kind of the first.
pub fn print(
    count: usize,
    answers: impl Iterator<Item = (String, Result<Vec<String>>)>,
    line_of: impl Fn(&str, &Error) -> String,
    failed: &str,
) -> Result<()> {
    let mut failures = Vec::new();
    for (id, answer) in answers {
        match answer {
            Ok(lines) => print_lines(&lines),
            Err(error) if count == 1 || error.is_interrupted() => return Err(error),
            Err(error) => {
                print_lines(&[line_of(&id, &error)]);
                failures.push((id, error));
            }
        }
    }
    let Some((_, first)) = failures.first() else { return Ok(()) };
    let ids: Vec<_> = failures.iter().map(|(id, _)| id.as_str()).collect();
    let what = format!("{} of {count} functions {failed}: {}", ids.len(), ids.join(", "));
    Err(Error::new(first.kind(), what).hint_with("what was found of each is told above"))
}

/// An error as a line, in text or as JSON.
pub fn line_of(as_json: bool) -> fn(&str, &Error) -> String {
    if as_json { json::failure_line } else { line }
}

/// An error as a line of text.
fn line(id: &str, error: &Error) -> String {
    format!("{id}: {}", error.with_advice())
}
