"""Importing this module configures tracing from the environment. Import it before the rest of the application."""

from . import configure

configure()
