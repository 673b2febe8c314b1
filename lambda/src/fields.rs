//! Reads the members of a JSON object and notes every fault. Deserializing with serde would stop
//! at the first one, and a client would learn of its faults one request at a time.

use std::ops::RangeInclusive;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::fault::{Faults, Place};

/// What may stand as it is in a URI (RFC 3986, section 2.3, "unreserved").
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A JSON object and the pointer to it.
pub(crate) struct Fields<'v> {
    members: &'v Map<String, Value>,
    pointer: String,
}

impl<'v> Fields<'v> {
    /// Notes a value that is no object, and every member that is not known.
    pub(crate) fn of(value: &'v Value, pointer: String, known: &[&str], faults: &mut Faults) -> Option<Self> {
        let Some(members) = value.as_object() else {
            faults.add(Place::Pointer(pointer), "must be an object");
            return None;
        };
        let fields = Self { members, pointer };
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            faults.add(fields.place(name), "is not known");
        }
        Some(fields)
    }

    /// A string that `is_valid`, which `expected` puts in words.
    pub(crate) fn text(
        &self,
        name: &str,
        expected: &str,
        is_valid: fn(&str) -> bool,
        faults: &mut Faults,
    ) -> Option<&'v str> {
        self.read(name, expected, faults, |value| value.as_str().filter(|text| is_valid(text)))
    }

    /// A whole number within `range`.
    pub(crate) fn integer(&self, name: &str, range: RangeInclusive<u64>, faults: &mut Faults) -> Option<u64> {
        let (low, high) = (range.start(), range.end());
        let expected = format!("must be a whole number from {low} to {high}");
        self.read(name, &expected, faults, |value| value.as_u64().filter(|number| range.contains(number)))
    }

    /// An array with as many elements as `range` allows.
    pub(crate) fn array(&self, name: &str, range: RangeInclusive<usize>, faults: &mut Faults) -> Option<&'v [Value]> {
        let (low, high) = (range.start(), range.end());
        let expected = format!("must be an array of {low} to {high} elements");
        self.read(name, &expected, faults, |value| {
            let elements = value.as_array()?.as_slice();
            range.contains(&elements.len()).then_some(elements)
        })
    }

    /// The pointer to a member.
    pub(crate) fn pointer(&self, name: &str) -> String {
        let token = name.replace('~', "~0").replace('/', "~1");
        let token = utf8_percent_encode(&token, RESERVED);
        format!("{}/{token}", self.pointer)
    }

    fn place(&self, name: &str) -> Place {
        Place::Pointer(self.pointer(name))
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        faults: &mut Faults,
        take: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.members.get(name) else {
            faults.add(self.place(name), "is required");
            return None;
        };
        let taken = take(value);
        if taken.is_none() {
            faults.add(self.place(name), expected);
        }
        taken
    }
}
