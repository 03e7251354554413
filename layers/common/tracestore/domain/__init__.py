"""Traces and counters: spans, merge, summaries, trees, usage, analytics. Pure: no AWS, no environment, no clock."""
