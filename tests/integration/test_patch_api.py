"""Changes to a stored span by HTTP."""

import time
from typing import Any

import pytest

from tests.api import Api, at, failure, fields_of, path_of, span


def test_a_duration_ends_a_span(api: Api) -> None:
    api.send(span())
    ended = api.patched(duration_ms=1500.5)
    assert (ended["end_time"], ended["status"]) == ("2025-01-02T10:00:01.500500Z", "success")


def test_an_end_time_ends_a_span(api: Api) -> None:
    api.send(span())
    ended = api.patched(end_time=at(2), output_data={"text": "done"}, output_tokens=7)
    assert (ended["duration_ms"], ended["status"], ended["output_tokens"]) == (2000, "success", 7)
    assert api.span() == ended


def test_a_duration_that_contradicts_the_end_is_kept_and_marked(api: Api) -> None:
    api.send(span())
    change: dict[str, Any] = {"end_time": at(5), "duration_ms": 1000}
    changed = api.patched(**change)
    assert (changed["end_time"], changed["duration_ms"], changed["clock_skew"]) == (at(5), 1000, True)
    assert api.patched(**change) == changed == api.span()


@pytest.mark.parametrize("change", [{"end_time": at(5)}, {"duration_ms": 5000}])
def test_a_change_of_the_end_replaces_a_contradicting_duration(api: Api, change: dict[str, Any]) -> None:
    api.send(span())
    api.patched(end_time=at(5), duration_ms=1000)
    changed = api.patched(**change)
    assert (changed["end_time"], changed["duration_ms"], changed["clock_skew"]) == (at(5), 5000, False)
    assert api.patched(**change) == changed


@pytest.mark.parametrize(
    ("change", "status"),
    [({"status": "error"}, "error"), ({"error_message": "No."}, "error"), ({"status": "success"}, "success")],
)
def test_a_status_or_an_error_ends_a_span(api: Api, change: dict[str, Any], status: str) -> None:
    api.send(span())
    assert api.patched(**change)["status"] == status


def test_a_field_that_is_sent_replaces_the_stored_one(api: Api) -> None:
    api.send(span(metadata={"a": 1, "b": {"c": 2}}, input_data="kept"))
    changed = api.patched(metadata={"b": {}})
    assert (changed["metadata"], changed["input_data"]) == ({"b": {}}, "kept")


def test_null_changes_nothing(api: Api) -> None:
    api.send(span(model_name="m", metadata={"a": 1}))
    changed = api.patched(model_name=None, metadata=None, tool_name="t")
    assert (changed["model_name"], changed["metadata"], changed["tool_name"]) == ("m", {"a": 1}, "t")


def test_a_change_takes_precedence_over_captures_before_and_after(api: Api) -> None:
    api.send(span(model_name="captured", end_time=at(1)))
    api.patched(model_name="corrected")
    api.send(span(model_name="late", end_time=at(9)))
    assert (api.span()["model_name"], api.span()["end_time"]) == ("corrected", at(9))


def test_the_last_change_wins(api: Api) -> None:
    api.send(span())
    for name in ("b", "c", "a"):
        api.patched(span_name=name)
    assert api.span()["span_name"] == "a"


def test_a_status_can_be_corrected(api: Api) -> None:
    api.send(span(status="success", end_time=at(1)))
    assert api.patched(status="error", error_type="Late")["status"] == "error"
    assert api.patched(status="success")["status"] == "success"


@pytest.mark.parametrize("ended", [{"end_time": at(1)}, {"status": "error"}, {"error_message": "x"}])
def test_an_ended_span_cannot_become_pending_again(api: Api, ended: dict[str, str]) -> None:
    api.send(span(**ended))
    before = api.span()
    assert failure(api.patch(status="pending", tool_name="t")) == (409, "span_ended")
    assert api.span() == before


