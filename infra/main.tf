# The function and its URL, from a zip or from an image. The ECR repositories must already exist, and the image
# must be in one before this runs; `make deploy` pushes it first.

terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

locals {
  name  = "${var.environment}-sse-streaming-lambda"
  image = var.package == "image"
}

resource "aws_iam_role" "function" {
  name = local.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

# The function may write its own log, and nothing else.
resource "aws_iam_role_policy" "log" {
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.function.arn}:*"
    }]
  })
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = 30
}

resource "aws_lambda_function" "function" {
  function_name = local.name
  role          = aws_iam_role.function.arn
  architectures = [var.architecture]
  memory_size   = var.memory_mb
  timeout       = var.timeout_secs
  package_type  = local.image ? "Image" : "Zip"

  # By digest: a tag can move, and then the function would change without Terraform, or not change at all.
  image_uri = local.image ? var.image : null

  filename         = local.image ? null : var.zip
  source_code_hash = local.image ? null : filebase64sha256(var.zip)
  runtime          = local.image ? null : "provided.al2023"
  handler          = local.image ? null : "bootstrap"

  depends_on = [aws_iam_role_policy.log]

  lifecycle {
    precondition {
      condition     = !local.image || can(regex("@sha256:[0-9a-f]{64}$", var.image))
      error_message = "package = \"image\" needs `image`, a reference with a digest, as `lambda-packager image push` prints it."
    }
  }
}

resource "aws_lambda_function_url" "function" {
  function_name      = aws_lambda_function.function.function_name
  authorization_type = var.url_authorization
  invoke_mode        = "RESPONSE_STREAM"
}

# A public URL needs both permissions for everybody: to call the URL, and to invoke the function through it.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
resource "aws_lambda_permission" "everybody" {
  count                  = var.url_authorization == "NONE" ? 1 : 0
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.function.function_name
  principal              = "*"
  function_url_auth_type = "NONE"
}

# By CloudFormation, since this version of the provider cannot say "through the URL" (6.29 can). Without these words
# every account of AWS could invoke the function directly, with any event.
resource "aws_cloudformation_stack" "everybody_through_the_url" {
  count = var.url_authorization == "NONE" ? 1 : 0
  name  = "${local.name}-url"
  template_body = jsonencode({
    Resources = {
      Permission = {
        Type = "AWS::Lambda::Permission"
        Properties = {
          Action                = "lambda:InvokeFunction"
          FunctionName          = aws_lambda_function.function.function_name
          Principal             = "*"
          InvokedViaFunctionUrl = true
        }
      }
    }
  })
}
