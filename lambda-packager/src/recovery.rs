//! What is tried again after which fault of a compile. Each remedy is applied once: a fault that comes
//! back after it is an error.

use crate::builder::compile::{Compiled, Trust};
use crate::cache::snapshot::Snapshot;
use crate::error::Result;
use crate::event::{Event, Reporter};
use crate::road::{self, Fault, Road, Traveller};
use crate::workspace::Function;

/// Compiles on `road`, or on the one that took its place when this returns.
///
/// # Errors
/// The crate's own, or the fault that its remedy did not mend.
pub(crate) fn compile(
    traveller: &Traveller,
    function: &Function,
    mut road: Road,
    trust: &Trust,
    inputs: &Snapshot,
    report: &mut Reporter,
) -> Result<(Road, Compiled)> {
    let (mut new_container, mut waited, mut fetched, mut wipe) = (false, false, false, false);
    let announce = |report: &mut Reporter, message: &str| report.tell(&Event::Announced { message });
    loop {
        let order = road.order(traveller, function, (trust, inputs), wipe);
        match road.compile(&order, report) {
            Ok(compiled) => return Ok((road, compiled)),
            Err(Fault::Container(what, _)) if !new_container => {
                new_container = true;
                announce(report, &format!("{what}; it is made anew and the compile tried once more"));
                road.abandon()?;
            }
            Err(Fault::Engine(error)) if !waited => {
                waited = true;
                announce(report, &format!("{error}, in the middle of a compile; waiting for it"));
                road.wait_for_engine()?;
            }
            Err(Fault::Cache(_)) if !wipe => {
                wipe = true;
                announce(
                    report,
                    "what was compiled before cannot be used; everything is compiled once more from nothing",
                );
                continue;
            }
            // Cargo's own cache is its user's: it is asked to complete it. What this project made of it goes.
            Err(Fault::Downloads(error)) if traveller.config.force && !fetched => {
                (fetched, wipe) = (true, true);
                announce(report, &format!("{error}; it is fetched again, and what was compiled here compiled anew"));
                traveller.workspace.fetch_again(traveller.config.target_arch)?;
                continue;
            }
            Err(
                Fault::Downloads(error)
                | Fault::Final(error)
                | Fault::Container(_, error)
                | Fault::Engine(error)
                | Fault::Cache(error),
            ) => {
                return Err(error);
            }
        }
        road = road::choose(traveller, report)?;
    }
}
