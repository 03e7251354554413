"""HTTP machinery: app, requests, responses, errors, identity, settings. Knows no route; alone reads the environment."""
