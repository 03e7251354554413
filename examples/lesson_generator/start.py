"""Start the application with tracing. Only this file is new: `lessons.py` and `app.py` contain no tracing code.

OpenAI's client is instrumented. Anthropic's client traces itself, and the variable below makes it record the messages.

The environment alone can replace this file. Set
TRACESTORE_LESSONS='{"lessons:generate": {"lesson_id": "lesson_id"}}' and TRACESTORE_INSTRUMENT=openai, and run
`python -m tracestore_client app.py`.

`make examples ARGS=lesson_generator` runs this file offline; ARGS=lesson_generator_by_environment runs the alternative.
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
