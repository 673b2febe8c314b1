//! What a deploy tool needs to take the zip from here.

use lambda_packager::internal::{Arch, Error, Result};

use crate::args::Tool;
use crate::init::change::Plan;
use crate::init::meant::{Meant, Named};

/// What belongs to `tool` and to no function: an edit there packages nothing again. Relative to the root.
pub fn own_paths(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Sam => &[".aws-sam", "samconfig.toml", "template.yaml"],
        Tool::Cdk => &["cdk"],
        Tool::Terraform => &["terraform"],
        Tool::Github => &[".github"],
    }
}

/// Plans the files of `tool`. Those that are there stay as they are.
pub fn plan(tool: Tool, meant: &Meant, plan: &mut Plan) -> Result<()> {
    let functions = &meant.functions;
    plan.notes.extend(meant.layers.iter().map(|layer| {
        format!("{} is a layer, and no function: publish {} as a version of a layer", layer.id, zip_of(layer))
    }));
    if functions.is_empty() {
        return Ok(());
    }
    match tool {
        Tool::Sam => {
            plan.ignore(&["/.aws-sam/"])?;
            sam(functions, plan)
        }
        Tool::Cdk => {
            plan.ignore(&["/cdk/cdk.out/"])?;
            let by_hand =
                "a function takes its code from `Code.from_asset(\"target/lambda/<function>/lambda-deployment.zip\")`";
            plan.create("cdk/app.py", cdk_app(functions), by_hand)?;
            plan.create(
                "cdk/cdk.json",
                "{\n  \"app\": \"python3 app.py\"\n}\n".into(),
                "`app` is the program of the stack",
            )?;
            plan.create("cdk/requirements.txt", "aws-cdk-lib>=2.180,<3\n".into(), "the stack needs aws-cdk-lib")
        }
        Tool::Terraform => {
            plan.ignore(&["/terraform/.terraform/", "/terraform/*.tfstate*"])?;
            let by_hand = "a function has `filename = \"target/lambda/<function>/lambda-deployment.zip\"` and `source_code_hash = filebase64sha256(...)`, or with the module terraform-aws-modules/lambda `local_existing_package`";
            named_apart(functions, deployed)?;
            plan.create("terraform/lambda.tf", terraform(functions), by_hand)
        }
        Tool::Github => {
            let by_hand = "package in a job without credentials, and give the zip to the job that deploys";
            named_apart(functions, deployed)?;
            plan.create(".github/workflows/package.yml", github(functions), by_hand)
        }
    }
}

/// The names of functions for a tool, each with its function.
///
/// # Errors
/// Two functions would have the same.
fn named_apart(functions: &[Named], name: fn(&Named) -> String) -> Result<Vec<(String, &Named)>> {
    let mut names: Vec<(String, &Named)> = Vec::new();
    for function in functions {
        let name = name(function);
        if let Some((_, other)) = names.iter().find(|(known, _)| *known == name) {
            return Err(Error::config(format!("{} and {} would both be {name}", other.id, function.id))
                .hint_with("rename one of them, or write the file of the tool by hand"));
        }
        names.push((name, function));
    }
    Ok(names)
}

/// The name of a function of Lambda's, which has no dot.
fn deployed(function: &Named) -> String {
    function.id.replace('.', "-")
}

/// `my-function` as `MyFunctionFunction`: SAM allows only letters and digits.
fn logical_id(function: &Named) -> String {
    let words = function.id.split(|c: char| !c.is_ascii_alphanumeric());
    let capital = |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    words.map(capital).collect::<String>() + "Function"
}

fn zip_of(function: &Named) -> String {
    format!("target/lambda/{}/lambda-deployment.zip", function.id)
}

