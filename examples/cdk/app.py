"""Two functions: one through cargo-lambda-cdk and the shim, one as a plain asset."""

import os
import subprocess

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from cargo_lambda_cdk import RustFunction

FUNCTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "functions")
PACKAGER = os.environ.get("PACKAGER", "lambda-packager")

app = cdk.App(outdir=os.environ.get("CDK_OUTDIR", "cdk.out"))
stack = cdk.Stack(app, "Example")

# It calls `cargo lambda build`, which is the shim.
RustFunction(
    stack,
    "Api",
    manifest_path=os.path.join(FUNCTIONS, "Cargo.toml"),
    binary_name="api",
    runtime="provided.al2023",
    architecture=lambda_.Architecture.X86_64,
)

# No shim: package, and name the zip.
subprocess.run([PACKAGER, "--function", "worker"], cwd=FUNCTIONS, check=True)
lambda_.Function(
    stack,
    "Worker",
    code=lambda_.Code.from_asset(os.path.join(FUNCTIONS, "target/lambda/worker/lambda-deployment.zip")),
    runtime=lambda_.Runtime.PROVIDED_AL2023,
    handler="bootstrap",
    architecture=lambda_.Architecture.X86_64,
)

app.synth()
