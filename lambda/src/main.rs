//! The process Lambda starts: a global allocator, a log, and the runtime's loop around the router.

mod log;

use lambda_function::handle;
use lambda_http::{Error, run_with_streaming_response, service_fn};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

// An execution environment serves one request at a time, so worker threads would only idle.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    run_with_streaming_response(service_fn(handle)).await
}
