//! The body of a response. `http_body::Body` is what the Lambda runtime streams from: it sends one
//! chunk per frame, and asks for the next only when the last was taken.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use crate::event_stream::EventStream;

/// What a response carries.
#[derive(Debug)]
pub enum Body {
    /// Nothing, or nothing more.
    Empty,
    /// Bytes known beforehand, sent as one chunk.
    Whole(Bytes),
    /// Events, each sent as a chunk when it is due.
    Events(EventStream),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Body::Events(events) = &mut *self {
            return events.poll_next(cx).map_ok(Frame::data);
        }
        match std::mem::replace(&mut *self, Body::Empty) {
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ => Poll::Ready(None),
        }
    }
}
