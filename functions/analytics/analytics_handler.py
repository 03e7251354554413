"""The routes of analytics: metrics, errors, providers, latencies, costs, anomalies, conversations, facets and scores.

No route reads spans: the cost of a response depends on its range and not on the number of traces.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tracestore.api.analytics.analytics_json import (
    GROUPS_MOST,
    conversation_costs_json,
    conversation_json,
    example_json,
    failures_json,
    groups_shown,
    heatmap_json,
    measures_json,
    name_json,
    range_json,
    score_groups_shown,
    score_json,
    series_json,
    values_json,
)
from tracestore.api.analytics.anomalies import anomaly_json, hours_of, read_anomalies
from tracestore.api.analytics.deletions import deletion_json
from tracestore.api.analytics.lessons import LESSONS_MOST, lesson_statistics_json
from tracestore.api.analytics.parameters import (
    ANALYTICS_PARAMETERS,
    AnalyticsQuery,
    chosen_end_user,
    conversation_filters,
    parse_query,
    parse_stored_range,
    score_name,
)
from tracestore.api.analytics.reading import (
    find_conversations,
    has_text,
    has_values,
    live_examples,
    newest_summaries,
    read_examples,
    read_hours,
    read_marginals,
    read_periods,
    read_values,
    top_traces_by_cost,
)
from tracestore.api.analytics.storage import TRACES_EXAMINED, StorageSums, storage_json
from tracestore.api.lessons.parameters import lesson_query
from tracestore.api.traces.trace_json import summary_json, time_or_none
from tracestore.domain.analytics import (
    Selection,
    candidates_by_cost,
    heatmaps_of,
    key_of_dimension,
    key_of_dimensions,
    marginal_series,
    most_expensive_by,
    ranked,
    series_of,
    top_conversations_by_cost,
    total_of,
    values_of,
)
from tracestore.domain.contributions import FACETS
from tracestore.domain.counters import SCORES_IN_COUNTER, VALUES_IN_COUNTER, MeasureCounter
from tracestore.domain.dimensions import MARGINALS, OTHER, FailureKind, Group
from tracestore.domain.errors import NotFound
from tracestore.domain.failures import failures_by_type, latest_failures
from tracestore.domain.heads import Summary
from tracestore.domain.health import Health, health_by, windows_of
from tracestore.domain.intervals import Period, whole_days
from tracestore.domain.score_groups import SCORE_DIMENSIONS
from tracestore.domain.scores import group_series, score_series
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS, format_time
from tracestore.http.app import App
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.parameters import limit_of
from tracestore.http.request import Request
from tracestore.http.response import Response, json_response, with_etag
from tracestore.http.wiring import reader
from tracestore.storage.user_store import TraceQuery

OPERATIONS_MOST: Final = 20
EXAMPLES_MOST: Final = 5
TOP_TRACES_MOST: Final = 20
CONVERSATIONS_DEFAULT: Final = 50

CONVERSATION_ID_MOST: Final = 256
"""The longest id of a conversation that a span may have, in characters."""

NO_SUCH_CONVERSATION: Final = "There is no such conversation."

app = App()
handler = app.handle


@app.route("GET /api/analytics/metrics", scope="read")
def show_metrics(request: Request, caller: Identity) -> Response:
    """The measures of all calls, in total and by point, for each group."""
    query = _query(request, "group_by", "end_user_id")
    points, end_user_id = query.points, chosen_end_user(request.query, query.group_by)
    most = groups_shown(len(points))
    if query.group_by in MARGINALS:
        (counters,) = _measures(request, caller, [query.period])
        marginals, names = read_marginals(reader(request, caller), points, query.group_by, end_user_id)
        total, groups = total_of(counters, query.selection), marginal_series(marginals, query.group_by, most, names)
    else:
        total, groups = series_of(_measures(request, caller, points), query.selection, query.group_by, most)
    groups_json = [series_json(group, points) for group in groups]
    return _answer(request, {**_in_points(query), "totals": measures_json(total), "groups": groups_json})


@app.route("GET /api/analytics/errors", scope="read")
def show_errors(request: Request, caller: Identity) -> Response:
    """Failures by type and point, with examples that can be seen."""
    query = _query(request)
    points = query.points
    counters = read_periods(reader(request, caller), "errors", points)
    by_type = failures_by_type(
        counters, query.selection, GROUPS_MOST, read_examples(reader(request, caller), query.period)
    )
    candidates = {error_type: failures.latest for error_type, failures in by_type.items()}
    examples = live_examples(reader(request, caller), candidates, EXAMPLES_MOST)
    total = sum(failures.count for failures in by_type.values())
    errors = [failures_json(name, failures, total, points, examples[name]) for name, failures in by_type.items()]
    return _answer(request, {**_in_points(query), "errors": errors})


@app.route("GET /api/analytics/providers", scope="read")
def show_providers(request: Request, caller: Identity) -> Response:
    """The health of each provider and each of its models, in the range and now."""
    query = _query(request)
    windows = windows_of(query.period)
    measures = _measures(request, caller, [window.period for window in windows])
    counters = [(window.name, of_window) for window, of_window in zip(windows, measures, strict=True)]
    providers = health_by(counters, query.selection, key_of_dimension("model_provider"))
    models = health_by(counters, query.selection, _model_of)
    models_by_calls = ranked({name: health.total for name, health in models.items()})[: 2 * GROUPS_MOST]

    (errors,) = read_periods(reader(request, caller), "errors", [query.period])
    kept = [*errors.values(), *read_examples(reader(request, caller), query.period)]
    latest = latest_failures(kept, query.selection, _model_of)
    candidates = {name: latest[name] for name in models_by_calls if name in latest}
    examples = live_examples(reader(request, caller), candidates, 1)
    last_errors = {
        name: {"error_type": span.kind.error_type, **example_json(span.example)}
        for name, spans in examples.items()
        for span in spans
    }
    providers_json = [
        {
            "model_provider": name_json(provider),
            **_health_json(providers[provider]),
            "models": [
                {
                    "model_name": name_json(name[1]),
                    **_health_json(models[name]),
                    "last_error": last_errors.get(name),
                }
                for name in models_by_calls
                if name[0] == provider
            ],
        }
        for provider in ranked({name: health.total for name, health in providers.items()})[:GROUPS_MOST]
    ]
    return _answer(request, {**range_json(query.period), "providers": providers_json})


@app.route("GET /api/analytics/heatmap", scope="read")
def show_heatmap(request: Request, caller: Identity) -> Response:
    """For each operation the number of calls by latency and point."""
    query = _query(request)
    points = query.points
    counters = _measures(request, caller, points)
    heatmaps = heatmaps_of(counters, query.selection, OPERATIONS_MOST)
    return _answer(request, {**_in_points(query), "heatmaps": [heatmap_json(heatmap, points) for heatmap in heatmaps]})


@app.route("GET /api/analytics/costs", scope="read")
def show_costs(request: Request, caller: Identity) -> Response:
    """Costs by their cause, the most expensive first, and the most expensive traces."""
    query = _query(request)
    (counters,) = _measures(request, caller, [query.period])
    values = read_values(reader(request, caller), query.period)
    by_operation = replace(query.selection, by_operation=True)

    def costs_by(selection: Selection, *names: str) -> list[dict[str, Any]]:
        rows = most_expensive_by(counters, selection, key_of_dimensions(names), GROUPS_MOST, (OTHER,) * len(names))
        return [
            {**dict(zip(names, map(name_json, group), strict=True)), **measures_json(aggregate)}
            for group, aggregate in rows
        ]

    traces = top_traces_by_cost(
        reader(request, caller), candidates_by_cost(values), query.period, query.selection, TOP_TRACES_MOST
    )
    conversations = conversation_costs_json(top_conversations_by_cost(values, GROUPS_MOST))
    return _answer(
        request,
        {
            **range_json(query.period),
            "totals": measures_json(total_of(counters, query.selection)),
            "by_model": costs_by(query.selection, "model_provider", "model_name"),
            "by_provider": costs_by(query.selection, "model_provider"),
            "by_operation": costs_by(by_operation, "operation_type"),
            "by_outcome": costs_by(query.selection, "model_provider", "status"),
            "by_conversation": conversations if query.selection.is_all else None,
            "conversation_days": range_json(whole_days(query.period)),
            "top_traces_by_cost": [summary_json(*listed) for listed in traces],
        },
    )


@app.route("GET /api/analytics/anomalies", scope="read")
def show_anomalies(request: Request, caller: Identity) -> Response:
    """Hours that are far above their own history, the latest first."""
    query = _query(request)
    anomalies = read_anomalies(reader(request, caller), hours_of(query.period, query.zone), query.selection)
    anomalies_json = [anomaly_json(anomaly, examples, query.zone) for anomaly, examples in anomalies]
    return _answer(request, {**range_json(query.period), "timezone": query.zone.key, "anomalies": anomalies_json})


@app.route("GET /api/analytics/conversations", scope="read")
def show_conversations(request: Request, caller: Identity) -> Response:
    """A page of conversations, last active first, each over its whole life."""
    query = _query(request, "limit", "cursor", "search", "end_user_id")
    limit = limit_of(request.query, CONVERSATIONS_DEFAULT)
    search, end_user_id = conversation_filters(request.query)
    cursor = ListCursor(request, caller)

    def matches(conversation_id: str, newest: Summary) -> bool:
        return (
            has_values(newest, query.selection)
            and (end_user_id is None or end_user_id in newest.values.get("end_user_id", ()))
            and (search is None or has_text(conversation_id, newest, search))
        )

    period = (
        query.period.start_ns if "start_date" in request.query else None,
        query.period.end_ns if "end_date" in request.query else None,
    )
    found, next_position = find_conversations(reader(request, caller), limit, cursor.position(), period, matches)
    conversations = [conversation_json(*conversation) for conversation in found]
    return _answer(request, {"conversations": conversations, "next_cursor": cursor.next(next_position)})


@app.route("GET /api/analytics/lessons", scope="read")
def show_lessons(request: Request, caller: Identity) -> Response:
    """The statistics of the newest lessons of a range."""
    request.only("start_date", "end_date", "timezone", "lesson_id", "provider_used")
    query = lesson_query({"start_date": format_time(request.now_ms * NS_PER_MS - NS_PER_DAY), **request.query})
    page = reader(request, caller).lessons(query, LESSONS_MOST)
    statistics = lesson_statistics_json([listed.head.summary for listed in page.traces])
    range_of_lessons = {"start_date": time_or_none(query.from_ns), "end_date": time_or_none(query.to_ns)}
    return _answer(request, {**range_of_lessons, **statistics, "scanned_to": time_or_none(page.scanned_to_ns)})


@app.route("GET /api/analytics/conversations/{conversation_id}", scope="read")
def show_conversation(request: Request, caller: Identity) -> Response:
    """One conversation over its whole life."""
    request.only()
    conversation_id = request.path["conversation_id"]
    if len(conversation_id) > CONVERSATION_ID_MOST:
        raise NotFound(NO_SUCH_CONVERSATION)
    stored = reader(request, caller)
    counter = stored.conversation(conversation_id)
    (newest,) = newest_summaries(stored, [(conversation_id, counter)])
    if newest is None:
        raise NotFound(NO_SUCH_CONVERSATION)
    return _answer(request, {"data": conversation_json(conversation_id, counter, newest)})


@app.route("GET /api/analytics/facets", scope="read")
def show_facets(request: Request, caller: Identity) -> Response:
    """The values of each field that lists filter by, with the number of traces that have them."""
    query = _query(request)
    values = values_of(read_values(reader(request, caller), query.period))
    facets = {name: values_json(values.get(name, {}), VALUES_IN_COUNTER) for name in FACETS}
    return _answer(request, {**range_json(whole_days(query.period)), "facets": facets})


@app.route("GET /api/analytics/storage", scope="read")
def show_storage(request: Request, caller: Identity) -> Response:
    """The estimated size of the stored traces by month, newest first."""
    request.only("start_date", "end_date", "timezone", "cursor")
    start_ns, end_ns, zone = parse_stored_range(request.query)
    cursor = ListCursor(request, caller)
    sums, after = StorageSums.from_cursor(cursor.position())
    query = TraceQuery(from_ns=start_ns, to_ns=end_ns)
    sizes = reader(request, caller).stored_sizes(query, TRACES_EXAMINED, after)
    sums.add(sizes.traces, zone)
    if sizes.next_position is None:
        sums.end_month()
    content = {**storage_json(sums, zone), "scanned_to": time_or_none(sizes.scanned_to_ns)}
    return _answer(request, {**content, "next_cursor": cursor.next(sums.cursor(sizes.next_position))})


@app.route("GET /api/analytics/deletions", scope="read")
def show_deletions(request: Request, caller: Identity) -> Response:
    """A page of the record of deletions, the latest first."""
    request.only("limit", "cursor")
    limit, cursor = limit_of(request.query), ListCursor(request, caller)
    records, next_position = reader(request, caller).deletion_records(limit, cursor.position())
    deletions = [deletion_json(record) for record in records]
    return _answer(request, {"deletions": deletions, "next_cursor": cursor.next(next_position)})


@app.route("GET /api/analytics/scores", scope="read")
def show_scores(request: Request, caller: Identity) -> Response:
    """The scores of traces over time: the number of values and their mean, by name and point."""
    request.only(*ANALYTICS_PARAMETERS, "group_by", "name")
    query = parse_query(request.query, request.now_ms, is_of_scores=True, groupings=SCORE_DIMENSIONS)
    name, points, stored = score_name(request.query), query.points, reader(request, caller)
    most_names = SCORES_IN_COUNTER if name else groups_shown(len(points))
    all_series = score_series(read_hours(stored, "scores", points), most_names)
    series = [score for score in all_series if name in (None, score.name)]
    if query.group_by is None:
        scores = [score_json(score, points) for score in series]
    else:
        most = score_groups_shown(len(points), len(series))
        counters = read_hours(stored, "score_groups", points)
        groups = group_series(counters, query.group_by, [score.name for score in all_series], most)
        scores = [score_json(score, points, groups[score.name]) for score in series]
    return _answer(request, {**_in_points(query), "scores": scores})


def _query(request: Request, *more: str) -> AnalyticsQuery:
    """The parsed request, which may have `more` than the common parameters. *raises*: Invalid when malformed."""
    request.only(*ANALYTICS_PARAMETERS, *more)
    return parse_query(request.query, request.now_ms)


def _model_of(counted: Group | FailureKind) -> tuple[str, str]:
    """The provider and the model of a group of calls or failures."""
    return counted.series.model_provider, counted.series.model_name


def _health_json(health: Health) -> dict[str, Any]:
    return {"state": health.now.state, "reason": health.now.reason, "totals": measures_json(health.total)}


def _measures(request: Request, caller: Identity, periods: Sequence[Period]) -> list[list[MeasureCounter]]:
    counters = read_periods(reader(request, caller), "measures", periods)
    return [list(of_period.values()) for of_period in counters]


def _in_points(query: AnalyticsQuery) -> dict[str, str]:
    return {**range_json(query.period), "interval": query.interval, "timezone": query.zone.key}


def _answer(request: Request, content: dict[str, Any]) -> Response:
    return with_etag(request, json_response(content))
