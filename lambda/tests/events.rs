//! The stream of server-sent events, frame by frame, in tokio's paused time.

mod common;

use std::time::Duration;

use common::{bytes, get, header, named, problem, request, send};
use http_body_util::BodyExt;
use lambda_function::Body;
use lambda_http::Response;
use lambda_http::http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::time::Instant;

/// One frame of a body, and when it came.
struct Chunk {
    at: Duration,
    text: String,
}

impl Chunk {
    /// The id, the event's name and its data, if the chunk is exactly one event.
    fn event(&self) -> (&str, &str, Value) {
        let text = self.text.strip_suffix("\n\n").expect("an event's end");
        let lines: Vec<_> = text.split('\n').collect();
        let [id, event, data] = lines[..] else { panic!("not three lines: {text:?}") };
        let data = data.strip_prefix("data: ").expect("data");
        (
            id.strip_prefix("id: ").expect("id"),
            event.strip_prefix("event: ").expect("event"),
            serde_json::from_str(data).expect("JSON data"),
        )
    }
}

async fn chunks(response: Response<Body>) -> Vec<Chunk> {
    let start = Instant::now();
    let mut body = response.into_body();
    let mut chunks = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.expect("a frame").into_data().expect("data");
        let text = String::from_utf8(data.to_vec()).expect("UTF-8");
        let at = start.elapsed();
        chunks.push(Chunk { at, text });
    }
    chunks
}

fn ids(chunks: &[Chunk]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk.event().0).collect()
}

async fn resume(target: &str, last_event_id: &str) -> Response<Body> {
    let request = request("GET", target).header("Last-Event-ID", last_event_id);
    send(request, ()).await
}

#[tokio::test(start_paused = true)]
async fn each_event_is_a_chunk_of_its_own_when_it_is_due() {
    let response = get("/events?count=3&interval_ms=250&topic=orders-eu").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, CONTENT_TYPE), "text/event-stream");
    let chunks = chunks(response).await;
    assert_eq!(chunks.len(), 3);
    for (sequence, chunk) in (1..).zip(&chunks) {
        let data = json!({"topic": "orders-eu", "sequence": sequence, "last": 3});
        let id = sequence.to_string();
        assert_eq!(chunk.event(), (id.as_str(), "orders-eu", data));
    }
    let times: Vec<_> = chunks.iter().map(|chunk| chunk.at.as_millis()).collect();
    assert_eq!(times, [0, 250, 500]);
}

#[tokio::test(start_paused = true)]
async fn an_event_on_the_wire() {
    let chunks = chunks(get("/events?count=1").await).await;
    assert_eq!(chunks[0].text, "id: 1\nevent: tick\ndata: {\"topic\":\"tick\",\"sequence\":1,\"last\":1}\n\n");
}

#[tokio::test(start_paused = true)]
async fn defaults_are_five_events_two_hundred_milliseconds_apart() {
    let chunks = chunks(get("/events").await).await;
    assert_eq!(ids(&chunks), ["1", "2", "3", "4", "5"]);
    assert_eq!(chunks[4].at, Duration::from_millis(800));
}

#[tokio::test(start_paused = true)]
async fn no_interval_is_no_pause_and_still_a_chunk_each() {
    let chunks = chunks(get("/events?count=100&interval_ms=0").await).await;
    assert_eq!(chunks.len(), 100);
    assert_eq!(chunks[99].at, Duration::ZERO);
    assert_eq!(chunks[99].event().0, "100");
}

#[tokio::test(start_paused = true)]
async fn the_longest_stream_fits_into_an_invocation() {
    let chunks = chunks(get("/events?count=100&interval_ms=5000").await).await;
    assert_eq!(chunks[99].at, Duration::from_secs(495));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_no_burst() {
    let mut body = get("/events?count=4&interval_ms=100").await.into_body();
    body.frame().await;
    tokio::time::advance(Duration::from_millis(350)).await;
    body.frame().await;
    let late = Instant::now();
    body.frame().await;
    assert_eq!(late.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_client_continues_after_the_last_event_it_has() {
    let chunks = chunks(resume("/events?count=5&interval_ms=100", "3").await).await;
    assert_eq!(ids(&chunks), ["4", "5"]);
    assert_eq!(chunks[0].at, Duration::ZERO);
    assert_eq!(chunks[0].event().2["last"], 5);
}

#[tokio::test]
async fn a_client_that_has_all_is_told_not_to_come_back() {
    for last_event_id in ["5", "6", "4294967295"] {
        let response = resume("/events?count=5", last_event_id).await;
        assert_eq!(response.status(), 204);
        assert!(bytes(response).await.is_empty());
    }
}

#[tokio::test]
async fn a_last_event_id_of_another_making_is_refused() {
    for last_event_id in ["", "x", "-1", "+1", "1.0", " 1 2", "4294967296"] {
        let response = resume("/events", last_event_id).await;
        assert_eq!(response.status(), 400, "{last_event_id:?}");
        let problem = problem(response).await;
        assert_eq!(named(&problem, "header"), ["last-event-id"]);
    }
}

#[tokio::test]
async fn values_at_their_bounds_are_taken() {
    let longest = "a".repeat(64);
    for query in [
        "count=1",
        "count=100",
        "interval_ms=0",
        "interval_ms=5000",
        "topic=x",
        "topic=a-0%2D9",
        &format!("topic={longest}"),
        "",
    ] {
        let response = get(&format!("/events?{query}")).await;
        assert_eq!(response.status(), 200, "{query}");
    }
}

#[tokio::test]
async fn values_beyond_their_bounds_are_refused_by_name() {
    let too_long = format!("topic={}", "a".repeat(65));
    for (query, name) in [
        ("count=0", "count"),
        ("count=101", "count"),
        ("count=", "count"),
        ("count=-1", "count"),
        ("count=%2B5", "count"),
        ("count=five", "count"),
        ("count=99999999999999999999", "count"),
        ("interval_ms=5001", "interval_ms"),
        ("interval_ms=1.5", "interval_ms"),
        ("topic=", "topic"),
        ("topic=Orders", "topic"),
        ("topic=a%0Adata:%20x", "topic"),
        ("topic=caf%C3%A9", "topic"),
        (&too_long, "topic"),
        ("count=1&count=2", "count"),
        ("cuont=1", "cuont"),
    ] {
        let response = get(&format!("/events?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let problem = problem(response).await;
        assert_eq!(named(&problem, "parameter"), [name], "{query}");
    }
}

#[tokio::test]
async fn every_fault_is_named_in_one_answer() {
    let response = resume("/events?count=0&interval_ms=9999&topic=!&x=1", "?").await;
    let problem = problem(response).await;
    let parameters = named(&problem, "parameter");
    assert_eq!(parameters, ["x", "count", "interval_ms", "topic"]);
    assert_eq!(named(&problem, "header"), ["last-event-id"]);
}