/// Source: <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-custom-runtimes.html>.
fn sam(functions: &[Named], plan: &mut Plan) -> Result<()> {
    let mut template =
        "AWSTemplateFormatVersion: \"2010-09-09\"\nTransform: AWS::Serverless-2016-10-31\nResources:\n".to_string();
    let ids = named_apart(functions, logical_id)?;
    for (id, Named { arch, runtime, .. }) in &ids {
        template += &format!(
            "  {id}:\n    Type: AWS::Serverless::Function\n    Metadata:\n      BuildMethod: makefile\n    Properties:\n      \
             CodeUri: .\n      Handler: bootstrap\n      Runtime: {runtime}\n      Architectures: [{arch}]\n"
        );
    }
    let by_hand = "give a function `Metadata: {BuildMethod: makefile}`, `CodeUri: .`, and in Makefile a target `build-<its name>` as below";
    match plan.read("template.yml")? {
        Some(_) => plan.notes.push(format!("template.yml is there and stays as it is: {by_hand}")),
        None => plan.create("template.yaml", template, by_hand)?,
    }
    // SAM copies the sources to a folder of each build otherwise, and what was built there is lost.
    let config = "version = 0.1\n\n[default.build.parameters]\nbuild_in_source = true\n";
    let by_hand = "call `sam build --build-in-source`, or set `build_in_source = true` in [default.build.parameters]";
    plan.create("samconfig.toml", config.into(), by_hand)?;
    for (id, function) in ids {
        let target = format!("build-{id}:");
        let makefile = plan.read("Makefile")?.unwrap_or_default();
        if !makefile.lines().any(|line| line.starts_with(&target)) {
            let (id, zip) = (&function.id, zip_of(function));
            let recipe =
                format!("{target}\n\tlambda-packager --function {id}\n\tunzip -q -o {zip} -d \"$(ARTIFACTS_DIR)\"\n");
            plan.append("Makefile", &recipe, true)?;
        }
    }
    Ok(())
}

fn cdk_app(functions: &[Named]) -> String {
    let line = |Named { id, arch, runtime }: &Named| {
        let arch = if *arch == Arch::Arm64 { "ARM_64" } else { "X86_64" };
        let runtime = runtime.to_string().replace('.', "_").to_uppercase();
        format!("    \"{id}\": (aws_lambda.Architecture.{arch}, aws_lambda.Runtime.{runtime}),\n")
    };
    let lines: String = functions.iter().map(line).collect();
    format!(
        r#"# `lambda-packager` makes the zips; `cdk deploy` takes them as they are.
from pathlib import Path

from aws_cdk import App, Stack, aws_lambda

ZIPS = Path(__file__).resolve().parent.parent / "target/lambda"
FUNCTIONS = {{
{lines}}}

app = App()
stack = Stack(app, "Functions")
for name, (architecture, runtime) in FUNCTIONS.items():
    aws_lambda.Function(
        stack,
        name,
        runtime=runtime,
        architecture=architecture,
        handler="bootstrap",
        code=aws_lambda.Code.from_asset(str(ZIPS / name / "lambda-deployment.zip")),
    )
app.synth()
"#
    )
}

fn terraform(functions: &[Named]) -> String {
    let line = |Named { id, arch, runtime }: &Named| {
        format!("    \"{id}\" = {{ architecture = \"{arch}\", runtime = \"{runtime}\" }}\n")
    };
    let lines: String = functions.iter().map(line).collect();
    format!(
        r#"# `lambda-packager` makes the zips; `terraform apply` deploys those that changed.
locals {{
  functions = {{
{lines}  }}
  # A name of Lambda's has no dot.
  names = {{ for name in keys(local.functions) : name => replace(name, ".", "-") }}
  zips  = {{ for name in keys(local.functions) : name => "${{path.module}}/../target/lambda/${{name}}/lambda-deployment.zip" }}
}}

resource "aws_iam_role" "lambda" {{
  for_each = local.functions
  name     = "${{local.names[each.key]}}-lambda"
  assume_role_policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [{{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = {{ Service = "lambda.amazonaws.com" }}
    }}]
  }})
}}

resource "aws_lambda_function" "lambda" {{
  for_each         = local.functions
  function_name    = local.names[each.key]
  role             = aws_iam_role.lambda[each.key].arn
  runtime          = each.value.runtime
  architectures    = [each.value.architecture]
  handler          = "bootstrap"
  filename         = local.zips[each.key]
  source_code_hash = filebase64sha256(local.zips[each.key])
}}
"#
    )
}

