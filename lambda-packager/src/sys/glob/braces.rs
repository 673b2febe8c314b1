//! Braces: `{a,b}` in a pattern stands for each of its texts, which may have braces in turn.

use crate::sys::glob::pattern::class;

/// More patterns than anybody means by one.
const MAX: usize = 1000;

/// The patterns that `text` stands for, one for each choice.
///
/// # Errors
/// What to do about braces that are not closed, or stand for too much.
pub fn expand(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut all, mut rest) = (vec![String::new()], text);
    while let Some(start) = start(rest) {
        let (choices, after) = group(&rest[start + 1..])?;
        let choices: Result<Vec<_>, _> = choices.into_iter().map(expand).collect();
        let choices = choices?.concat();
        if all.len() * choices.len() > MAX {
            return Err("its braces stand for more than 1000 patterns: use `*`, or several entries");
        }
        let with = |before: &String| {
            let before = format!("{before}{}", &rest[..start]);
            choices.iter().map(|choice| format!("{before}{choice}")).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
        rest = after;
    }
    all.iter_mut().for_each(|pattern| pattern.push_str(rest));
    Ok(all)
}

/// Where the first braces of `text` are.
pub fn start(text: &str) -> Option<usize> {
    meaningful(text).find(|(_, c)| *c == '{').map(|(at, _)| at)
}

/// The parts of `text` between commas, without those in braces.
pub fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in meaningful(text) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The texts of the braces that `text` begins with, after their `{`, and what follows their `}`.
fn group(text: &str) -> Result<(Vec<&str>, &str), &'static str> {
    let mut depth = 0;
    for (at, c) in meaningful(text) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Ok((split(&text[..at]), &text[at + 1..])),
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err("close each `{`, or write `\\{` where a name has one")
}

/// The characters of `text` with their places, without those that `\` or a class makes members of a name.
fn meaningful(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let (at, c) = (from, text[from..].chars().next()?);
            from += c.len_utf8();
            match c {
                '\\' => from += text[from..].chars().next().map_or(0, char::len_utf8),
                '[' => {
                    // A class is part of one name.
                    let name = text[from..].split('/').next().unwrap_or_default();
                    from += class(name, c).map_or(0, |(_, after)| name.len() - after.len());
                }
                _ => return Some((at, c)),
            }
        }
    })
}
