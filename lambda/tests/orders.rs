//! Pricing an order, and every way of refusing one.

mod common;

use common::{header, named, problem, request, send};
use lambda_function::Body;
use lambda_http::Response;
use lambda_http::http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

async fn post(body: impl Into<lambda_http::Body>) -> Response<Body> {
    let request = request("POST", "/orders").header(CONTENT_TYPE, "application/json");
    send(request, body).await
}

/// An order that is valid, changed by `edit`.
fn order(edit: impl FnOnce(&mut Value)) -> String {
    let mut order = json!({
        "customer": "c-17",
        "currency": "EUR",
        "items": [
            {"sku": "TEA-100", "quantity": 3, "unit_price_cents": 450},
            {"sku": "CUP-2", "quantity": 1, "unit_price_cents": 1290},
        ],
    });
    edit(&mut order);
    order.to_string()
}

/// The pointers named by the refusal of such an order.
async fn refused(edit: impl FnOnce(&mut Value)) -> Vec<String> {
    let response = post(order(edit)).await;
    assert_eq!(response.status(), 422);
    let problem = problem(response).await;
    let pointers = named(&problem, "pointer");
    pointers.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_order_is_answered_with_its_totals() {
    let response = post(order(|_| ())).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, CONTENT_TYPE), "application/json");
    assert_eq!(
        common::json(response).await,
        json!({
            "customer": "c-17",
            "currency": "EUR",
            "items": [
                {"sku": "TEA-100", "quantity": 3, "unit_price_cents": 450, "total_cents": 1350},
                {"sku": "CUP-2", "quantity": 1, "unit_price_cents": 1290, "total_cents": 1290},
            ],
            "total_cents": 2640,
        })
    );
}

#[tokio::test]
async fn the_largest_order_is_exact() {
    let item = json!({"sku": "x", "quantity": 1_000, "unit_price_cents": 10_000_000});
    let body = order(|order| order["items"] = vec![item; 50].into());
    let priced = common::json(post(body).await).await;
    assert_eq!(priced["total_cents"], 500_000_000_000_u64);
}

#[tokio::test]
async fn values_at_their_bounds_are_taken() {
    let body = order(|order| {
        order["customer"] = json!("c".repeat(64));
        order["items"][0] = json!({"sku": "s", "quantity": 1, "unit_price_cents": 0});
        order["items"][1]["sku"] = json!("Z-9".repeat(10) + "az");
    });
    assert_eq!(post(body).await.status(), 200);
    let pointers = refused(|order| order["items"][1]["sku"] = json!("s".repeat(33))).await;
    assert_eq!(pointers, ["#/items/1/sku"]);
}

#[tokio::test]
async fn bytes_are_taken_as_text_is() {
    let response = post(order(|_| ()).into_bytes()).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn json_is_known_by_its_media_type_alone() {
    for media_type in ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"] {
        let request = request("POST", "/orders").header(CONTENT_TYPE, media_type);
        let response = send(request, order(|_| ())).await;
        assert_eq!(response.status(), 200, "{media_type}");
    }
}

#[tokio::test]
async fn any_other_media_type_is_refused() {
    for media_type in ["", "text/plain", "application/jsonx", "application"] {
        let request = request("POST", "/orders").header(CONTENT_TYPE, media_type);
        let response = send(request, order(|_| ())).await;
        assert_eq!(response.status(), 415, "{media_type:?}");
        assert_eq!(header(&response, ACCEPT), "application/json");
        problem(response).await;
    }
    let response = send(request("POST", "/orders"), order(|_| ())).await;
    assert_eq!(response.status(), 415);
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_limit() {
    const LIMIT: usize = 16 * 1024;
    let body = order(|_| ());
    let padding = " ".repeat(LIMIT - body.len());
    assert_eq!(post(format!("{padding}{body}")).await.status(), 200);
    let response = post(format!(" {padding}{body}")).await;
    assert_eq!(response.status(), 413);
    problem(response).await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let too_deep = "[".repeat(1_000);
    for body in ["", "{", "{}x", "{'a':1}", "NaN", "1e999", &too_deep] {
        let response = post(body).await;
        assert_eq!(response.status(), 400, "{body:?}");
        problem(response).await;
    }
    assert_eq!(post(&b"\"\xff\""[..]).await.status(), 400);
}

#[tokio::test]
async fn json_that_is_no_object_is_no_order() {
    for body in ["null", "[]", "1", "\"order\""] {
        let response = post(body).await;
        assert_eq!(response.status(), 422, "{body}");
        assert_eq!(named(&problem(response).await, "pointer"), ["#"]);
    }
}

#[tokio::test]
async fn every_missing_field_is_named() {
    let pointers = refused(|order| *order = json!({})).await;
    assert_eq!(pointers, ["#/customer", "#/currency", "#/items"]);
    let pointers = refused(|order| order["items"][1] = json!({})).await;
    assert_eq!(pointers, ["#/items/1/sku", "#/items/1/quantity", "#/items/1/unit_price_cents"]);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_or_range_is_named() {
    let strings = [json!(1), json!(null), json!(""), json!("a b"), json!("é"), json!("a".repeat(65))];
    for value in &strings {
        let pointers = refused(|order| order["customer"] = value.clone()).await;
        assert_eq!(pointers, ["#/customer"], "{value}");
        let pointers = refused(|order| order["items"][0]["sku"] = value.clone()).await;
        assert_eq!(pointers, ["#/items/0/sku"], "{value}");
    }
    for value in [json!("eur"), json!("CHF"), json!(978)] {
        let pointers = refused(|order| order["currency"] = value.clone()).await;
        assert_eq!(pointers, ["#/currency"], "{value}");
    }
    for value in [json!(0), json!(1_001), json!(-1), json!(1.5), json!("1")] {
        let pointers = refused(|order| order["items"][0]["quantity"] = value.clone()).await;
        assert_eq!(pointers, ["#/items/0/quantity"], "{value}");
    }
    for value in [json!(-1), json!(10_000_001), json!(true)] {
        let pointers = refused(|order| order["items"][1]["unit_price_cents"] = value.clone()).await;
        assert_eq!(pointers, ["#/items/1/unit_price_cents"], "{value}");
    }
}

#[tokio::test]
async fn items_are_an_array_of_one_to_fifty_objects() {
    let item = json!({"sku": "x", "quantity": 1, "unit_price_cents": 0});
    for items in [json!([]), json!({}), json!(vec![item; 51])] {
        let pointers = refused(|order| order["items"] = items.clone()).await;
        assert_eq!(pointers, ["#/items"]);
    }
    let pointers = refused(|order| order["items"][0] = json!("x")).await;
    assert_eq!(pointers, ["#/items/0"]);
}

#[tokio::test]
async fn an_unknown_field_is_named_by_a_pointer_that_leads_to_it() {
    let pointers = refused(|order| order["a/b~c d%"] = json!(1)).await;
    assert_eq!(pointers, ["#/a~1b~0c%20d%25"]);
    let pointers = refused(|order| order["items"][1]["discount"] = json!(1)).await;
    assert_eq!(pointers, ["#/items/1/discount"]);
}

#[tokio::test]
async fn every_fault_is_named_in_one_answer() {
    let pointers = refused(|order| {
        order["note"] = json!("soon");
        order["currency"] = json!("XTS");
        order["items"][0]["quantity"] = json!(0);
        order["items"][1]["sku"] = json!("");
    })
    .await;
    assert_eq!(pointers, ["#/note", "#/currency", "#/items/0/quantity", "#/items/1/sku"]);
}
