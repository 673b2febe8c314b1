//! What is wrong with a request, and where: the entries of a problem's `errors`, shaped like the
//! example of RFC 9457, section 3.

use serde::Serialize;

/// One fault.
#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    detail: String,
    #[serde(flatten)]
    place: Place,
}

/// The part of the request at fault.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// A JSON Pointer into the body, in the form of a URI fragment (RFC 6901, section 6).
    Pointer(String),
    /// The name of a query parameter.
    Parameter(String),
    /// The name of a header.
    Header(&'static str),
}

impl Place {
    pub(crate) fn parameter(name: impl Into<String>) -> Self {
        Self::Parameter(name.into())
    }
}

/// Every fault of a request, so that one answer names them all.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, place: Place, detail: impl Into<String>) {
        let detail = detail.into();
        self.0.push(Fault { detail, place });
    }

    /// The value that was read, if reading it found no fault. Who reads `None` has added a fault.
    pub(crate) fn check<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}
