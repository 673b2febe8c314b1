//! Errors as problem documents (RFC 9457). The type is always `about:blank`, "no more than the
//! status says", so the title is the status's own phrase; `detail` and `errors` say the rest.

use lambda_http::Response;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::body::Body;
use crate::fault::Fault;
use crate::reply;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<Fault>,
    header: Option<(HeaderName, &'static str)>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), header: None }
    }

    /// Names the parts of the request at fault.
    pub(crate) fn naming(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    /// Sets the header the status calls for.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        let mut response = reply::json(self.status, "application/problem+json", &document);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
