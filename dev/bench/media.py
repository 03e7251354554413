"""The cost of an image that each call of a trace sends again, as agents do with their history."""

import base64
import hashlib
import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from rich.console import Console

from dev.bench.deployment import Deployment, User
from dev.bench.meter import Meter
from dev.bench.report import rated, table

_CALLS: Final = 20
_IMAGE_BYTES: Final = 1_000_000
_TRACE: Final = "photo"


def report_media(console: Console, deployment: Deployment, meter: Meter) -> None:
    """Print the capacity units of an image of 1 MB that is sent in 20 calls of a trace, and of reading it."""
    user, image = deployment.user("viewer"), Random("image").randbytes(_IMAGE_BYTES)
    requests = [[_call(number, image)] for number in range(_CALLS)]
    sent = sum(len(json.dumps(spans)) for spans in requests)
    _, bytes_before = deployment.stored()
    rows = table(f"An image of 1 MB in {_CALLS} calls of a trace", "write units", "target", "read units", "calls")

    def send(first: int, last: int) -> None:
        for spans in requests[first:last]:
            user.post(spans)

    steps: list[tuple[str, Callable[[], None], int, float]] = [
        ("the first call", lambda: send(0, 1), 1, 1_010.0),
        ("each further call", lambda: send(1, _CALLS), _CALLS - 1, 4.0),
        ("reading the trace", lambda: user.get(f"/{_TRACE}"), 1, 0.0),
        ("reading the image", lambda: _assert_returned(user, image), 1, 0.0),
    ]
    for name, step, count, target in steps:
        meter.take()
        step()
        consumed = meter.take()
        rows.add_row(
            name,
            rated(consumed.write_units / count, target) if target else f"{consumed.write_units:g}",
            f"≤ {target:,.0f}" if target else "–",
            f"{consumed.read_units / count:.1f}",
            f"{consumed.call_count / count:.1f}",
        )
    console.print(rows)
    _, bytes_after = deployment.stored()
    console.print(f"{sent / 1e6:.1f} MB were sent, {(bytes_after - bytes_before) / 1e6:.2f} MB are stored.")


def _call(number: int, image: bytes) -> dict[str, Any]:
    """A model call about the image."""
    photo = {"type": "media", "mime_type": "image/png", "data": base64.b64encode(image).decode()}
    question = {"type": "text", "text": f"Question {number} about this photo"}
    return {
        "trace_id": _TRACE,
        "span_id": f"call-{number}",
        "span_name": "llm.completion",
        "operation_type": "completion",
        "model_name": "gpt-4o-mini",
        "start_time": f"2026-11-02T08:00:{number:02d}Z",
        "end_time": f"2026-11-02T08:00:{number:02d}.9Z",
        "input_data": {"messages": [{"role": "user", "parts": [photo, question]}]},
        "output_data": {"messages": [{"role": "assistant", "parts": [{"type": "text", "text": "A parcel."}]}]},
    }


def _assert_returned(user: User, image: bytes) -> None:
    path = f"/api/analytics/traces/{_TRACE}/media/{hashlib.sha256(image).hexdigest()}"
    answer = user.call("GET", path)
    assert (answer.status, answer.body) == (200, image)
