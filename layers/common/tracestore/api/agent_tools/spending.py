"""The tool that sums costs, from the counters of analytics. It is imported when it is called."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tracestore.api.analytics.analytics_json import GROUPS_MOST, measures_json, name_json, range_json
from tracestore.api.analytics.parameters import parse_query
from tracestore.api.analytics.reading import read_marginals, read_periods
from tracestore.domain.analytics import key_of_dimension, marginal_series, most_expensive_by, total_of
from tracestore.domain.dimensions import MARGINALS, OTHER
from tracestore.http.identity import Identity
from tracestore.http.request import Request
from tracestore.http.wiring import reader

from .answers import Answer, short
from .searching import NAME_TOKENS

_MEASURES: Final = ("cost_usd", "wasted_cost_usd", "calls", "errors", "total_tokens", "traces")


def costs(request: Request, caller: Identity, token_budget: int) -> dict[str, Any]:
    """The costs of a range, and of each group, the most expensive first. *absent*: grouped by model."""
    query = parse_query(dict.fromkeys(["group_by"], "model_name") | request.query, request.now_ms)
    assert query.group_by is not None
    stored = reader(request, caller)
    (by_bucket,) = read_periods(stored, "measures", [query.period])
    counters = list(by_bucket.values())
    if query.group_by in MARGINALS:
        hours, names = read_marginals(stored, [query.period], query.group_by)
        series = marginal_series(hours, query.group_by, GROUPS_MOST, names)
        groups = sorted(((each.name, each.total) for each in series), key=lambda group: -group[1].cost_nano_usd)
    else:
        selection = replace(query.selection, by_operation=query.group_by == "operation_type")
        groups = most_expensive_by(counters, selection, key_of_dimension(query.group_by), GROUPS_MOST, OTHER)
    answer = Answer(token_budget, lists=1)
    answer.put("range", range_json(query.period))
    answer.put("group_by", query.group_by)
    answer.put("totals", _row(measures_json(total_of(counters, query.selection))))
    rows = [{"group": short(name_json(name), NAME_TOKENS), **_row(measures_json(total))} for name, total in groups]
    answer.put_rows("groups", rows)
    return answer.end()


def _row(measures: Mapping[str, Any]) -> dict[str, Any]:
    """The measures of a group that a cost is made of. *absent*: what is zero is left out, except the cost."""
    return {name: measures[name] for name in _MEASURES if measures[name] or name == "cost_usd"}
