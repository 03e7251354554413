"""Starts the application with tracing. This file is all that is added: `lessons.py` and `app.py` do not know of it.

OpenAI's client is instrumented; Anthropic's traces itself, and is told to record what was said as well.

The same without this file, by the environment alone, and then `python -m tracestore_client app.py`:
TRACESTORE_LESSONS='{"lessons:generate": {"lesson_id": "lesson_id"}}' TRACESTORE_INSTRUMENT=openai
`make examples ARGS=lesson_generator` runs it offline, ARGS=lesson_generator_by_environment the other way.
"""

import os

import tracestore_client

os.environ.setdefault("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
tracestore_client.configure(
    service_name="lesson-generator",
    lessons={"lessons:generate": {"lesson_id": "lesson_id"}},
    instrument=["openai"],
)

import app  # noqa: E402

app.main()
