//! The query of a request, decoded by the WHATWG URL standard's `application/x-www-form-urlencoded`
//! parser. Only known names are taken, each once: a misspelt one would be ignored in silence.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use lambda_http::http::Uri;

use crate::fault::{Faults, Place};

/// The known parameters of a query.
pub(crate) struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    /// Notes every parameter that is not known or was given before.
    pub(crate) fn of(uri: &'q Uri, known: &[&str], faults: &mut Faults) -> Self {
        let mut query = Self(Vec::new());
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                faults.add(Place::parameter(name), "is not known");
            } else if query.get(&name).is_some() {
                faults.add(Place::parameter(name), "is given more than once");
            } else {
                query.0.push((name, value));
            }
        }
        query
    }

    /// The value of a parameter, if it was given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs.find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// A whole number within `range`, `default` if it was not given.
    pub(crate) fn integer(
        &self,
        name: &str,
        range: RangeInclusive<u32>,
        default: u32,
        faults: &mut Faults,
    ) -> Option<u32> {
        let Some(text) = self.get(name) else {
            return Some(default);
        };
        let number = decimal(text).filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = range.into_inner();
            faults.add(Place::parameter(name), format!("must be a whole number from {low} to {high}"));
        }
        number
    }
}

/// Digits only; `u32::from_str` alone would take a leading `+` too.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
