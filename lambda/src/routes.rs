//! Which request gets which answer. What HEAD, OPTIONS, 404 and 405 mean is RFC 9110's, sections
//! 9.3 and 15.5. CORS is the function URL's: where it is configured there, Lambda answers the
//! preflights itself.

use std::convert::Infallible;

use lambda_http::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Request, Response};

use crate::body::Body;
use crate::problem::Problem;
use crate::{events, health, orders, reply};

#[derive(Clone, Copy)]
enum Resource {
    Health,
    Events,
    Orders,
}

impl Resource {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/health" => Some(Self::Health),
            "/events" => Some(Self::Events),
            "/orders" => Some(Self::Orders),
            _ => None,
        }
    }

    /// The value of `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Health | Self::Events => "GET, HEAD, OPTIONS",
            Self::Orders => "POST, OPTIONS",
        }
    }
}

/// Answers a request. Whatever is wrong with it is an answer too, so this never fails.
///
/// # Errors
///
/// None; `Result` is what a service of the Lambda runtime returns.
pub async fn handle(request: Request) -> Result<Response<Body>, Infallible> {
    let mut response = route(&request).unwrap_or_else(Problem::into_response);
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
    // Every answer is made for its request; none is worth keeping.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    tracing::info!(
        method = %request.method(),
        path = request.uri().path(),
        status = response.status().as_u16(),
    );
    Ok(response)
}

fn route(request: &Request) -> Result<Response<Body>, Problem> {
    let resource = Resource::at(request.uri().path())
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "nothing is at this path"))?;
    match (resource, request.method()) {
        (_, &Method::OPTIONS) => Ok(options(resource)),
        (Resource::Health, &Method::GET | &Method::HEAD) => Ok(health::show()),
        (Resource::Events, &Method::GET | &Method::HEAD) => events::stream(request),
        (Resource::Orders, &Method::POST) => orders::price(request),
        _ => Err(method_not_allowed(resource)),
    }
}

fn options(resource: Resource) -> Response<Body> {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(resource.methods()));
    response
}

fn method_not_allowed(resource: Resource) -> Problem {
    let methods = resource.methods();
    let detail = format!("this path answers {methods}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_header(ALLOW, methods)
}
