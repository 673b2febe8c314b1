//! Responses whose body is known. No `content-length`: a streamed response is framed by its chunks.

use lambda_http::Response;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::body::Body;

/// A 200 with a JSON body.
pub(crate) fn ok(body: &impl Serialize) -> Response<Body> {
    json(StatusCode::OK, "application/json", body)
}

/// A JSON body of the given media type.
pub(crate) fn json(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(Body::Whole(bytes.into()));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a response could not be written as JSON");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// No body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}
