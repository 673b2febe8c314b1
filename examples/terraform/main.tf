# Run `lambda-packager` in ../functions first: it writes the zips.

locals {
  zips = "${path.module}/../functions/target/lambda"
}

# This repository's module: the function with its role, its log and a URL.
module "api" {
  source      = "../../infra"
  environment = "preprod"
  package     = "zip"
  zip         = "${local.zips}/api/lambda-deployment.zip"
}
