"""A believable day of sample traces, ending now, with a thin week before it, and the way to send them anywhere.

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
EARLIER_DAYS: Final = 6
EARLIER_TRACES: Final = 10
"""Of each day before the last: enough to know what is usual, and loaded within two seconds."""

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
    (support.rate_limited, timedelta(hours=5, minutes=11)),
    (support.rate_limited, timedelta(hours=5, minutes=9)),
    (support.rate_limited, timedelta(hours=5, minutes=7)),
    (support.rate_limited, timedelta(hours=5, minutes=6)),
    (support.rate_limited, timedelta(hours=5, minutes=5)),
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
    return sorted(told[:traces], key=_start)


def week(now: datetime) -> list[Trace]:
    """That day and, oldest first, the days before it, on which a little of the usual happened."""
    rng = Random(f"demo week {now.isoformat()}")
    earlier: list[Trace] = []
    for days_ago in range(EARLIER_DAYS, 0, -1):
        for _ in range(EARLIER_TRACES):
            story = rng.choices(*zip(*_USUAL, strict=True))[0]
            earlier += story(rng, _some_time(rng, now - timedelta(days=days_ago)))
    return sorted(earlier, key=_start) + day(now)


def send(base: str, key: str, traces: int | None = None, progress: Callable[[int, int], None] | None = None) -> int:
    """Sends a week of sample traces, or so many of its last day, to the deployment at `base`; returns how many.

    `key` is an API key with the scope `ingest`, or a token. `progress` is told (traces sent, traces in all).
    *raises* NotServed.
    """
    now = datetime.now(UTC)
    told = week(now) if traces is None else day(now, traces)
    done = 0
    with Deployment(base, key) as deployment:
        for batch in batches(told, lambda trace: (len(trace), len(json.dumps(trace)))):
            _store(deployment, [span for trace in batch for span in trace])
            done += len(batch)
            if progress:
                progress(done, len(told))
    return done


def _start(trace: Trace) -> str:
    return min(str(span["start_time"]) for span in trace)


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
