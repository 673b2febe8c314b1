//! `GET /health`: for monitors. That it answers is the news; the version says which build did.

use lambda_http::Response;
use serde::Serialize;

use crate::body::Body;
use crate::reply;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// Says that the function is up.
pub(crate) fn show() -> Response<Body> {
    reply::ok(&Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}
