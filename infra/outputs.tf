output "function" {
  value = aws_lambda_function.function.function_name
}

output "url" {
  value = aws_lambda_function_url.function.function_url
}