def test_a_pending_status_changes_nothing_of_a_pending_span(api: Api) -> None:
    before = api.send(span())
    assert api.patched(status="pending") == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"end_time": at(-1)}, "end_time"),
        ({"start_time": at(60)}, "end_time"),
        ({"duration_ms": -1}, "duration_ms"),
        ({"end_time": at(-1), "duration_ms": 1000}, "end_time"),
        ({"end_time": at(5), "status": "pending"}, "status"),
        ({"trace_id": "other"}, "trace_id"),
        ({"span_id": "other"}, "span_id"),
        ({"colour": "red"}, "colour"),
        ({"start_time": "9999-01-01T00:00:00Z"}, "start_time"),
        ({"input_tokens": 2**53 + 1}, "input_tokens"),
    ],
)
def test_an_invalid_change_is_refused_and_changes_nothing(api: Api, change: dict[str, Any], field: str) -> None:
    before = api.send(span(end_time=at(1)))
    reply = api("PATCH", path_of("t", "root"), body=change)
    assert failure(reply) == (400, "invalid_request")
    assert fields_of(reply) == [field]
    assert api.span() == before


@pytest.mark.parametrize("body", [{}, {"tool_name": None}, {"user_id": "me", "id": "mine"}, [], "text", None])
def test_an_empty_change_is_refused(api: Api, body: Any) -> None:
    api.send(span())
    assert failure(api("PATCH", path_of("t", "root"), body=body))[0] == 400


def test_a_repeated_change_changes_nothing(api: Api) -> None:
    api.send(span())
    change: dict[str, Any] = {"end_time": at(1), "metadata": {"b": 1, "a": 2}, "status": "success"}
    changed = api.patched(**change)
    trace = api.trace()
    time.sleep(0.01)
    assert api.patched(**change) == changed
    assert api.trace() == trace


def test_a_change_sets_updated_at_and_no_other_server_field(api: Api) -> None:
    first = api.send(span())
    time.sleep(0.01)
    changed = api.patched(metadata={"a": 1})
    assert changed["updated_at"] > first["updated_at"]
    assert [changed[name] for name in ("id", "created_at", "expires_at")] == [
        first[name] for name in ("id", "created_at", "expires_at")
    ]
    assert api.trace()["summary"]["updated_at"] == changed["updated_at"]


def test_fields_that_the_server_sets_are_ignored_in_a_change(api: Api) -> None:
    first = api.send(span())
    changed = api.patched(id="mine", user_id="me", created_at=at(), expires_at=at(), tool_name="t")
    assert {name: value for name, value in changed.items() if name not in ("tool_name", "updated_at")} == {
        name: value for name, value in first.items() if name not in ("tool_name", "updated_at")
    }


def test_a_change_is_visible_in_the_trace_and_the_lists(api: Api) -> None:
    api.send(span())
    api.patched(span_name="renamed", status="error", conversation_id="c", output_data="the end")
    summary = api.trace()["summary"]
    assert [summary[name] for name in ("name", "status", "error_count", "output_preview")] == [
        "renamed",
        "error",
        1,
        "the end",
    ]
    assert api.summaries(conversation_id="c", has_errors="true") == ["t"]


def test_a_parent_can_be_corrected(api: Api) -> None:
    api.send(span(span_id="a"), span(span_id="b", parent_span_id="gone"))
    api.patched("b", parent_trace_id="a")
    (root,) = api.trace()["spans"]
    assert [node["span_id"] for node in root["children"]] == ["b"]


@pytest.mark.parametrize(("trace_id", "span_id"), [("t", "nope"), ("nope", "root"), ("t", "#"), ("..", "root")])
def test_the_change_of_an_absent_span_is_not_found(api: Api, trace_id: str, span_id: str) -> None:
    api.send(span())
    assert failure(api.patch(span_id, trace_id, status="error")) == (404, "not_found")


def test_a_deleted_span_cannot_be_changed(api: Api) -> None:
    api.send(span(), span(span_id="b"))
    assert api("DELETE", path_of("t", "b")).status == 200
    assert failure(api.patch("b", tool_name="t")) == (404, "not_found")


def test_a_span_of_a_deleted_trace_cannot_be_changed(api: Api) -> None:
    api.send(span())
    assert api("DELETE", path_of("t")).status == 200
    assert failure(api.patch(tool_name="t")) == (404, "not_found")
