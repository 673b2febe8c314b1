//! One pattern for paths, without braces.

/// Taken apart. A path is relative to the same folder as the pattern, and clean.
#[derive(Debug)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    /// `**`
    AnyFolders,
    Name(String),
}

/// Whether `text` has characters that stand for others.
pub fn is_glob(text: &str) -> bool {
    text.contains(is_special)
}

pub fn is_special(c: char) -> bool {
    ['*', '?', '[', '{', '\\'].contains(&c)
}

/// `text` without `.`, `a/..` and slashes that mean nothing.
pub fn clean(text: &str) -> String {
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Pattern {
    pub fn new(text: &str) -> Self {
        let part = |part: &str| if part == "**" { Part::AnyFolders } else { Part::Name(part.into()) };
        Self { parts: clean(text).split('/').filter(|part| !part.is_empty()).map(part).collect() }
    }

    /// The names of the folder that holds everything that matches: those before the first that stands for others.
    pub fn fixed_folder(&self) -> Vec<&str> {
        let names = &self.parts[..self.parts.len().saturating_sub(1)];
        let fixed = names.iter().map_while(|part| match part {
            Part::Name(name) if !is_glob(name) => Some(name.as_str()),
            _ => None,
        });
        fixed.collect()
    }

    /// Whether each `[` has its `]`, and each `\` a character behind it.
    pub fn is_closed(&self) -> bool {
        let is_closed = |part: &Part| match part {
            Part::AnyFolders => true,
            Part::Name(name) => is_name_closed(name),
        };
        self.parts.iter().all(is_closed)
    }

    pub fn matches(&self, path: &str) -> bool {
        let (mut parts, mut names) = (self.parts.as_slice(), path.split('/'));
        // What follows the last `**`, and the names that it has not taken yet. As for `*` in a name, no earlier one needs
        // to take more.
        let mut retry = None;
        loop {
            let ahead = names.clone().next();
            match (parts, ahead) {
                ([], None) => return true,
                ([Part::AnyFolders], Some(name)) if name != ".." => return !names.any(|name| name == ".."),
                ([Part::AnyFolders], None) => {}
                ([Part::AnyFolders, rest @ ..], _) => {
                    parts = rest;
                    retry = Some((rest, names.clone()));
                    continue;
                }
                ([Part::Name(part), rest @ ..], Some(name)) if matches_name(part, name) => {
                    parts = rest;
                    names.next();
                    continue;
                }
                _ => {}
            }
            let Some((after, untaken)) = &mut retry else { return false };
            // `..` is no folder below.
            if untaken.next().is_none_or(|name| name == "..") {
                return false;
            }
            (parts, names) = (*after, untaken.clone());
        }
    }

    /// Whether a path below `folder` can match.
    pub fn may_match_below(&self, folder: &str) -> bool {
        let mut parts = self.parts.iter();
        for name in folder.split('/').filter(|name| !name.is_empty()) {
            match parts.next() {
                Some(Part::AnyFolders) => return name != "..",
                Some(Part::Name(part)) if matches_name(part, name) => {}
                _ => return false,
            }
        }
        parts.next().is_some()
    }
}

fn is_name_closed(mut name: &str) -> bool {
    while let Some(at) = name.find(['[', '\\']) {
        let rest = &name[at + 1..];
        let after = if name[at..].starts_with('[') {
            class(rest, 'a').map(|(_, after)| after)
        } else {
            rest.chars().next().map(|escaped| &rest[escaped.len_utf8()..])
        };
        let Some(after) = after else { return false };
        name = after;
    }
    true
}

/// Whether a part of a pattern matches one name. A name that is written as the pattern matches too: `[id].tsx`.
fn matches_name(pattern: &str, name: &str) -> bool {
    if pattern == name {
        return true;
    }
    if name == ".." || !is_glob(pattern) {
        return false;
    }
    let (mut rest, mut text) = (pattern, name);
    // What follows the last `*`, and the text that it has not taken yet.
    let mut retry = None;
    loop {
        if let Some(after) = rest.strip_prefix('*') {
            retry = Some((after, text));
            rest = after;
        } else if rest.is_empty() && text.is_empty() {
            return true;
        } else if let Some(after) = after_one(rest, text) {
            (rest, text) = after;
        } else {
            let Some((after, untaken)) = retry else { return false };
            let mut untaken = untaken.chars();
            if untaken.next().is_none() {
                return false;
            }
            (rest, text) = (after, untaken.as_str());
            retry = Some((rest, text));
        }
    }
}

/// What follows in the pattern and in the text once the pattern's first element took one character.
fn after_one<'p, 't>(pattern: &'p str, text: &'t str) -> Option<(&'p str, &'t str)> {
    let (mut elements, mut chars) = (pattern.chars(), text.chars());
    let (element, c) = (elements.next()?, chars.next()?);
    let rest = elements.as_str();
    let (is_match, rest) = match element {
        '?' => (true, rest),
        '[' => class(rest, c).unwrap_or((c == '[', rest)),
        '\\' => (elements.next() == Some(c), elements.as_str()),
        element => (element == c, rest),
    };
    is_match.then_some((rest, chars.as_str()))
}

/// Whether `c` is in the class that `text` begins with, after its `[`, and what follows its `]`. `None` if it has none.
pub fn class(text: &str, c: char) -> Option<(bool, &str)> {
    let is_not = text.starts_with(['!', '^']);
    let set = if is_not { &text[1..] } else { text };
    // A `]` that is the first is a member.
    let first = set.chars().next()?.len_utf8();
    let end = first + set.get(first..)?.find(']')?;
    let members: Vec<char> = set[..end].chars().collect();
    let mut at = 0;
    let mut is_in = false;
    while at < members.len() {
        let is_range = members.get(at + 1) == Some(&'-') && at + 2 < members.len();
        let last = if is_range { at + 2 } else { at };
        is_in |= (members[at]..=members[last]).contains(&c);
        at = last + 1;
    }
    Some((is_in != is_not, &set[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_matches_or_not() {
        for (pattern, yes, no) in [
            ("a/b.txt", "a/b.txt", "a a/b a/b.txt/c b.txt"),
            ("./a//./b/", "a/b", "b a"),
            ("a/../b", "b", "a a/b"),
            ("../a/*", "../a/b", "a/b ../a ../a/b/c"),
            ("*", "a .a a.b", "a/b .."),
            ("*.proto", "a.proto .proto", "a/b.proto a.protos"),
            ("a*b*c", "abc axbxc abcbc abbcc", "ab ac abcd xabc"),
            ("a?c", "abc aéc a.c", "ac abbc a/c"),
            ("??", "ab éé", "a abc"),
            ("*/*", "a/b", "a a/b/c"),
            ("a/*/c", "a/b/c", "a/c a/b/b/c"),
            ("**", "a a/b a/b/c", ".. ../a"),
            ("a/**", "a/b a/b/c", "a ab/c b/a/c"),
            ("**/a", "a b/a b/c/a", "a/b ba ../a"),
            ("a/**/b", "a/b a/x/b a/x/y/b a/b/b", "a a/x ab a/b/x"),
            ("**/a/**/b", "a/b x/a/y/b a/a/b/b a/x/a/b", "a x/b b/a"),
            ("**/*.rs", "a.rs x/y/a.rs", "a.r x/a.rsx"),
            ("a/**/**/b", "a/b a/x/b", "b"),
            ("a**c", "ac abc", "a/c ab/c"),
            ("../**/a", "../a ../x/a", "a ../../a"),
            ("[abc]x", "ax cx", "dx x abx"),
            ("[a-cx-z]", "a b y", "d w -"),
            ("[!a-c]", "d é", "a b"),
            ("[^a]", "b", "a"),
            ("[]x]", "] x", "a"),
            ("[!]]", "a", "]"),
            ("[a-]", "a -", "b"),
            ("[*]", "*", "a"),
            ("[é-ü]", "ö", "a"),
            ("[id].tsx", "i.tsx d.tsx [id].tsx", "id.tsx"),
            ("[a", "[a", "a [b"),
            ("*[a", "[a x[a", "a"),
        ] {
            let glob = Pattern::new(pattern);
            for path in yes.split(' ') {
                assert!(glob.matches(path), "{pattern} does not match {path}");
            }
            for path in no.split(' ').filter(|path| !path.is_empty()) {
                assert!(!glob.matches(path), "{pattern} matches {path}");
            }
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let name = "a".repeat(2000);
        assert!(!Pattern::new(&format!("{}b", "*a".repeat(30))).matches(&name));
        assert!(!Pattern::new(&format!("{}b", "**/a/".repeat(30))).matches(&"a/".repeat(1000)));
    }

    #[test]
    fn folders_that_can_hold_a_match_are_known() {
        for (pattern, yes, no) in [
            ("a/*.x", "a", "a/b b"),
            ("*.x", "", "a a.x"),
            ("a/*/c/*.x", "a a/b a/b/c", "b a/b/d a/b/c/d"),
            ("a/**/*.x", "a a/b a/b/c", "b"),
            ("**/*.x", "a/b", ".. ../a"),
            ("../a/**", ".. ../a ../a/b", "a ../b"),
        ] {
            let glob = Pattern::new(pattern);
            assert!(yes.split(' ').all(|folder| glob.may_match_below(folder)), "{pattern}");
            assert!(no.split(' ').all(|folder| !glob.may_match_below(folder)), "{pattern}");
        }
    }
}
