"""The `tracestore` command: the API on a developer's machine. Never deployed; nothing deployed imports it."""
