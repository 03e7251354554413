"""Export of traces as lines: complete, in list order, cut at the size that Lambda can return, continued by cursor."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, fields_of, flat, path_of, span
from tests.gateway import Reply

EXPORT = "/api/analytics/export"
LAMBDA_BYTES = 6_000_000
MB = 1_000_000

DAYS = {"before": "29T22:59:59", "first": "29T23:00:00", "last": "30T21:59:59", "after": "30T22:00:00"}
"""Traces around the 30th in Berlin, which has 23 hours."""

once = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


def lines_of(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200, reply.body
    assert len(reply.body) < LAMBDA_BYTES
    assert reply.body == b"" or reply.body.endswith(b"\n")
    return [json.loads(line) for line in reply.body.splitlines()]


def pages(api: Api, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor: dict[str, str] = {}
    while True:
        reply = api("GET", EXPORT, query={**query, **cursor})
        yield lines_of(reply)
        if "x-next-cursor" not in reply.headers:
            return
        cursor = {"cursor": reply.headers["x-next-cursor"]}


def exported(api: Api, **query: Any) -> list[dict[str, Any]]:
    return [line for page in pages(api, **query) for line in page]


def ids(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(line["trace_id"], line["span_id"]) for line in lines]


def test_a_line_equals_the_span_of_its_route(api: Api) -> None:
    api.send(
        span("t", end_time=at(2), output_data={"text": "👋"}), child("a", "root", input_data={"text": "q\n\u2028"})
    )
    lines = exported(api)
    assert ids(lines) == [("t", "a"), ("t", "root")]
    assert lines == [api.span("a"), api.span("root")]


def test_traces_come_newest_first_and_their_spans_by_start(api: Api) -> None:
    api.send(span("old"), span("new", start_time=at(60)), child("b", "root", "old", start_time=at(1)))
    assert ids(exported(api)) == [("new", "root"), ("old", "root"), ("old", "b")]
    assert ids(exported(api, order="asc")) == [("old", "root"), ("old", "b"), ("new", "root")]


def test_an_export_of_no_traces_has_no_lines(api: Api) -> None:
    reply = api("GET", EXPORT)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"", "application/x-ndjson")
    assert "x-next-cursor" not in reply.headers


def test_a_limit_counts_traces(api: Api) -> None:
    api.send(*(span(f"t{n}", part, start_time=at(n)) for n in range(5) for part in "ab"))
    sizes = [len(page) for page in pages(api, limit=2)]
    assert sizes == [4, 4, 2]


def test_filters_work_as_in_the_list(api: Api) -> None:
    api.send(
        span("a", conversation_id="c", model_name="m"),
        child("x", "root", "a"),
        span("b", conversation_id="c", start_time=at(60)),
        span("c", model_name="m", error_type="E", start_time=at(120)),
    )
    assert ids(exported(api, conversation_id="c")) == [("b", "root"), ("a", "root"), ("a", "x")]
    assert ids(exported(api, model_name="m", status="error")) == [("c", "root")]
    assert ids(exported(api, start_date=at(30), end_date=at(90))) == [("b", "root")]
    assert ids(exported(api, trace_id="a,c", order="asc")) == [("a", "root"), ("a", "x"), ("c", "root")]


def test_days_are_included_whole_as_in_the_list(api: Api) -> None:
    api.send(*(span(trace_id, start_time=f"2025-03-{time}Z") for trace_id, time in DAYS.items()))
    day = {"start_date": "2025-03-30", "end_date": "2025-03-30", "timezone": "Europe/Berlin"}
    assert ids(exported(api, **day)) == [("last", "root"), ("first", "root")]
    assert ids(exported(api, start_date="2025-03-30T23:00:00 01:00")) == [("after", "root")]
    reply = api("GET", EXPORT, query={"start_date": "2025-02-30", "timezone": "Berlin"})
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == ["start_date", "timezone"]


def test_a_response_is_gzipped_when_its_caller_accepts_it(api: Api) -> None:
    api.send(*(span(f"t{n}") for n in range(5)))
    reply = api("GET", EXPORT, headers={"accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip"
    assert len(lines_of(reply)) == 5


def test_deleted_traces_and_spans_are_not_exported(api: Api) -> None:
    api.send(span("a"), span("b"), child("x", "root", "b"), span("c", conversation_id="gone"))
    for path, query in ((path_of("a"), ""), (path_of("b", "x"), ""), (TRACES, "conversation_id=gone")):
        assert api("DELETE", path, query=query).status == 200
    assert ids(exported(api)) == [("b", "root")]


@once
def test_responses_end_after_a_whole_trace(api: Api) -> None:
    for number in range(4):
        for part in "ab":
            assert api.post(span(f"t{number}", part, start_time=at(number), input_data=part * MB)).status == 201
    ids_by_page = [ids(page) for page in pages(api, order="asc")]
    assert [[name for name, _ in page] for page in ids_by_page] == [["t0", "t0", "t1", "t1"], ["t2", "t2", "t3", "t3"]]


@once
def test_a_trace_larger_than_one_response_is_exported_in_several(api: Api) -> None:
    api.send(span("before", start_time=at(-60)), span("after", start_time=at(60)))
    for number in range(6):
        large = span(span_id=f"s{number}", start_time=at(number), input_data=str(number) * 3 * MB)
        assert api.post(large).status == 201
    lines = exported(api, order="asc")
    assert ids(lines) == [
        ("before", "root"),
        *(("t", f"s{number}") for number in range(6)),
        ("after", "root"),
    ]
    assert not any("payloads_omitted" in line for line in lines)
    assert [len(line["input_data"]) for line in lines[1:-1]] == [3 * MB] * 6


@once
def test_a_large_trace_has_each_span_once_in_order(api: Api) -> None:
    for batch in range(3):
        spans = [
            span(span_id=f"{batch}-{n}", start_time=at(n % 7), span_name="👋" * 500, input_data=n) for n in range(900)
        ]
        assert api.post(json.dumps({"spans": spans}, ensure_ascii=False).encode()).status == 201
    line_pages = list(pages(api))
    assert len(line_pages) >= 2
    lines = [line for page in line_pages for line in page]
    assert sorted(line["span_id"] for line in lines) == sorted(f"{b}-{n}" for b in range(3) for n in range(900))
    assert lines == sorted(lines, key=lambda line: (line["start_time"], line["span_id"]))
    assert all(line["input_data"] == int(line["span_id"].partition("-")[2]) for line in lines)


@once
def test_a_large_trace_that_is_deleted_between_two_responses_ends(api: Api) -> None:
    api.send(span("older", start_time=at(-60)))
    for number in range(3):
        assert api.post(span(span_id=f"s{number}", input_data="x" * 3 * MB)).status == 201
    first = api("GET", EXPORT)
    assert len(lines_of(first)) == 1
    assert api("DELETE", path_of("t")).status == 200
    second = api("GET", EXPORT, query={"cursor": first.headers["x-next-cursor"]})
    assert lines_of(second) == []
    third = api("GET", EXPORT, query={"cursor": second.headers["x-next-cursor"]})
    assert ids(lines_of(third)) == [("older", "root")]


@once
def test_a_span_larger_than_any_response_is_marked_as_incomplete(api: Api) -> None:
    for name in ("input_data", "output_data"):
        assert api.post(span(**{name: "x" * 3 * MB}, metadata={"kept": True})).status == 201
    (line,) = exported(api)
    assert line["payloads_omitted"] is True
    assert line["metadata"] == {"kept": True}
    assert line == api.span()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"view": "summary"}, "invalid_request"),
        ({"limit": 0}, "invalid_parameter"),
        ({"cursor": "x"}, "invalid_cursor"),
        ({"status": "odd"}, "invalid_parameter"),
    ],
)
@once
def test_an_invalid_request_is_refused_in_json(api: Api, query: dict[str, Any], code: str) -> None:
    assert failure(api("GET", EXPORT, query=query)) == (400, code)


@once
def test_a_cursor_of_a_list_is_refused_by_the_export(api: Api) -> None:
    api.send(span("a"), span("b"))
    cursor = api.page(limit=1)["next_cursor"]
    assert failure(api("GET", EXPORT, query={"cursor": cursor})) == (400, "invalid_cursor")


@once
def test_writes_during_an_export_neither_skip_nor_repeat_traces(api: Api) -> None:
    api.send(*(span(f"t{n}", start_time=at(n)) for n in range(6)))
    remaining = pages(api, limit=2)
    lines = next(remaining)
    api.send(span("new", start_time=at(100)), child("late", "root", "t5", start_time=at(7)))
    lines += [line for page in remaining for line in page]
    assert ids(lines) == [(f"t{n}", "root") for n in (5, 4, 3, 2, 1, 0)]


@once
def test_an_export_contains_every_span_of_the_forest(api: Api) -> None:
    api.send(*(child(f"s{n}", f"s{n // 2}" if n else "nobody", f"t{n % 3}", start_time=at(n)) for n in range(40)))
    forest = [(node["trace_id"], node["span_id"]) for node in flat(api.page()["traces"])]
    assert sorted(ids(exported(api, limit=1))) == sorted(forest)
