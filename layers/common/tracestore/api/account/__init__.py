"""API keys, saved views and jobs: request bodies and JSON."""
