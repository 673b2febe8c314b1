//! What is done on a road that was chosen: the compile, and what is asked of its engine meanwhile and after.

use std::cell::RefCell;
use std::ffi::OsString;
#[cfg(feature = "cli")]
use std::path::Path;
#[cfg(feature = "cli")]
use std::time::Duration;

use crate::artifact::zip;
use crate::builder::call;
use crate::builder::clean_room::CleanRoom;
use crate::builder::compile::{self, Compiled, Order, Trust};
use crate::builder::container::Ready;
use crate::builder::dependencies::{Downloads, Kept, PACK_ALONG, Store};
use crate::builder::layout::Layout;
use crate::builder::trouble::Trouble;
use crate::cache::manifest;
use crate::cache::snapshot::Snapshot;
use crate::config::env;
#[cfg(feature = "cli")]
use crate::engine::ExecSpec;
use crate::engine::{Engine, Failure};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Reporter};
use crate::process::Invocation;
use crate::road::{PATIENCE, Traveller};
use crate::toolchain::Toolchain;
use crate::workspace::Function;

/// A way to compile that is ready to be taken.
pub(crate) struct Road {
    pub layout: Layout,
    /// Cargo's target directory, as the compile sees it.
    pub target: String,
    pub record: manifest::Road,
    /// The host's toolchain, where it compiles.
    pub toolchain: Option<Toolchain>,
    pub vehicle: Vehicle,
}

/// What does the compile.
pub(crate) enum Vehicle {
    Container { engine: Engine, ready: Ready, store: Option<Box<Store>> },
    CleanRoom(CleanRoom),
    Host { path: Option<OsString>, linker: Option<&'static str> },
}

/// Why a compile failed, by what can be done about it.
pub(crate) enum Fault {
    /// Nothing: the crate's own, or somebody's wish.
    Final(Error),
    /// A new container; what became of the old one.
    Container(String, Error),
    /// Wait for the engine.
    Engine(Error),
    /// Compile from nothing.
    Cache(Error),
    /// Fetch again, if that is wished.
    Downloads(Error),
}

impl Road {
    /// Compiles `order` on this road.
    pub fn compile(&self, order: &Order, report: &mut Reporter) -> Result<Compiled, Fault> {
        let shown = |report: &Reporter| self.variables(order, report.wants_colour, report.wants_progress);
        let drive = |call: Invocation, report: &mut Reporter| {
            let report = RefCell::new(report);
            compile::run(&call, order, &report, || self.look_after(&report))
        };
        let result = match &self.vehicle {
            Vehicle::Container { engine, ready, .. } => {
                drive(call::in_container(engine, ready, order, &shown(report)), report)
            }
            Vehicle::Host { path, linker } => {
                drive(call::on_host(path.as_ref(), *linker, order, &shown(report)), report)
            }
            Vehicle::CleanRoom(room) => room.compile(order, &self.variables_of_layers(order), report),
        };
        result.map_err(|trouble| match trouble {
            Trouble::Crate(error) => Fault::Final(error),
            Trouble::Cache(error) => Fault::Cache(error),
            Trouble::Downloads(error) => Fault::Downloads(error),
            Trouble::Ended(error) if error.kind() == ErrorKind::Interrupted => Fault::Final(error),
            Trouble::Ended(error) => self.diagnose(error),
        })
    }

    /// Sees whether a silent compile still goes on: in a paused container it never says so itself.
    fn look_after(&self, report: &RefCell<&mut Reporter>) -> Result<()> {
        let Vehicle::Container { engine, ready, .. } = &self.vehicle else {
            return Ok(());
        };
        match engine.inspect(&ready.name)? {
            Some(container) if container.state.status == "running" => Ok(()),
            Some(container) if container.state.status == "paused" => {
                let message = format!("the container {} was paused while compiling; it goes on", ready.name);
                report.borrow_mut().tell(&Event::Announced { message: &message });
                Ok(engine.unpause(&ready.name)?)
            }
            // Its end will reach us by itself; this says why sooner.
            _ => Err(Error::engine(format!("the container {} does not run any more", ready.name))),
        }
    }

    fn diagnose(&self, error: Error) -> Fault {
        if let Vehicle::CleanRoom(room) = &self.vehicle {
            return match room.engine.version() {
                Err(Failure::Unreachable(unreachable)) => Fault::Engine(unreachable),
                _ => Fault::Final(error),
            };
        }
        let Vehicle::Container { engine, ready, .. } = &self.vehicle else {
            return Fault::Final(error);
        };
        let what = |text: &str| format!("the container {} {text} while compiling", ready.name);
        match engine.inspect(&ready.name) {
            Err(Failure::Unreachable(unreachable)) => Fault::Engine(unreachable),
            Err(Failure::Refused(refused) | Failure::NotStarted(refused) | Failure::Forbidden(refused)) => {
                Fault::Final(refused)
            }
            Ok(None) => Fault::Container(what("was removed"), error),
            Ok(Some(container)) => match container.state.status.as_str() {
                "removing" | "dead" => Fault::Container(what("was removed"), error),
                "running" => Fault::Container(format!("{error}, in the container {}", ready.name), error),
                status => Fault::Container(what(&format!("became {status}")), error),
            },
        }
    }