/// The actions are pinned to the commits that this project's own workflow uses.
fn github(functions: &[Named]) -> String {
    // Each machine compiles for the other too.
    let runner =
        if functions.iter().all(|function| function.arch == Arch::Arm64) { "ubuntu-24.04-arm" } else { "ubuntu-24.04" };
    let mut package = String::new();
    let mut deploy = String::new();
    for function in functions {
        let (id, name, zip) = (&function.id, deployed(function), zip_of(function));
        package +=
            &format!("      - run: lambda-packager --function {id} && mkdir -p dist && cp {zip} dist/{id}.zip\n");
        deploy += &format!(
            "      - run: aws lambda update-function-code --function-name {name} --zip-file fileb://dist/{id}.zip\n"
        );
    }
    format!(
        r#"name: package

on:
  pull_request:
  push:
    branches: [main]

permissions:
  contents: read

jobs:
  # Compiles, and has no credentials.
  package:
    runs-on: {runner}
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with:
          persist-credentials: false
      - run: cargo install lambda-packager-cli --locked --version {version}
{package}      - uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2
        with:
          name: zips
          path: dist
          if-no-files-found: error
          retention-days: 1

  # Has credentials: it compiles nothing. Set the variables AWS_ROLE, which GitHub's OIDC may assume, and AWS_REGION.
  deploy:
    needs: package
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    timeout-minutes: 20
    permissions:
      id-token: write # OIDC to AWS: no key is stored anywhere
    steps:
      - uses: actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0
        with:
          name: zips
          path: dist
      - uses: aws-actions/configure-aws-credentials@ececac1a45f3b08a01d2dd070d28d111c5fe6722 # v4.1.0
        with:
          role-to-assume: ${{{{ vars.AWS_ROLE }}}}
          aws-region: ${{{{ vars.AWS_REGION }}}}
{deploy}"#,
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use lambda_packager::Runtime;

    use super::*;

    fn named(ids: &[&str]) -> Vec<Named> {
        let named = |id: &&str| Named { id: id.to_string(), arch: Arch::Arm64, runtime: Runtime::ProvidedAl2023 };
        ids.iter().map(named).collect()
    }

    #[test]
    fn a_logical_id_has_only_letters_and_digits() {
        let ids = named(&["api", "my-second_one", "a.b"]).iter().map(logical_id).collect::<Vec<_>>();
        assert_eq!(ids, ["ApiFunction", "MySecondOneFunction", "ABFunction"]);
        let alike = named(&["my-api", "my_api"]);
        let error = named_apart(&alike, logical_id).err().unwrap().to_string();
        assert_eq!(error, "my-api and my_api would both be MyApiFunction");
        assert!(named_apart(&named(&["a.b", "a-b"]), deployed).is_err());
    }

    #[test]
    fn each_function_has_a_target_and_one_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let makefile = b"build-ApiFunction: other\n\tmine\n";
        lambda_packager::internal::fs::replace(&dir.path().join("Makefile"), makefile, 0o644, None).unwrap();
        let mut plan = Plan::new(dir.path());
        sam(&named(&["api", "web"]), &mut plan).unwrap();
        assert_eq!(plan.names(), ["template.yaml", "samconfig.toml", "Makefile"]);
        let text = plan.read("Makefile").unwrap().unwrap();
        assert!(
            text.starts_with(
                "build-ApiFunction: other\n\tmine\n\nbuild-WebFunction:\n\tlambda-packager --function web\n"
            )
        );
        assert_eq!(text.matches("build-ApiFunction:").count(), 1);
        plan.write().unwrap();
        let mut again = Plan::new(dir.path());
        sam(&named(&["api", "web"]), &mut again).unwrap();
        assert!(again.names().is_empty() && again.notes.is_empty(), "{:?}", again.difference());
    }

    #[test]
    fn the_job_with_credentials_compiles_nothing_and_actions_are_those_of_this_project() {
        let workflow = github(&named(&["api", "web"]));
        let (package, deploy) = workflow.split_once("\n  deploy:").unwrap();
        assert!(package.contains("lambda-packager --function web") && package.contains("runs-on: ubuntu-24.04-arm"));
        assert!(!package.contains("id-token") && !package.contains("secrets"));
        assert!(deploy.contains("id-token: write") && !deploy.contains("cargo") && !deploy.contains("lambda-packager"));
        let ours = include_str!("../../../../.github/workflows/deploy.yml");
        for line in workflow.lines().filter_map(|line| line.trim().strip_prefix("- uses: ")) {
            assert!(ours.contains(line), "{line}");
        }
    }
}
