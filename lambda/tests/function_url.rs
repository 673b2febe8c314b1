//! The events Lambda sends for a function URL (API Gateway's payload format 2.0), as the runtime
//! reads them. Their files do as well for `cargo lambda invoke --data-file`.

mod common;

use common::{answer, bytes, json};
use lambda_function::Body;
use lambda_http::{Response, request};

async fn invoke(event: &str) -> Response<Body> {
    answer(request::from_str(event).expect("an event of a function URL")).await
}

#[tokio::test]
async fn the_path_is_routed() {
    let response = invoke(include_str!("data/health.json")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(json(response).await["status"], "ok");
}

#[tokio::test(start_paused = true)]
async fn the_query_and_the_headers_are_read() {
    let response = invoke(include_str!("data/events.json")).await;
    assert_eq!(response.status(), 200);
    let text = String::from_utf8(bytes(response).await).expect("UTF-8");
    assert!(text.starts_with("id: 2\nevent: orders\n"), "{text}");
    assert_eq!(text.matches("\n\n").count(), 2);
}

#[tokio::test]
async fn a_body_in_base64_is_decoded() {
    let response = invoke(include_str!("data/order.json")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(json(response).await["total_cents"], 1350);
}
