"""Traces: list parameters, JSON, responses and the export."""
