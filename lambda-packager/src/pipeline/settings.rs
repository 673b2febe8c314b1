//! What the settings of a call and of each function come from.

use std::path::PathBuf;

use crate::cargo::{Package, Workspace};
use crate::config::from_cargo_lambda::{CargoLambda, StandIn};
use crate::config::{Config, Layer, Mode, Origin, from_env};
use crate::error::Result;
use crate::sys::{fs, glob};

/// What the settings come from, besides the manifests of a function's package and of the workspace.
pub struct Sources {
    pub start: PathBuf,
    /// The layers of the call.
    pub asked: Vec<(Origin, Layer)>,
    pub stand_in: Option<StandIn>,
    pub asking: Option<Asking>,
}

/// The settings of the package that asks.
pub struct Asking {
    pub origin: Origin,
    pub layer: Layer,
    /// The one package whose functions they are for, if not for all.
    pub only: Option<String>,
}

impl Sources {
    /// The settings of the call, of the package that asks, of a function's package below them, of the workspace below that,
    /// and of cargo-lambda's tables below all.
    ///
    /// # Errors
    /// A setting is not valid.
    pub fn settings(
        &self,
        workspace: &Workspace,
        package: Option<&Package>,
        function: Option<&str>,
    ) -> Result<(Config, CargoLambda)> {
        let Self { start, asked, stand_in, asking } = self;
        let meant = package.or_else(|| workspace.member_at(start));
        let cargo_lambda = workspace.cargo_lambda(meant, function, start, *stand_in)?;
        let mut layers = asked.clone();
        if stand_in.is_some_and(|stand_in| !stand_in.has_mode) {
            // A call without flags for it has a mode too, which is above that of a manifest.
            let (origin, mode) = cargo_lambda.mode.clone().unwrap_or((Origin::Default, Mode::Dev));
            layers.push((origin, Layer { mode: Some(mode), ..Layer::default() }));
        }
        let counts = |asking: &&Asking| {
            asking.only.as_ref().is_none_or(|only| package.is_none_or(|package| package.name == *only))
        };
        layers.extend(asking.iter().find(counts).map(|asking| (asking.origin.clone(), asking.layer.clone())));
        layers.extend(package.map(Package::layer).transpose()?);
        layers.push(workspace.layer()?);
        layers.extend(cargo_lambda.layers.iter().cloned());
        let mut config = Config::resolve(layers);
        if from_env::is_pipeline() {
            config = config.in_pipeline();
        }
        for entry in &mut config.exclude {
            // A path that is there as it is written is that path.
            if glob::is_glob(entry) && fs::lstat(&workspace.root.join(&*entry))?.is_some() {
                *entry = glob::escape(entry);
            }
        }
        config.check_names()?;
        Ok((config, cargo_lambda))
    }
}
