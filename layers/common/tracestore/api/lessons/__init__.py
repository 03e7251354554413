"""Lesson traces: list parameters, JSON and responses."""
