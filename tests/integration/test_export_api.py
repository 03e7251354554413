"""Traces as lines: whole, in list order, cut at what Lambda can return, and continued by cursor."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, flat, path_of, span
from tests.calling import Reply

EXPORT = "/api/analytics/export"
LAMBDA_BYTES = 6_000_000
MB = 1_000_000

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


def test_a_line_is_the_span_as_its_route_shows_it(api: Api) -> None:
    api.send(
        span("t", end_time=at(2), output_data={"said": "👋"}), child("a", "root", input_data={"text": "q\n\u2028"})
    )
    lines = exported(api)
    assert ids(lines) == [("t", "a"), ("t", "root")]
    assert lines == [api.span("a"), api.span("root")]


def test_traces_come_newest_first_and_their_spans_by_start(api: Api) -> None:
    api.send(span("old"), span("new", start_time=at(60)), child("b", "root", "old", start_time=at(1)))
    assert ids(exported(api)) == [("new", "root"), ("old", "root"), ("old", "b")]
    assert ids(exported(api, order="asc")) == [("old", "root"), ("old", "b"), ("new", "root")]


def test_nothing_is_no_lines(api: Api) -> None:
    reply = api("GET", EXPORT)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"", "application/x-ndjson")
    assert "x-next-cursor" not in reply.headers


def test_a_limit_counts_traces(api: Api) -> None:
    api.send(*(span(f"t{n}", part, start_time=at(n)) for n in range(5) for part in "ab"))
    sizes = [len(page) for page in pages(api, limit=2)]
    assert sizes == [4, 4, 2]


def test_filters_are_those_of_the_list(api: Api) -> None:
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


def test_an_answer_is_gzipped_when_its_caller_accepts_it(api: Api) -> None:
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
def test_answers_are_cut_at_whole_traces(api: Api) -> None:
    for number in range(4):
        for part in "ab":
            assert api.post(span(f"t{number}", part, start_time=at(number), input_data=part * MB)).status == 201
    found = [ids(page) for page in pages(api, order="asc")]
    assert [[name for name, _ in page] for page in found] == [["t0", "t0", "t1", "t1"], ["t2", "t2", "t3", "t3"]]


@once
def test_a_trace_beyond_one_answer_is_exported_whole_in_several(api: Api) -> None:
    api.send(span("before", start_time=at(-60)), span("after", start_time=at(60)))
    for number in range(6):
        told = span(span_id=f"s{number}", start_time=at(number), input_data=str(number) * 3 * MB)
        assert api.post(told).status == 201
    found = list(pages(api, order="asc"))
    assert ids([line for page in found for line in page]) == [
        ("before", "root"),
        *(("t", f"s{number}") for number in range(6)),
        ("after", "root"),
    ]
    lines = [line for page in found for line in page]
    assert not any("payloads_omitted" in line for line in lines)
    assert [len(line["input_data"]) for line in lines[1:-1]] == [3 * MB] * 6


@once
def test_a_large_trace_is_the_same_in_lines_as_in_spans(api: Api) -> None:
    for batch in range(3):
        spans = [
            span(span_id=f"{batch}-{n}", start_time=at(n % 7), span_name="👋" * 500, input_data=n) for n in range(900)
        ]
        assert api.post(json.dumps({"spans": spans}, ensure_ascii=False).encode()).status == 201
    found = list(pages(api))
    assert len(found) >= 2
    lines = [line for page in found for line in page]
    assert sorted(line["span_id"] for line in lines) == sorted(f"{b}-{n}" for b in range(3) for n in range(900))
    assert lines == sorted(lines, key=lambda line: (line["start_time"], line["span_id"]))
    assert all(line["input_data"] == int(line["span_id"].partition("-")[2]) for line in lines)


@once
def test_a_large_trace_that_is_deleted_between_two_answers_ends(api: Api) -> None:
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
def test_a_span_that_no_answer_holds_says_what_it_lacks(api: Api) -> None:
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
def test_a_bad_request_is_refused_in_json(api: Api, query: dict[str, Any], code: str) -> None:
    assert failure(api("GET", EXPORT, query=query)) == (400, code)


@once
def test_a_cursor_of_a_list_is_not_one_of_an_export(api: Api) -> None:
    api.send(span("a"), span("b"))
    cursor = api.page(limit=1)["next_cursor"]
    assert failure(api("GET", EXPORT, query={"cursor": cursor})) == (400, "invalid_cursor")


@once
def test_what_is_written_meanwhile_neither_shifts_nor_repeats(api: Api) -> None:
    api.send(*(span(f"t{n}", start_time=at(n)) for n in range(6)))
    walk = pages(api, limit=2)
    found = next(walk)
    api.send(span("new", start_time=at(100)), child("late", "root", "t5", start_time=at(7)))
    found += [line for page in walk for line in page]
    assert ids(found) == [(f"t{n}", "root") for n in (5, 4, 3, 2, 1, 0)]


@once
def test_an_export_holds_every_span_that_the_forest_shows(api: Api) -> None:
    api.send(*(child(f"s{n}", f"s{n // 2}" if n else "nobody", f"t{n % 3}", start_time=at(n)) for n in range(40)))
    shown = [(node["trace_id"], node["span_id"]) for node in flat(api.page()["traces"])]
    assert sorted(ids(exported(api, limit=1))) == sorted(shown)
