# Of the one function; null if there are several.
output "function" {
  value = local.alone ? one(values(aws_lambda_function.function)[*].function_name) : null
}

output "url" {
  value = local.alone ? one(values(aws_lambda_function_url.function)[*].function_url) : null
}

output "functions" {
  value = { for name, function in aws_lambda_function.function : name => function.function_name }
}

output "urls" {
  value = { for name, url in aws_lambda_function_url.function : name => url.function_url }
}
