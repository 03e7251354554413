"""A believable day of sample traces, ending now, and the way to send it to any deployment.

What the stories tell is in `dev.stories`; here is only when each happens and how it gets there.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import httpx

from dev.posting import Deployment, NotServed, batches, json_of, refusal
from dev.stories import Story, Trace, backstage, help_centre, lessons, review, support, travel
from dev.workloads import Span

TRACES: Final = 120
_CERTAIN: Final[tuple[tuple[Story, timedelta | None], ...]] = (
    (travel.long_trip, timedelta(minutes=52)),
    (support.conversation, timedelta(minutes=34)),
    (support.rate_limited, timedelta(hours=5, minutes=12)),
    (lessons.lesson_pending, timedelta(seconds=40)),
    (review.orphan, timedelta(hours=2, minutes=7)),
    (support.abroad(0), None),
    (support.abroad(1), None),
    (support.abroad(2), None),
    (support.abroad(3), None),
    (review.huge_review, timedelta(hours=3, minutes=20)),
    (lessons.lesson_timeout, None),
    (support.refund_that_fails, timedelta(hours=1, minutes=16)),
    (help_centre.provider_fallback, timedelta(hours=5, minutes=8)),
    (help_centre.by_retrieval, None),
    (travel.trip_pending, timedelta(seconds=75)),
    (review.context_too_long, None),
    (backstage.stopped_by_guardrail, None),
    (backstage.nightly_embeddings, timedelta(hours=9)),
    (backstage.meeting_notes, None),
    (support.rate_limited, timedelta(hours=5, minutes=10)),
    (support.rate_limited, timedelta(hours=5, minutes=4)),
    (help_centre.provider_fallback, timedelta(hours=5, minutes=2)),
    (help_centre.provider_fallback, timedelta(hours=4, minutes=57)),
)
"""What every day has, the most telling first, and how long ago; None: at some time of the day.

Five hours ago one provider was short of capacity for a quarter of an hour, as providers are.
"""
_USUAL: Final[tuple[tuple[Story, int], ...]] = (
    (support.order_question, 34),
    (help_centre.by_retrieval, 22),
    (lessons.lesson, 16),
    (review.review, 14),
    (travel.trip, 8),
    (backstage.meeting_notes, 4),
    (help_centre.provider_fallback, 1),
    (support.abroad(0), 1),
)
"""What fills the day, and how often."""

_LOAD_BY_HOUR: Final = (2, 1, 1, 1, 1, 2, 4, 8, 14, 19, 20, 17, 13, 15, 19, 18, 15, 12, 9, 8, 8, 7, 5, 3)
"""How busy each hour of the day is, in UTC."""

_LONGEST: Final = timedelta(minutes=6)
"""No story that picks its own time begins later before now than this, so that all of them have ended."""


def day(now: datetime, traces: int = TRACES) -> list[Trace]:
    """`traces` traces of the 24 hours before `now`, oldest first. The same `now` gives the same traces.

    With fewer than about 30 the most telling ones remain.
    """
    rng = Random(f"demo {now.isoformat()}")
    stories = iter(_CERTAIN)
    told: list[Trace] = []
    while len(told) < traces:
        story, ago = next(stories, (rng.choices(*zip(*_USUAL, strict=True))[0], None))
        told += story(rng, now - ago if ago else _some_time(rng, now))
    return sorted(told[:traces], key=lambda trace: min(str(span["start_time"]) for span in trace))


def send(base: str, key: str, traces: int | None = None, progress: Callable[[int, int], None] | None = None) -> int:
    """Sends a day of sample traces to the deployment at `base` and returns how many traces it took.

    `key` is an API key with the scope `ingest`, or a token. `progress` is told (traces sent, traces in all).
    *raises* NotServed.
    """
    told = day(datetime.now(UTC), TRACES if traces is None else traces)
    done = 0
    with Deployment(base, key) as deployment:
        for batch in batches(told, lambda trace: (len(trace), len(json.dumps(trace)))):
            _store(deployment, [span for trace in batch for span in trace])
            done += len(batch)
            if progress:
                progress(done, len(told))
    return done


def _some_time(rng: Random, now: datetime) -> datetime:
    """A moment of the last 24 hours, more likely when people are awake."""
    hours_ago = rng.choices(range(24), [_LOAD_BY_HOUR[(now.hour - ago) % 24] for ago in range(24)])[0]
    moment = now - timedelta(hours=hours_ago, seconds=rng.uniform(0, 3600))
    return min(moment, now - _LONGEST - timedelta(seconds=rng.uniform(0, 600)))


def _store(deployment: Deployment, spans: list[Span]) -> None:
    """One request. *raises* NotServed unless every span was stored."""
    answer = deployment.post("/api/analytics/traces", {"spans": spans})
    if answer.status_code != httpx.codes.CREATED:
        raise refusal(answer, "ingest")
    if rejected := json_of(answer).get("rejected"):
        raise NotServed(f"{len(rejected)} spans were refused, the first because: {rejected[0].get('message')}")