    /// What a short command prints where the compile runs; on the host that is this machine.
    #[cfg(feature = "cli")]
    pub fn ask(&self, command: &[String]) -> Result<Vec<u8>> {
        /// Longer than a shared library takes through an engine on a busy machine.
        const TIMEOUT: Duration = Duration::from_secs(60);
        let invocation = match &self.vehicle {
            Vehicle::Container { engine, ready, .. } => {
                engine.exec(&ExecSpec { name: &ready.name, folder: "/", env: &[], passed_env: &[], command })
            }
            Vehicle::CleanRoom(room) => room.engine.run(&room.base, command),
            Vehicle::Host { .. } => Invocation::new(Path::new("/bin/sh")).args(&command[1..]),
        };
        let output = invocation.capture(None, TIMEOUT)?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(Error::engine(format!("a command in {} failed with status {}", self.record.base, output.code))
            .source(output.stderr_text()))
    }

    /// Removes the container of this road, for a new one.
    pub fn abandon(&self) -> Result<()> {
        match &self.vehicle {
            Vehicle::Container { engine, ready, .. } => Ok(engine.remove(&ready.name)?),
            Vehicle::CleanRoom(_) | Vehicle::Host { .. } => Ok(()),
        }
    }

    /// The image that a container which was made for this road started from.
    pub fn warm_start(&self) -> Option<&str> {
        match &self.vehicle {
            Vehicle::Container { ready, .. } => ready.warm.as_deref(),
            Vehicle::CleanRoom(_) | Vehicle::Host { .. } => None,
        }
    }

    /// Whether there is something to keep that is not kept already.
    pub fn would_keep(&self, made: &Downloads) -> bool {
        matches!(&self.vehicle, Vehicle::Container { store: Some(store), .. } if store.lacks(made))
    }

    /// Keeps what was compiled of downloaded crates, for other containers.
    pub fn keep(&self, made: &Downloads) -> Result<Option<Kept>> {
        match &self.vehicle {
            Vehicle::Container { engine, ready, store: Some(store) } => Ok(store.keep(engine, &ready.name, made)?),
            _ => Ok(None),
        }
    }

    /// Waits until the engine of this road answers again.
    pub fn wait_for_engine(&self) -> Result<()> {
        match &self.vehicle {
            Vehicle::Container { engine, .. } | Vehicle::CleanRoom(CleanRoom { engine, .. }) => {
                Ok(engine.wait_until_it_answers(PATIENCE)?)
            }
            Vehicle::Host { .. } => Ok(()),
        }
    }

    /// Leaves the image that runs what was compiled, where this road makes one; says its name.
    pub fn leave_image(
        &self,
        order: &Order,
        included: &[zip::Member],
        report: &mut Reporter,
    ) -> Result<Option<String>> {
        match &self.vehicle {
            Vehicle::CleanRoom(room) => {
                room.leave_image(order, &self.variables_of_layers(order), included, report).map(Some)
            }
            Vehicle::Container { .. } | Vehicle::Host { .. } => Ok(None),
        }
    }

    /// What is to be compiled on this road.
    pub fn order<'a>(
        &'a self,
        traveller: &Traveller<'a>,
        function: &'a Function,
        (trust, inputs): (&'a Trust, &'a Snapshot),
        wipe: bool,
    ) -> Order<'a> {
        let Traveller { workspace, config, .. } = *traveller;
        let along = if let Vehicle::Container { store: Some(_), .. } = &self.vehicle { PACK_ALONG } else { "" };
        Order { workspace, function, config, layout: &self.layout, target: &self.target, trust, inputs, wipe, along }
    }

    /// The inner cargo's variables whose values anybody may know.
    fn variables(&self, order: &Order, colour: bool, progress: bool) -> Vec<(String, String)> {
        let mut variables = compile::variables(&self.target);
        variables.extend(compile::manners(colour, progress));
        variables.extend(env::target_rustflags(order.config.target_arch.triple()));
        variables
    }

    /// The same as a layer is made of: whatever terminal it is made from.
    fn variables_of_layers(&self, order: &Order) -> Vec<(String, String)> {
        let mut variables = self.variables(order, false, false);
        variables.extend(env::registry_indexes());
        variables
    }
}
