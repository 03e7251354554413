"""Sample traces of a day that ends now and of a quiet week before it, and sending them to a deployment.

`tracestore_cli.samples` generates their content. This module chooses when each trace begins, and sends them.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import httpx

from tracestore_cli.posting import Deployment, NotServed, batches, json_of, refusal
from tracestore_cli.samples import Sample, Span, Trace, backstage, help_centre, lessons, review, support, travel

TRACES: Final = 120
EARLIER_DAYS: Final = 6
EARLIER_TRACES: Final = 10
"""Traces of each day before the last: enough for a baseline of normal values, and loaded within two seconds."""

_CERTAIN: Final[tuple[tuple[Sample, timedelta | None], ...]] = (
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
    (lessons.lesson_fallback, None),
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
"""The samples of every day, the most instructive first, and how long ago each began; None: at a random time.

Five hours ago, one provider lacked capacity for a quarter of an hour.
"""
_USUAL: Final[tuple[tuple[Sample, int], ...]] = (
    (support.order_question, 34),
    (help_centre.by_retrieval, 22),
    (lessons.lesson, 16),
    (review.review, 14),
    (travel.trip, 8),
    (backstage.meeting_notes, 4),
    (help_centre.provider_fallback, 1),
    (support.abroad(0), 1),
)
"""The samples that fill the day, and their relative frequency."""

_LOAD_BY_HOUR: Final = (2, 1, 1, 1, 1, 2, 4, 8, 14, 19, 20, 17, 13, 15, 19, 18, 15, 12, 9, 8, 8, 7, 5, 3)
"""Relative traffic in each hour of the day, in UTC."""

_LONGEST: Final = timedelta(minutes=6)
"""A sample at a random time begins at least this long ago, so that it has ended."""


def day(now: datetime, traces: int = TRACES) -> list[Trace]:
    """`traces` traces of the 24 hours before `now`, oldest first. Fewer than about 30 are the most instructive ones.

    *repeat*: the same `now` gives the same traces.
    """
    rng = Random(f"demo {now.isoformat()}")
    certain = iter(_CERTAIN)
    generated: list[Trace] = []
    while len(generated) < traces:
        sample, ago = next(certain, (rng.choices(*zip(*_USUAL, strict=True))[0], None))
        generated += sample(rng, now - ago if ago else _random_time(rng, now))
    return sorted(generated[:traces], key=_start)


def week(now: datetime) -> list[Trace]:
    """The days before the last, with a little of the usual traffic, and then that day, oldest first."""
    rng = Random(f"demo week {now.isoformat()}")
    earlier: list[Trace] = []
    for days_ago in range(EARLIER_DAYS, 0, -1):
        for _ in range(EARLIER_TRACES):
            sample = rng.choices(*zip(*_USUAL, strict=True))[0]
            earlier += sample(rng, _random_time(rng, now - timedelta(days=days_ago)))
    return sorted(earlier, key=_start) + day(now)


def send(
    base: str,
    key: str,
    traces: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    owner: str | None = None,
) -> int:
    """Send sample traces to the deployment at `base`, and return their number.

    `key` is an API key with the scope `ingest`, or a token, which acts for the team `owner` if it is given. `progress`
    is called with the traces sent and the total.
    *absent*: without `traces` a week is sent, else that many traces of its last day. *raises*: NotServed.
    """
    now = datetime.now(UTC)
    samples = week(now) if traces is None else day(now, traces)
    done = 0
    with Deployment(base, key, owner) as deployment:
        for batch in batches(samples, lambda trace: (len(trace), len(json.dumps(trace)))):
            _store(deployment, [span for trace in batch for span in trace])
            done += len(batch)
            if progress:
                progress(done, len(samples))
    return done


def _start(trace: Trace) -> str:
    return min(str(span["start_time"]) for span in trace)


def _random_time(rng: Random, now: datetime) -> datetime:
    """A moment of the last 24 hours, more likely in the daytime."""
    hours_ago = rng.choices(range(24), [_LOAD_BY_HOUR[(now.hour - ago) % 24] for ago in range(24)])[0]
    moment = now - timedelta(hours=hours_ago, seconds=rng.uniform(0, 3600))
    return min(moment, now - _LONGEST - timedelta(seconds=rng.uniform(0, 600)))


def _store(deployment: Deployment, spans: list[Span]) -> None:
    """Send one request. *raises*: NotServed unless every span was stored."""
    response = deployment.post("/api/analytics/traces", {"spans": spans})
    if response.status_code != httpx.codes.CREATED:
        raise refusal(response, "ingest")
    if rejected := json_of(response).get("rejected"):
        raise NotServed(f"{len(rejected)} spans were refused, the first of them because: {rejected[0].get('message')}")
