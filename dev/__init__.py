"""The developer's tools: local server, engines and benchmarks. They are neither deployed nor installed."""
