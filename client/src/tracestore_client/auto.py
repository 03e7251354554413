"""Importing this configures tracing from the environment, before anything else of the application is imported."""

from . import configure

configure()
