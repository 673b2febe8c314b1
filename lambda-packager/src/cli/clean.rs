//! `lambda-packager clean`: removes what was made for this project, or for all of this user's, and
//! nothing else.

use std::path::Path;

use super::args::Clean;
use super::project::Here;
use crate::builder::builder_image::BUILDER;
use crate::builder::container::USER;
use crate::builder::dependencies::{self, KEPT, name_of};
use crate::builder::image::BORROWED;
use crate::builder::recipe::CLEAN_ROOM;
use crate::engine::{Engine, Failure};
use crate::error::Result;
use crate::event::print_lines;
use crate::fs;

/// What was, or would be, removed.
#[derive(Default)]
struct Swept {
    lines: Vec<String>,
    bytes: u64,
}

impl Swept {
    fn add(&mut self, what: String, bytes: u64) {
        self.lines.push(format!("  {what} ({bytes} bytes)"));
        self.bytes += bytes;
    }
}

/// Removes what the flags name.
pub(super) fn clean(here: &Here, flags: &Clean) -> Result<u8> {
    let mut swept = Swept::default();
    let all = flags.all || flags.everything || !(flags.container || flags.cache);
    for engine in here.engines()? {
        match sweep_engine(&engine, here, flags, all, &mut swept) {
            // What does not answer has nothing that could be removed now.
            Err(Failure::Unreachable(error) | Failure::Forbidden(error)) => {
                swept.lines.push(format!("  not looked at: {error}"))
            }
            result => result?,
        }
    }
    if all || flags.cache {
        sweep_state(&here.project.workspace.state_folder(), flags.dry_run, &mut swept)?;
    }
    let verb = if flags.dry_run { "would remove" } else { "removed" };
    print_lines(&[format!("{verb} {} bytes", swept.bytes)]);
    print_lines(&swept.lines);
    Ok(0)
}

fn sweep_engine(engine: &Engine, here: &Here, flags: &Clean, all: bool, swept: &mut Swept) -> Result<(), Failure> {
    let name = engine.kind.program();
    if all || flags.container {
        let label = if flags.everything { format!("{USER}={}", here.user()) } else { here.identity().label() };
        for container in engine.containers_with(&label)? {
            if !flags.dry_run {
                engine.remove(&container.id)?;
            }
            swept.add(format!("{name} container {}", container.name()), container.size_rw.unwrap_or(0));
        }
    }
    if all || flags.cache {
        let everybodys = format!("{KEPT}={}", here.user());
        let label = if flags.everything { everybodys } else { dependencies::made_by(&here.identity()) };
        for image in engine.images_with(&label)? {
            if flags.dry_run || dependencies::remove(engine, &image)? {
                let title = name_of(&image).unwrap_or(&image.id);
                swept.add(format!("{name} image {title}"), image.size_bytes);
            }
        }
    }
    if all {
        // The empty ones are any project's, as the clean room's layers are.
        let user = format!("{USER}={}", here.user());
        let project = here.identity().label();
        let labels =
            if flags.everything { vec![&*user, BORROWED, CLEAN_ROOM, BUILDER] } else { vec![&*project, BORROWED] };
        let mut images = Vec::new();
        for label in labels {
            images.extend(engine.images_with(label)?);
        }
        for image in images {
            // What somebody else still uses stays: the last one to leave takes it along.
            if flags.dry_run || engine.remove_image(&image.id)? {
                swept.add(format!("{name} image {}", image.names.join(" ")), image.size_bytes);
            }
        }
    }
    Ok(())
}

/// Removes what is remembered and compiled in `target/lambda`. Locks stay: somebody may hold them.
fn sweep_state(state: &Path, dry_run: bool, swept: &mut Swept) -> Result<()> {
    if !fs::is_dir(state) {
        return Ok(());
    }
    for name in fs::names_in(state)? {
        let path = state.join(&name);
        if name.ends_with(".lock") {
            continue;
        }
        let bytes = fs::size_of_tree(&path)?;
        if !dry_run {
            fs::remove_tree(&path)?;
        }
        swept.add(format!("target/lambda/{name}"), bytes);
    }
    Ok(())
}
