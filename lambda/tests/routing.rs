//! Which path and method get which answer.

mod common;

use common::{bytes, get, header, json, problem, request, send};
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};

#[tokio::test]
async fn health_says_ok_and_the_version() {
    let response = get("/health").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, CONTENT_TYPE), "application/json");
    let health = json(response).await;
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn an_unknown_path_is_not_found_for_any_method() {
    for path in ["/", "/healthy", "/health/", "/orders/1"] {
        for method in ["GET", "POST", "OPTIONS"] {
            let response = send(request(method, path), ()).await;
            assert_eq!(response.status(), 404, "{method} {path}");
            let problem = problem(response).await;
            assert_eq!(problem.get("errors"), None, "no field is at fault");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    for (method, path, allow) in [
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/events", "GET, HEAD, OPTIONS"),
        ("GET", "/orders", "POST, OPTIONS"),
        ("BREW", "/orders", "POST, OPTIONS"),
    ] {
        let response = send(request(method, path), ()).await;
        assert_eq!(response.status(), 405, "{method} {path}");
        assert_eq!(header(&response, ALLOW), allow);
        problem(response).await;
    }
}

#[tokio::test]
async fn options_names_the_methods() {
    for (path, allow) in
        [("/health", "GET, HEAD, OPTIONS"), ("/events", "GET, HEAD, OPTIONS"), ("/orders", "POST, OPTIONS")]
    {
        let response = send(request("OPTIONS", path), ()).await;
        assert_eq!(response.status(), 204);
        assert_eq!(header(&response, ALLOW), allow);
        assert!(bytes(response).await.is_empty());
    }
}

#[tokio::test]
async fn head_answers_as_get_does_without_the_body() {
    for target in ["/health", "/events", "/events?count=0", "/nowhere"] {
        let as_get = get(target).await;
        let as_head = send(request("HEAD", target), ()).await;
        assert_eq!(as_head.status(), as_get.status(), "{target}");
        assert_eq!(as_head.headers(), as_get.headers(), "{target}");
        assert!(bytes(as_head).await.is_empty(), "{target}");
    }
    assert_eq!(send(request("HEAD", "/orders"), ()).await.status(), 405);
}

#[tokio::test]
async fn nothing_is_to_be_stored() {
    for target in ["/health", "/events", "/orders", "/nowhere"] {
        let response = get(target).await;
        assert_eq!(header(&response, CACHE_CONTROL), "no-store", "{target}");
    }
}
