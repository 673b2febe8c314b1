//! A deployment by `make deploy`: the image in a registry, and the real Terraform against AWS as far as moto plays it.

use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, edit};
use crate::measure::{Result, Side, shown};
use crate::publish::{CACHED_SECS, CLEAN_SECS, make};
use crate::service::Service;

/// Where a provider is unpacked on machines that cannot download one.
const PLUGINS: &str = "/opt/tf-plugins";

pub fn deploy(lab: &Bench) -> Result<Vec<Row>> {
    let engine = lab.engine()?;
    let (registry, aws) = (Service::registry(&lab.folder.join("registry-of-deploy"))?, Service::aws()?);
    let folder = lab.copy("deployed")?;
    lab.run(lab.command("cargo", &folder).args(["fetch", "--locked"]))?;

    // Once: nothing of it may be there before, in the engine, in the registry, in AWS or in the checkout.
    engine.remove_containers()?;
    let deploy = make_deploy(lab, &folder, &registry, &aws)?;
    let cold = Sample::new(shown(&deploy), Unit::Seconds, vec![lab.seconds(&deploy)?]);
    let samples = lab.interleaved(3, vec![Side::of(&deploy).after(|| edit(&folder)), Side::of(&deploy)])?;
    Ok(vec![
        Row::at_most("deploy", "clean checkout: packager and function compiled, pushed, applied", &cold, CLEAN_SECS),
        Row::at_most("deploy", "one line edited: compiled, pushed, applied", &samples[0], CACHED_SECS),
        Row::at_most("deploy", "nothing changed: looked at and planned", &samples[1], CACHED_SECS),
    ])
}

fn make_deploy(lab: &Lab, folder: &Path, registry: &Service, aws: &Service) -> Result<Command> {
    let mut make = make(lab, folder, "deploy", registry, None)?;
    make.env("AWS_ENDPOINT_URL", format!("http://{}", aws.address)).env("AWS_DEFAULT_REGION", "eu-central-1");
    make.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    make.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN").env_remove("CI");
    if Path::new(PLUGINS).is_dir() {
        make.env("TF_CLI_ARGS_init", format!("-plugin-dir={PLUGINS}"));
    }
    Ok(make)
}
