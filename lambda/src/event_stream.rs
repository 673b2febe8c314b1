//! A paced stream of server-sent events, in the wire format of the WHATWG HTML standard, section
//! 9.2 "Server-sent events".

use std::ops::RangeInclusive;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The events of one topic, numbered by their ids; the first is due at once.
#[derive(Debug)]
pub struct EventStream {
    topic: String,
    ids: RangeInclusive<u32>,
    pace: Option<Interval>,
}

/// The JSON an event carries.
#[derive(Serialize)]
struct Data<'a> {
    topic: &'a str,
    sequence: u32,
    last: u32,
}

impl EventStream {
    /// Needs a tokio runtime with its timer, as every tokio interval does.
    pub(crate) fn new(topic: String, ids: RangeInclusive<u32>, pause: Duration) -> Self {
        Self { topic, ids, pace: pace(pause) }
    }

    /// The next event once it is due, `None` after the last.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<serde_json::Result<Bytes>>> {
        if self.ids.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(cx));
        }
        let last = *self.ids.end();
        let event = self.ids.next().map(|id| self.event(id, last));
        Poll::Ready(event)
    }

    /// One data line is enough and exact: JSON written compactly has no line break, and neither a
    /// topic nor a number has anything to escape.
    fn event(&self, id: u32, last: u32) -> serde_json::Result<Bytes> {
        let topic = self.topic.as_str();
        let data = serde_json::to_string(&Data { topic, sequence: id, last })?;
        Ok(format!("id: {id}\nevent: {topic}\ndata: {data}\n\n").into())
    }
}

/// No interval for no pause: tokio's may not be zero.
fn pace(pause: Duration) -> Option<Interval> {
    if pause.is_zero() {
        return None;
    }
    let mut pace = interval(pause);
    // A reader that was slow gets the next events spaced as asked, not in a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(pace)
}
