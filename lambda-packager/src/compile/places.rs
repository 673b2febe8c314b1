//! What was last at each place. There can be many: one text has all of them, in their order.

use crate::sys::Sha;

/// Kind and digest of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub kind: u8,
    pub sha: Sha,
}

/// What was last at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub state: State,
    /// The compile that saw it first.
    pub since: u32,
    /// It is still there. The compile of another function may not see it.
    pub is_there: bool,
}

/// Places, and what was last at each.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Places {
    text: String,
    /// The ends of the places in the text.
    entries: Vec<(usize, Stored)>,
}

impl Places {
    /// Those of `stored`. Of two at the same place, the later one counts.
    pub fn of(mut stored: Vec<(&str, Stored)>) -> Self {
        stored.sort_by_key(|(place, _)| *place);
        let mut places = Self::default();
        for (at, (place, entry)) in stored.iter().enumerate() {
            if stored.get(at + 1).is_none_or(|(next, _)| next != place) {
                places.text.push_str(place);
                places.entries.push((places.text.len(), *entry));
            }
        }
        places
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn at(&self, index: usize) -> (&str, &Stored) {
        let begin = index.checked_sub(1).map_or(0, |before| self.entries[before].0);
        let (end, stored) = &self.entries[index];
        (&self.text[begin..*end], stored)
    }

    /// The index of the first place that is not before `place`.
    fn position(&self, place: &str) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.at(middle).0 < place { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Stored)> {
        (0..self.len()).map(|index| self.at(index))
    }

    pub fn get(&self, place: &str) -> Option<&Stored> {
        let index = self.position(place);
        Some(self.at((index < self.len()).then_some(index)?)).filter(|(found, _)| *found == place).map(|(_, it)| it)
    }

    /// The places that begin with `prefix`.
    pub fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Stored)> {
        let from = self.position(prefix);
        (from..self.len()).map(|index| self.at(index)).take_while(move |(place, _)| place.starts_with(prefix))
    }

    /// For looking up many places in their order, which is faster than to search each.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { places: self, next: 0 }
    }
}

/// A position in [`Places`].
pub struct Cursor<'a> {
    places: &'a Places,
    next: usize,
}

impl<'a> Cursor<'a> {
    /// What was stored for `place`, which comes after those that were asked for.
    pub fn find(&mut self, place: &str) -> Option<&'a Stored> {
        while self.next < self.places.len() {
            let (found, stored) = self.places.at(self.next);
            if found > place {
                break;
            }
            self.next += 1;
            if found == place {
                return Some(stored);
            }
        }
        None
    }
}

impl State {
    pub fn of(kind: u8, sha: Sha) -> Self {
        Self { kind, sha }
    }

    /// Whether it is the list of a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == FOLDER
    }
}

/// The kind of a folder.
pub const FOLDER: u8 = b'd';
/// The kind of what the compile of a package may read.
pub const PACKAGE: u8 = b'p';

impl Stored {
    /// The state `state` in the compile `count`, after `before`. Also whether it is another one than before.
    pub fn next(before: Option<&Self>, state: State, count: u32) -> (Self, bool) {
        match before {
            Some(before) if before.state == state => (Self { is_there: true, ..*before }, false),
            _ => (Self { state, since: count, is_there: true }, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(content: u8) -> State {
        State::of(b'f', Sha([content; 32]))
    }

    #[test]
    fn places_are_found_one_by_one_and_in_their_order() {
        let stored = |since| Stored { state: state(0), since, is_there: true };
        let all = [("/b", 1), ("/a/c", 2), ("/a", 3), ("/b", 4), ("/a.c", 5)];
        let places = Places::of(all.map(|(place, since)| (place, stored(since))).into());
        let since = |found: Option<&Stored>| found.map(|stored| stored.since);
        assert_eq!(places.iter().map(|(place, _)| place).collect::<Vec<_>>(), ["/a", "/a.c", "/a/c", "/b"]);
        let mut cursor = places.cursor();
        for (place, expected) in [
            ("", None),
            ("/a", Some(3)),
            ("/a.c", Some(5)),
            ("/a/b", None),
            ("/a/c", Some(2)),
            ("/b", Some(4)),
            ("/c", None),
        ] {
            assert_eq!((since(places.get(place)), since(cursor.find(place))), (expected, expected), "{place}");
        }
        assert_eq!(places.beginning_with("/a/").map(|(_, stored)| stored.since).collect::<Vec<_>>(), [2]);
        assert_eq!(places.beginning_with("/c").count() + Places::default().iter().count(), 0);
    }

    #[test]
    fn a_state_keeps_its_date_and_another_gets_a_new_one() {
        let (first, changed) = Stored::next(None, state(1), 1);
        assert!(changed && first.since == 1);
        assert_eq!(Stored::next(Some(&first), state(1), 2), (first, false));
        let (second, changed) = Stored::next(Some(&first), state(2), 2);
        assert!(changed && second.since == 2);
        let gone = Stored { is_there: false, ..first };
        assert_eq!(Stored::next(Some(&gone), state(1), 3), (first, false));
    }
}
