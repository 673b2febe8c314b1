//! The example of the CDK: through cargo-lambda-cdk and the shim, and as a plain asset.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::sam::examples;
use crate::support::{Ended, Fixture, Shim, is_full, is_installed, packager, skip};

/// Synthesises the example.
fn synth(fixture: &Fixture, shim: &Shim) {
    let mut python = Command::new("python3");
    fixture.prepare(&mut python);
    python.env("LAMBDA_PACKAGER_ENGINE", "host").env("PACKAGER", packager()).env("PATH", &shim.path);
    python.env("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1").arg("app.py");
    Ended::of(python.current_dir(fixture.around().join("cdk"))).ok();
}

pub fn is_here() -> bool {
    let imports = Command::new("python3")
        .args(["-c", "import importlib.util as u; assert u.find_spec('aws_cdk') and u.find_spec('cargo_lambda_cdk')"])
        .output();
    let is_here = imports.is_ok_and(|output| output.status.success());
    if !is_here {
        skip("cdk", "it is not installed (pip install aws-cdk-lib cargo-lambda-cdk)");
    }
    is_here && is_installed("node", "Debian: apt-get install nodejs")
}

/// The asset of a function of the assembly.
fn asset(fixture: &Fixture, function: &str) -> PathBuf {
    let assembly = fixture.around().join("cdk/cdk.out");
    let json = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(assembly.join(name)).expect("a file of the assembly")).expect("JSON")
    };
    let template = json("Example.template.json");
    let resources = template["Resources"].as_object().expect("resources");
    let is_meant =
        |(id, resource): &(&String, &Value)| resource["Type"] == "AWS::Lambda::Function" && id.starts_with(function);
    let (_, resource) = resources.iter().find(is_meant).expect("the function");
    assert_eq!(resource["Properties"]["Runtime"], "provided.al2023");
    let key = resource["Properties"]["Code"]["S3Key"].as_str().expect("a key");
    let source = &json("Example.assets.json")["files"][key.trim_end_matches(".zip")]["source"];
    assembly.join(source["path"].as_str().expect("a path"))
}

#[test]
fn an_app_of_the_cdk_packages_through_the_shim_and_as_a_plain_asset_and_again_without_a_compile() {
    if !is_full() || !is_here() {
        return;
    }
    let (fixture, shim) = (examples(), Shim::installed());
    let packaged = || ["api", "worker"].map(|name| fixture.manifest(name)["history"].as_array().map_or(0, Vec::len));
    for _ in 0..2 {
        synth(&fixture, &shim);
        assert_eq!(packaged(), [1, 1]);
        let bootstrap = fs::read(asset(&fixture, "Api").join("bootstrap")).expect("a bootstrap");
        assert!(bootstrap == fixture.read("target/lambda/api/bootstrap"));
        assert!(fs::read(asset(&fixture, "Worker")).expect("a zip") == fixture.zip("worker"));
    }
}
