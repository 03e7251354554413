"""API keys and jobs: request bodies and JSON."""
