# What was deployed while there was one function only keeps its state.

moved {
  from = aws_iam_role.function
  to   = aws_iam_role.function["sse-streaming-lambda"]
}

moved {
  from = aws_iam_role_policy.log
  to   = aws_iam_role_policy.log["sse-streaming-lambda"]
}

moved {
  from = aws_cloudwatch_log_group.function
  to   = aws_cloudwatch_log_group.function["sse-streaming-lambda"]
}

moved {
  from = aws_lambda_function.function
  to   = aws_lambda_function.function["sse-streaming-lambda"]
}

moved {
  from = aws_lambda_function_url.function
  to   = aws_lambda_function_url.function["sse-streaming-lambda"]
}

moved {
  from = aws_lambda_permission.everybody[0]
  to   = aws_lambda_permission.everybody["sse-streaming-lambda"]
}

moved {
  from = aws_cloudformation_stack.everybody_through_the_url[0]
  to   = aws_cloudformation_stack.everybody_through_the_url["sse-streaming-lambda"]
}
