"""Statistics of lessons: how many failed, fell back, and what they took, from the heads of the newest of them."""

from collections.abc import Sequence
from typing import Any, Final

from tracestore.api.traces.trace_json import usd
from tracestore.domain.heads import Summary
from tracestore.domain.times import NS_PER_MS

LESSONS_MOST: Final = 2_000
"""The newest lessons of a range that the statistics are about: as many as one request examines."""

_PERCENTILES: Final = (50, 95)


def lesson_statistics_json(summaries: Sequence[Summary]) -> dict[str, Any]:
    """The statistics of these lessons. *absent*: rates are 0 and durations null where no lesson has ended."""
    ended = [summary for summary in summaries if summary.status != "pending"]
    failed = sum(summary.status == "error" for summary in ended)
    fallbacks = sum(summary.has_fallback or bool(summary.fallback_providers) for summary in ended)
    cost = sum(summary.usage.cost_nano_usd or 0 for summary in summaries)
    wasted = sum(summary.usage.wasted_nano_usd for summary in summaries)
    durations = sorted(duration_ns for each in ended if (duration_ns := each.duration_ns) is not None)
    return {
        "lessons": len(summaries),
        "started": len(summaries) - len(ended),
        "completed": len(ended) - failed,
        "failed": failed,
        "failure_rate": _share(failed, len(ended)),
        "fallback_rate": _share(fallbacks, len(ended)),
        "total_duration_ms": {f"p{percent}": _percentile_ms(durations, percent) for percent in _PERCENTILES},
        "cost_usd": usd(cost),
        "wasted_cost_usd": usd(wasted),
        "wasted_share": _share(wasted, cost),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _percentile_ms(durations_ns: Sequence[int], percent: int) -> float | None:
    """The shortest duration that so many per cent of the lessons did not exceed."""
    if not durations_ns:
        return None
    return durations_ns[-(-len(durations_ns) * percent // 100) - 1] / NS_PER_MS
