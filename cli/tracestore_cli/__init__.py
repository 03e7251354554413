"""The `tracestore` command for operators: tokens, sample traces, export, import and audit of any deployment."""
