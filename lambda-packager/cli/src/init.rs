//! `lambda-packager init`: writes the few lines that a project needs, and nothing over what is there.

mod change;
mod meant;
mod settings;
mod tools;

use lambda_packager::internal::{Project, Reporter, Request, Result, print_lines};

use crate::args::Tool;
use crate::init::change::Plan;
use crate::init::meant::Meant;
use crate::json;

/// Prints the difference and, unless it is a `dry_run`, writes it: the settings, and what `tool` needs.
pub fn init(request: &Request, tool: Option<Tool>, dry_run: bool, as_json: bool, report: &mut Reporter) -> Result<()> {
    let project = Project::around(request)?;
    let meant = Meant::of(&project, &request.start)?;
    let mut plan = Plan::new(&project.workspace.root);
    settings::plan(&project, &meant, tool.map_or(&[], tools::own_paths), &mut plan)?;
    if let Some(tool) = tool {
        tools::plan(tool, &meant, &mut plan)?;
    }
    plan.notes.iter().for_each(|note| report.note(note));
    let difference = plan.difference();
    if !as_json {
        print_lines(&difference);
    }
    let end = if plan.changes.is_empty() {
        "nothing to change".to_string()
    } else if dry_run {
        "nothing was written: this is a dry run".to_string()
    } else {
        plan.write()?;
        format!("wrote {}; `lambda-packager` packages", plan.names().join(", "))
    };
    print_lines(&[if as_json { json::initialised(dry_run, &plan.names(), &difference) } else { end }]);
    Ok(())
}
