# The functions and their URLs, from zips or from images. The ECR repositories must already exist, and the images
# must be in them before this runs; `make deploy` pushes them first.

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
  image = var.package == "image"
  # Without `functions` there is one, of this name.
  alone = length(var.functions) == 0
  names = local.alone ? ["sse-streaming-lambda"] : keys(var.functions)
  zip   = coalesce(var.zip, local.alone ? "../lambda-deployment.zip" : "../target/lambda/{function}/lambda-deployment.zip")
  functions = {
    for name in local.names : name => {
      # A name that tells apart the functions of two packages has a dot.
      name = "${var.environment}-${replace(name, ".", "-")}"
      # One alone is told without its name.
      image             = length(var.functions) < 2 ? lookup(var.images, name, var.image) : lookup(var.images, name, "")
      zip               = replace(local.zip, "{function}", name)
      architecture      = try(coalesce(var.functions[name].architecture), var.architecture)
      memory_mb         = try(coalesce(var.functions[name].memory_mb), var.memory_mb)
      timeout_secs      = try(coalesce(var.functions[name].timeout_secs), var.timeout_secs)
      url_authorization = try(coalesce(var.functions[name].url_authorization), var.url_authorization)
    }
  }
  public = { for name, function in local.functions : name => function if function.url_authorization == "NONE" }
}

resource "aws_iam_role" "function" {
  for_each = local.functions
  name     = each.value.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

# A function may write its own log, and nothing else.
resource "aws_iam_role_policy" "log" {
  for_each = local.functions
  role     = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.function[each.key].arn}:*"
    }]
  })
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${each.value.name}"
  retention_in_days = 30
}

resource "aws_lambda_function" "function" {
  for_each      = local.functions
  function_name = each.value.name
  role          = aws_iam_role.function[each.key].arn
  architectures = [each.value.architecture]
  memory_size   = each.value.memory_mb
  timeout       = each.value.timeout_secs
  package_type  = local.image ? "Image" : "Zip"

  # By digest: a tag can move, and then the function would change without Terraform, or not change at all.
  image_uri = local.image ? each.value.image : null

  filename         = local.image ? null : each.value.zip
  source_code_hash = local.image ? null : filebase64sha256(each.value.zip)
  runtime          = local.image ? null : "provided.al2023"
  handler          = local.image ? null : "bootstrap"

  depends_on = [aws_iam_role_policy.log]

  lifecycle {
    precondition {
      condition     = !local.image || can(regex("@sha256:[0-9a-f]{64}$", each.value.image))
      error_message = "package = \"image\" needs an image of ${each.key}, in `image` or `images`: a reference with a digest, as `lambda-packager image push` prints it."
    }
  }
}

resource "aws_lambda_function_url" "function" {
  for_each           = local.functions
  function_name      = aws_lambda_function.function[each.key].function_name
  authorization_type = each.value.url_authorization
  invoke_mode        = "RESPONSE_STREAM"

  # With another kind of package the function is another one, and AWS removes this with the old one.
  lifecycle {
    replace_triggered_by = [aws_lambda_function.function[each.key].package_type]
  }
}

# A public URL needs both permissions for everybody: to call the URL, and to invoke the function through it.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
resource "aws_lambda_permission" "everybody" {
  for_each               = local.public
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.function[each.key].function_name
  principal              = "*"
  function_url_auth_type = "NONE"

  # With another kind of package the function is another one, and AWS removes this with the old one.
  lifecycle {
    replace_triggered_by = [aws_lambda_function.function[each.key].package_type]
  }
}

# By CloudFormation, since this version of the provider cannot say "through the URL" (6.29 can). Without these words
# every account of AWS could invoke the function directly, with any event.
resource "aws_cloudformation_stack" "everybody_through_the_url" {
  for_each = local.public
  name     = "${each.value.name}-url"
  template_body = jsonencode({
    Resources = {
      Permission = {
        Type = "AWS::Lambda::Permission"
        Properties = {
          Action                = "lambda:InvokeFunction"
          FunctionName          = aws_lambda_function.function[each.key].function_name
          Principal             = "*"
          InvokedViaFunctionUrl = true
        }
      }
    }
  })

  # With another kind of package the function is another one, and AWS removes this with the old one.
  lifecycle {
    replace_triggered_by = [aws_lambda_function.function[each.key].package_type]
  }
}
