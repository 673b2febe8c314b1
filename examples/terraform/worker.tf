# The module that many projects have. It must not package by itself.
module "worker" {
  source                 = "terraform-aws-modules/lambda/aws"
  version                = "7.21.1"
  function_name          = "worker"
  runtime                = "provided.al2023"
  handler                = "bootstrap"
  create_package         = false
  local_existing_package = "${local.zips}/worker/lambda-deployment.zip"
}
