//! What the tests share: requests through the router, and bodies read to their end.
#![allow(dead_code)] // each test binary uses its part

use http_body_util::BodyExt;
use lambda_function::{Body, handle};
use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::http::request::Builder;
use lambda_http::http::{self, HeaderName};
use lambda_http::{Request, Response};
use serde_json::Value;

/// A request to a function URL, still to be given its body.
pub fn request(method: &str, target: &str) -> Builder {
    let uri = format!("https://abc.lambda-url.eu-central-1.on.aws{target}");
    http::Request::builder().method(method).uri(uri)
}

pub async fn send(request: Builder, body: impl Into<lambda_http::Body>) -> Response<Body> {
    answer(request.body(body.into()).expect("a valid request")).await
}

pub async fn answer(request: Request) -> Response<Body> {
    match handle(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

pub async fn get(target: &str) -> Response<Body> {
    send(request("GET", target), ()).await
}

pub fn header(response: &Response<Body>, name: HeaderName) -> &str {
    let value = response.headers().get(&name);
    let value = value.unwrap_or_else(|| panic!("no header {name}"));
    value.to_str().expect("a printable header")
}

pub async fn bytes(response: Response<Body>) -> Vec<u8> {
    let body = response.into_body().collect().await;
    body.expect("a whole body").to_bytes().to_vec()
}

pub async fn json(response: Response<Body>) -> Value {
    serde_json::from_slice(&bytes(response).await).expect("a JSON body")
}

/// The body of a problem whose media type and status member are as they should be.
pub async fn problem(response: Response<Body>) -> Value {
    assert_eq!(header(&response, CONTENT_TYPE), "application/problem+json");
    let status = response.status();
    let problem = json(response).await;
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["title"], status.canonical_reason().expect("known"));
    assert!(problem["detail"].is_string());
    problem
}

/// What `errors` names under `kind` ("pointer", "parameter", "header"), in order.
pub fn named<'p>(problem: &'p Value, kind: &str) -> Vec<&'p str> {
    let errors = problem["errors"].as_array().expect("errors");
    assert!(errors.iter().all(|error| error["detail"].is_string()));
    errors.iter().filter_map(|e| e[kind].as_str()).collect()
}
