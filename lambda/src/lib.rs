//! An HTTP function for AWS Lambda, made to sit behind a function URL with response streaming.
//!
//! | route          | answer                                                               |
//! |----------------|----------------------------------------------------------------------|
//! | `GET /health`  | JSON: that the function answers, and its version                     |
//! | `GET /events`  | `text/event-stream`: a bounded, resumable stream, one chunk per event |
//! | `POST /orders` | JSON: the order with its totals, or a problem naming each fault      |
//!
//! [`handle`] is the whole of it: a request in, a response out, no Lambda needed to call it.

mod body;
mod event_stream;
mod events;
mod fault;
mod fields;
mod health;
mod orders;
mod problem;
mod query;
mod reply;
mod routes;

pub use body::Body;
pub use event_stream::EventStream;
pub use routes::handle;
