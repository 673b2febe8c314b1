//! `GET /events?count=N&interval_ms=M&topic=T`: a bounded stream of server-sent events.
//!
//! A browser's `EventSource` reconnects when a stream ends and says in `Last-Event-ID` what it had;
//! by the WHATWG HTML standard, 204 tells it that there is no more and to stay away.

use std::ops::RangeInclusive;
use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use lambda_http::{Request, Response};

use crate::body::Body;
use crate::event_stream::EventStream;
use crate::fault::{Faults, Place};
use crate::problem::Problem;
use crate::query::{Query, decimal};
use crate::reply;

const COUNT: RangeInclusive<u32> = 1..=100;
const INTERVAL_MS: RangeInclusive<u32> = 0..=5_000;
const TOPIC_LEN: RangeInclusive<usize> = 1..=64;

const DEFAULT_COUNT: u32 = 5;
const DEFAULT_INTERVAL_MS: u32 = 200;
const DEFAULT_TOPIC: &str = "tick";

const LAST_EVENT_ID: &str = "last-event-id";

// The longest stream ends before Lambda's limit of 15 minutes for one invocation.
const _: () = assert!(*COUNT.end() * *INTERVAL_MS.end() < 15 * 60 * 1_000);

/// What a client asks for; ids run from 1 to `count`.
struct Subscription {
    topic: String,
    count: u32,
    seen: u32,
    pause: Duration,
}

/// Streams the events after the last one the client has seen.
pub(crate) fn stream(request: &Request) -> Result<Response<Body>, Problem> {
    let wanted = Subscription::of(request)?;
    if wanted.seen >= wanted.count {
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    let ids = wanted.seen + 1..=wanted.count;
    let events = EventStream::new(wanted.topic, ids, wanted.pause);
    let mut response = Response::new(Body::Events(events));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

impl Subscription {
    fn of(request: &Request) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let subscription = Self::read(request, &mut faults);
        faults
            .check(subscription)
            .map_err(|faults| Problem::new(StatusCode::BAD_REQUEST, "the subscription is not valid").naming(faults))
    }

    fn read(request: &Request, faults: &mut Faults) -> Option<Self> {
        let names = ["count", "interval_ms", "topic"];
        let query = Query::of(request.uri(), &names, faults);
        let count = query.integer("count", COUNT, DEFAULT_COUNT, faults);
        let pause = query.integer("interval_ms", INTERVAL_MS, DEFAULT_INTERVAL_MS, faults);
        let topic = topic(&query, faults);
        let seen = last_event_id(request.headers(), faults);
        Some(Self { topic: topic?, count: count?, seen: seen?, pause: Duration::from_millis(pause?.into()) })
    }
}

/// Narrow on purpose: the topic names the event on the wire, where a line break ends the field.
fn topic(query: &Query<'_>, faults: &mut Faults) -> Option<String> {
    let topic = query.get("topic").unwrap_or(DEFAULT_TOPIC);
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if TOPIC_LEN.contains(&topic.len()) && topic.bytes().all(allowed) {
        return Some(topic.to_owned());
    }
    faults.add(Place::parameter("topic"), "must be 1 to 64 characters of a-z, 0-9 and -");
    None
}

/// The id the client saw last; 0, which no event has, for a first connection.
fn last_event_id(headers: &HeaderMap, faults: &mut Faults) -> Option<u32> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Some(0);
    };
    let id = value.to_str().ok().and_then(decimal);
    if id.is_none() {
        faults.add(Place::Header(LAST_EVENT_ID), "must be the id of an event of this stream");
    }
    id
}
