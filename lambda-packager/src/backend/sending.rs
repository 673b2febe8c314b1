//! Brings the sources to the place where a backend compiles, with what is recorded of them.

use std::collections::BTreeSet;
use std::mem;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

use crate::backend::identity::lock_of_compile;
use crate::backend::selected::in_container;
use crate::backend::{Backend, BackendKind};
use crate::compile;
use crate::compile::{CompileError, CompileJob, Delivery, STATE, Sent, UNPACKED, USER, delivery, mounted, sources};
use crate::error::{Error, Result};
use crate::report::Reporter;
use crate::sys::{Input, Lock};

impl Backend {
    /// Makes the sources in the container those of `job`, without a compile.
    pub fn bring(&self, job: &CompileJob, report: &mut Reporter) -> Result<()> {
        let BackendKind::Container { engine, ready, .. } = &self.kind else { return Ok(()) };
        let brought = self.with_sources(
            job,
            &ready.name,
            ready.is_new.take(),
            report,
            |delivery, _| {
                let inner = vec!["true".to_string()];
                let (command, input) =
                    compile::with_delivery(job, delivery, STATE, Some(USER), inner).map_err(CompileError::Crate)?;
                let call = in_container(engine, ready, &[], &[], &self.with_its_toolchain(command)?);
                let output = engine.transfer(&call, Some(input)).map_err(|e| CompileError::Ended(e.into()))?;
                match output.code {
                    0 => Ok(()),
                    compile::OTHER_SOURCES => Err(CompileError::OtherSources),
                    compile::NO_TAR => Err(CompileError::NoTar),
                    mounted::OTHER_TOOLCHAIN => Err(CompileError::Crate(mounted::other_toolchain())),
                    code => Err(CompileError::Ended(
                        Error::engine(format!(
                            "the sources cannot be sent to the container {} (status {code})",
                            ready.name
                        ))
                        .source(output.stderr_text()),
                    )),
                }
            },
            |()| BTreeSet::new(),
        );
        brought.map_err(Error::from)
    }

    /// `command`, which runs in the container, if the toolchain there is the one that the fingerprint has.
    pub(super) fn with_its_toolchain(&self, command: Vec<String>) -> Result<Vec<String>, CompileError> {
        let Some(toolchain) = &self.toolchain else { return Ok(command) };
        mounted::checked(toolchain, &self.toolchain_mounts, command).map_err(CompileError::Crate)
    }

    /// Calls `send` with what has to be sent so that exactly the sources of `job` stand beside the target directory `name`.
    pub(super) fn with_sources<T>(
        &self,
        job: &CompileJob,
        name: &str,
        mut is_new: bool,
        report: &mut Reporter,
        send: impl Fn(&Delivery, &mut Reporter) -> Result<T, CompileError>,
        read_outside: impl Fn(&T) -> BTreeSet<PathBuf>,
    ) -> Result<T, CompileError> {
        let record = job.workspace.state_folder().join(format!("{name}.sent"));
        let lock = Lock::acquire(&lock_of_compile(job.workspace, name), |holder| report.waiting_for(holder));
        let _lock = lock.map_err(CompileError::Crate)?;
        let sources_of =
            |report: &mut Reporter| sources::of(job, self.forwarded.as_ref(), report).map_err(CompileError::Crate);
        // With many files, each of the two takes its time.
        let (mut before, mut sources) = thread::scope(|scope| {
            let load = || if is_new || begins_empty(job) { None } else { Sent::load(&record, &job.layout.workspace) };
            let before = scope.spawn(load);
            let sources = sources_of(report);
            (before.join().unwrap_or_else(|panic| resume_unwind(panic)), Some(sources))
        });
        let mut others = if is_new { Sent::load(&record, &job.layout.workspace) } else { None };
        let mut all = false;
        loop {
            let sources = sources.take().unwrap_or_else(|| sources_of(report))?;
            let mut delivery = delivery::of(job, sources, before.as_ref(), is_new).map_err(CompileError::Crate)?;
            // What was the reason in an attempt whose sources were not accepted still is one.
            delivery.anew.all |= all;
            all = delivery.anew.all;
            // While it is sent: a record of anything else than what is there is found out.
            let (stored, mut result) = thread::scope(|scope| {
                let stored = scope.spawn(|| delivery.sent.store(&record));
                let result = send(&delivery, report);
                (stored.join().unwrap_or_else(|panic| resume_unwind(panic)), result)
            });
            stored.map_err(CompileError::Crate)?;
            if let (Err(CompileError::NoTar), Some((engine, ready))) = (&result, self.container()) {
                let place = format!("{STATE}/{UNPACKED}");
                let archive = mem::take(&mut delivery.archive);
                let input = Input::Written(Box::new(move |out| archive.write_to(out)));
                engine.unpack_into(&ready.id, &place, input)?;
                delivery.unpacked = true;
                result = send(&delivery, report);
            }
            match result {
                // Another process was the first that compiled there.
                Err(CompileError::OtherSources) if is_new => {
                    is_new = false;
                    before = others.take();
                }
                Err(CompileError::OtherSources) if before.is_some() => before = None,
                Ok(made) => {
                    let mut sent = delivery.sent;
                    let known = sent.states.len();
                    // Downloaded crates are locked.
                    let mut outside = read_outside(&made);
                    outside.retain(|path| !path.starts_with(&job.workspace.cargo_home));
                    sent.add_outside(outside.iter().map(|path| &**path));
                    if sent.states.len() > known {
                        sent.store(&record).map_err(CompileError::Crate)?;
                    }
                    return Ok(made);
                }
                result => return result,
            }
        }
    }
}

/// Whether nothing that earlier compiles left is used.
fn begins_empty(job: &CompileJob) -> bool {
    job.wipe || job.config.force
}
