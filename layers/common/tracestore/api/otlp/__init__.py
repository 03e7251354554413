"""OTLP over HTTP: encodings, limits and responses."""
