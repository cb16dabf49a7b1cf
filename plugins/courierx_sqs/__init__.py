"""The queue `sqs`: notifications through Amazon SQS."""
