//! `POST /orders`: prices an order. Nothing is stored, so the answer is 200 and not 201.
//!
//! Refusals by RFC 9110, section 15.5: 415 for a body that is not called JSON, 413 for one that is
//! too long, 400 for one that is not JSON, 422 for JSON that is no order.

use std::ops::RangeInclusive;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use lambda_http::{Request, Response};
use serde::Serialize;
use serde_json::Value;

use crate::body::Body;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::problem::Problem;
use crate::reply;

/// Room for a full order. Lambda itself lets 6 MB in, far more than an order has to say.
const MAX_BODY_BYTES: usize = 16 * 1024;

const ITEMS: RangeInclusive<usize> = 1..=50;
const QUANTITY: RangeInclusive<u64> = 1..=1_000;
const UNIT_PRICE_CENTS: RangeInclusive<u64> = 0..=10_000_000;

// The largest total is a number every JSON reader keeps exact (RFC 8259, section 6).
const _: () = assert!(*ITEMS.end() as u64 * *QUANTITY.end() * *UNIT_PRICE_CENTS.end() < 1 << 53);

/// An order free of faults, with its total.
#[derive(Serialize)]
struct Order<'v> {
    customer: &'v str,
    currency: &'v str,
    items: Vec<Item<'v>>,
    total_cents: u64,
}

#[derive(Serialize)]
struct Item<'v> {
    sku: &'v str,
    quantity: u64,
    unit_price_cents: u64,
    total_cents: u64,
}

/// Answers the order with the total of each item and of all.
pub(crate) fn price(request: &Request) -> Result<Response<Body>, Problem> {
    expect_json(request.headers())?;
    let body = parse(request.body())?;
    let order = Order::of(&body)?;
    Ok(reply::ok(&order))
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    const JSON: &str = "application/json";
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    // Parameters are ignored: JSON defines none (RFC 8259, section 11).
    let essence = value.and_then(|v| v.split(';').next()).unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    let detail = format!("the content type must be {JSON}");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).with_header(ACCEPT, JSON))
}

fn parse(body: &[u8]) -> Result<Value, Problem> {
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("the body may have {MAX_BODY_BYTES} bytes at most");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the body is not JSON: {error}");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

impl<'v> Order<'v> {
    fn of(body: &'v Value) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let order = Self::read(body, &mut faults);
        faults.check(order).map_err(|faults| {
            let detail = "the order is not valid";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).naming(faults)
        })
    }

    fn read(body: &'v Value, faults: &mut Faults) -> Option<Self> {
        let names = ["customer", "currency", "items"];
        let fields = Fields::of(body, "#".to_owned(), &names, faults)?;
        let customer = fields.text(
            "customer",
            "must be 1 to 64 characters of a-z, A-Z, 0-9 and -",
            |text| is_code(text, 64),
            faults,
        );
        let currency =
            fields.text("currency", "must be EUR, GBP or USD", |text| matches!(text, "EUR" | "GBP" | "USD"), faults);
        let items = Item::read_all(&fields, faults)?;
        Some(Self {
            customer: customer?,
            currency: currency?,
            total_cents: items.iter().map(|item| item.total_cents).sum(),
            items,
        })
    }
}

impl<'v> Item<'v> {
    /// A faulty item is left out and its siblings still read: its faults refuse the order anyway.
    fn read_all(order: &Fields<'v>, faults: &mut Faults) -> Option<Vec<Self>> {
        let items = order.array("items", ITEMS, faults)?;
        let pointer = order.pointer("items");
        let read = |(index, item)| Self::read(item, format!("{pointer}/{index}"), faults);
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    fn read(item: &'v Value, pointer: String, faults: &mut Faults) -> Option<Self> {
        let names = ["sku", "quantity", "unit_price_cents"];
        let fields = Fields::of(item, pointer, &names, faults)?;
        let sku =
            fields.text("sku", "must be 1 to 32 characters of a-z, A-Z, 0-9 and -", |text| is_code(text, 32), faults);
        let quantity = fields.integer("quantity", QUANTITY, faults);
        let unit_price_cents = fields.integer("unit_price_cents", UNIT_PRICE_CENTS, faults);
        let (sku, quantity, unit_price_cents) = (sku?, quantity?, unit_price_cents?);
        Some(Self { sku, quantity, unit_price_cents, total_cents: quantity * unit_price_cents })
    }
}

fn is_code(text: &str, max_len: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=max_len).contains(&text.len()) && text.bytes().all(allowed)
}
