"""tracestore: LLM traces in one DynamoDB table. What all functions share."""
