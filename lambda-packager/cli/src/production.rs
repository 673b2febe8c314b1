//! Packaging for an environment: what is for production is packaged in a mode for production.

use lambda_packager::internal::{Error, Layer, Mode, Origin, Project, Request, Result};

/// The names of the environment for production. One of several has more after a `-`, as in `prod-eu`.
const PRODUCTION: [&str; 2] = ["prod", "production"];

/// Makes a request package for an environment: for production in the mode `prod`, unless a setting says `docker`.
///
/// # Errors
/// If a setting says another mode: such a zip may be of this machine's own toolchain, in a pipeline too.
pub fn for_environment(request: &mut Request, environment: &str) -> Result<()> {
    if !is_production(environment) {
        return Ok(());
    }
    let project = Project::find(request)?;
    let tasks = project.tasks()?;
    let mut configs = tasks.iter().map(|task| &task.config);
    if let Some(config) = configs.clone().find(|config| config.is_set("mode") && !config.mode.is_for_production()) {
        let (place, mode) = (config.place_of("mode"), config.mode);
        return Err(Error::config(format!("{place}: the mode `{mode}` is not for the environment {environment}"))
            .hint_with("use --mode prod or --mode docker, or set no mode: then it is prod"));
    }
    if configs.all(|config| !config.is_set("mode")) {
        let mode = Layer { mode: Some(Mode::Prod), ..Layer::default() };
        request.layers.push((Origin::Production, mode));
    } else if tasks.iter().any(|task| !task.config.is_set("mode")) {
        return Err(Error::config("some of the functions set a mode, and some do not")
            .hint_with("set `mode = \"prod\"` or `mode = \"docker\"` for all of them, or use --mode"));
    }
    Ok(())
}

/// Whether what runs in an environment is for production.
fn is_production(environment: &str) -> bool {
    let mut rests = PRODUCTION.iter().filter_map(|name| environment.strip_prefix(name));
    rests.any(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_for_production_is_known_by_its_name() {
        for (environment, is) in [
            ("prod", true),
            ("production", true),
            ("prod-eu", true),
            ("production-2", true),
            ("preprod", false),
            ("product", false),
            ("dev-prod", false),
        ] {
            assert_eq!(is_production(environment), is, "{environment}");
        }
    }
}
