//! What is tried again after which error of a compile. Each remedy is applied once: if the error comes back, it is
//! reported.

use crate::backend::{Backend, BackendError, BackendRequest, Seen, own_image, select};
use crate::cargo::Function;
use crate::compile::Compiled;
use crate::report::Reporter;

/// Compiles on `backend`; a retry may select another one.
///
/// # Errors
/// The crate does not compile, or the remedy did not help.
pub fn compile(
    request: &BackendRequest,
    functions: &[Function],
    backend: &mut Backend,
    seen: &Seen,
    report: &mut Reporter,
) -> Result<Compiled, BackendError> {
    let (mut new_container, mut new_image, mut waited, mut fetched, mut wipe) = (false, false, false, false, false);
    loop {
        let job = backend.job(request, functions, seen, wipe);
        match backend.compile(&job, report) {
            Ok(compiled) => return Ok(compiled),
            Err(BackendError::Container(what, _)) if !new_container => {
                new_container = true;
                report.note(&format!("{what}; creating it again and repeating the compile once"));
                backend.abandon().map_err(BackendError::Final)?;
            }
            Err(BackendError::Image(image, error)) if !new_image => {
                new_image = true;
                let Some(engine) = backend.engine() else { return Err(BackendError::Final(error)) };
                match own_image::discard(request, engine, &image, report) {
                    Ok(true) => {}
                    Ok(false) => return Err(BackendError::Final(error)),
                    Err(failure) => return Err(BackendError::Final(failure.into())),
                }
            }
            Err(BackendError::Engine(error)) if !waited => {
                waited = true;
                report.note(&format!("{error}, during the compile; waiting for it"));
                backend.wait_for_engine().map_err(BackendError::Final)?;
            }
            Err(BackendError::Cache(_)) if !wipe => {
                wipe = true;
                report.note(
                    "the target directory cannot be used; everything is compiled again, with an empty target directory",
                );
                continue;
            }
            // Cargo's cache belongs to the user, so cargo completes it. What was compiled from it is dropped.
            Err(BackendError::Downloads(error)) if request.config.force && !fetched => {
                (fetched, wipe) = (true, true);
                report.note(&format!("{error}; it is fetched again, and everything is compiled again"));
                request.workspace.fetch_again().map_err(BackendError::Final)?;
                continue;
            }
            Err(error) => return Err(error),
        }
        *backend = select::select(request, report).map_err(BackendError::Final)?;
    }
}
