"""Lesson traces by HTTP: from their start to their deletion, and as a view of any trace."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.api import Api, at, child, failure, fields_of, path_of, span
from tests.gateway import Reply

LESSONS = "/api/traces"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
SECRET = "sk-proj-" + "Ab3" * 12


def call_sent(provider: str = "openai", **changes: Any) -> dict[str, Any]:
    """A model call that succeeded a second into the lesson."""
    return {
        "provider": provider,
        "request": {"prompt": "Plan it", "model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 100},
        "response": {"content": "1. Start", "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}},
        "duration_ms": 250.0,
        "success": True,
        "error": None,
        "timestamp": at(1),
        **changes,
    }


def started(api: Api, **fields: Any) -> dict[str, Any]:
    """A lesson trace that has just started."""
    return data(api("POST", LESSONS, body={"request_data": {"topic": "leaves"}, **fields}), 201)


def called(api: Api, lesson_id: str, **changes: Any) -> dict[str, Any]:
    """A call that was added to a lesson trace."""
    return data(api("POST", f"{LESSONS}/{lesson_id}/llm-calls", body=call_sent(**changes)), 201)


def finish(api: Api, trace_id: str, /, **changes: Any) -> Reply:
    return api("PATCH", f"{LESSONS}/{trace_id}", body=changes)


def lesson_of(api: Api, lesson_id: str) -> dict[str, Any]:
    """A lesson trace, which must exist."""
    return data(api("GET", f"{LESSONS}/{lesson_id}"))


def trace_id_of(lesson: dict[str, Any]) -> str:
    """The trace id of a lesson trace whose id the server created."""
    return str(lesson["id"]).replace("-", "")


def data(reply: Reply, status: int = 200) -> dict[str, Any]:
    assert reply.status == status, reply.body
    assert reply.json["success"] is True
    content: dict[str, Any] = reply.json["data"]
    return content


def listed(api: Api, **query: Any) -> tuple[list[str], int]:
    """The ids of a page, and the total."""
    reply = api("GET", LESSONS, query=query)
    assert reply.status == 200, reply.body
    return [lesson["id"] for lesson in reply.json["traces"]], reply.json["total"]


def pages(api: Api, **query: Any) -> Iterator[list[str]]:
    """The ids of a list, page by page."""
    cursor: dict[str, str] = {}
    while True:
        reply = api("GET", LESSONS, query={**query, **cursor})
        assert reply.status == 200, reply.body
        yield [lesson["id"] for lesson in reply.json["traces"]]
        if reply.json["next_cursor"] is None:
            return
        cursor = {"cursor": reply.json["next_cursor"]}


def test_a_lesson_can_be_started_added_to_and_finished(api: Api) -> None:
    lesson = started(api, lesson_id="leaves-7")
    assert (lesson["status"], lesson["completed_at"], lesson["llm_calls"]) == ("started", None, [])
    assert re.fullmatch(UUID, lesson["id"])
    failed = called(api, lesson["id"], provider="openai", success=False, error="overloaded", response=None)
    assert (failed["success"], failed["error"]) == (False, "overloaded")
    good = called(api, lesson["id"], provider="anthropic", timestamp=at(2))
    assert {name: good.get(name) for name in call_sent()} == call_sent("anthropic", timestamp=at(2))
    assert "response" not in failed
    over = data(finish(api, lesson["id"], status="completed", response_data={"title": "Leaves"}))
    assert over == lesson_of(api, lesson["id"])
    assert (over["status"], over["response_data"], over["request_data"]) == (
        "completed",
        {"title": "Leaves"},
        {"topic": "leaves"},
    )
    assert (over["provider_used"], over["fallback_providers"]) == ("anthropic", ["openai"])
    assert over["llm_calls"] == [failed, good]
    assert over["total_duration_ms"] >= 0
    assert over["completed_at"] >= over["created_at"] == lesson["created_at"]


def test_a_lesson_that_is_sent_in_one_request_is_returned_unchanged(api: Api) -> None:
    sent: dict[str, Any] = {
        "id": "lesson:7",
        "lesson_id": "leaves-7",
        "request_data": {"topic": "leaves", "pages": [1, 2]},
        "response_data": ["any", {"json": True}],
        "status": "failed",
        "provider_used": "mistral",
        "fallback_providers": ["openai"],
        "total_duration_ms": 4000.0,
        "created_at": at(0),
        "completed_at": at(4),
        "error_message": "no provider answered",
        "llm_calls": [call_sent(id="c1"), call_sent("google", timestamp=at(2), success=False, error="e", id="c2")],
    }
    del sent["llm_calls"][0]["error"]
    lesson = data(api("POST", LESSONS, body=sent), 201)
    assert {name: lesson[name] for name in sent} == sent
    assert lesson_of(api, "lesson:7") == lesson
    again = data(api("POST", LESSONS, body={**lesson, "user_id": "somebody"}), 201)
    assert again == lesson


def test_a_call_that_was_read_without_payloads_can_be_sent_again_in_a_lesson(api: Api) -> None:
    read = {**call_sent(id="c1"), "payloads_omitted": True, "user_id": "ada"}
    started(api, id="again", created_at=at(), llm_calls=[read])
    (call,) = lesson_of(api, "again")["llm_calls"]
    assert call["id"] == "c1"


def test_a_duration_that_contradicts_the_end_of_a_lesson_is_kept_and_marked(api: Api) -> None:
    times = {"completed_at": at(4), "total_duration_ms": 1500.0}
    lesson = started(api, id="sent-whole", created_at=at(), **times)
    started(api, id="ended-later", created_at=at())
    changed = data(finish(api, "ended-later", status="completed", **times))
    for stored in (lesson, changed, lesson_of(api, "sent-whole")):
        assert {name: stored[name] for name in times} == times
        assert (stored["created_at"], stored["clock_skew"]) == (at(), True)
    again = data(api("POST", LESSONS, body=lesson), 201)
    assert again == {**lesson, "updated_at": again["updated_at"]}
    early = finish(api, "ended-later", completed_at=at(-1), total_duration_ms=1500.0)
    assert (early.status, fields_of(early)) == (400, ["completed_at"])


def test_a_lesson_is_in_the_trace_list_with_its_costs(api: Api) -> None:
    lesson = started(api, lesson_id="leaves-7", created_at=at(), llm_calls=[call_sent()])
    summary = api.trace(trace_id_of(lesson))["summary"]
    assert (summary["lesson_id"], summary["status"], summary["llm_call_count"]) == ("leaves-7", "pending", 1)
    assert (summary["input_tokens"], summary["total_tokens"], summary["providers"]) == (10, 15, ["openai"])
    assert summary["cost_usd"] == pytest.approx(10 * 0.15e-6 + 5 * 0.6e-6)
    assert api.summaries() == [trace_id_of(lesson)]


@pytest.mark.parametrize("with_time", [True, False])
def test_a_repeated_start_under_the_same_id_changes_nothing(api: Api, with_time: bool) -> None:
    body = {"request_data": {"a": 1}, "id": "mine", "status": "completed", "llm_calls": [call_sent(timestamp=None)]}
    body |= {"created_at": at()} if with_time else {}
    first = data(api("POST", LESSONS, body=body), 201)
    finish(api, "mine", response_data="more")
    before = lesson_of(api, "mine")
    assert data(api("POST", LESSONS, body=body), 201) == before
    assert before["created_at"] == first["created_at"]


@pytest.mark.parametrize(("final", "other"), [("completed", "failed"), ("failed", "completed")])
def test_a_repeated_start_cannot_change_the_final_status(api: Api, final: str, other: str) -> None:
    body = {"request_data": {}, "id": "mine"}
    data(api("POST", LESSONS, body=body | {"status": final}), 201)
    assert failure(api("POST", LESSONS, body=body | {"status": other})) == (409, "lesson_ended")
    assert data(api("POST", LESSONS, body=body), 201)["status"] == final


def test_an_id_of_another_trace_is_refused(api: Api) -> None:
    api.send(span("t", "run"))
    reply = api("POST", LESSONS, body={"request_data": {}, "id": "t"})
    assert failure(reply) == (409, "conflict")
    assert api.trace("t")["summary"]["span_count"] == 1


def test_a_repeated_call_is_one_call_and_calls_may_arrive_in_any_order(api: Api) -> None:
    lesson = started(api, created_at=at())
    for second in (3, 1, 2, 1, 3):
        called(api, lesson["id"], timestamp=at(second))
    assert [call["timestamp"] for call in lesson_of(api, lesson["id"])["llm_calls"]] == [at(1), at(2), at(3)]


def test_calls_without_time_and_id_are_separate_calls(api: Api) -> None:
    lesson = started(api)
    ids = {called(api, lesson["id"], timestamp=None)["id"] for _ in range(2)}
    assert {call["id"] for call in lesson_of(api, lesson["id"])["llm_calls"]} == ids
    assert len(ids) == 2


def test_calls_without_a_time_keep_the_order_of_their_requests(api: Api) -> None:
    lesson = started(api)
    for provider, success in (("openai", False), ("google", False), ("anthropic", True)):
        called(api, lesson["id"], provider=provider, success=success, timestamp=None, duration_ms=len(provider) * 1000)
    stored = lesson_of(api, lesson["id"])
    assert [call["provider"] for call in stored["llm_calls"]] == ["openai", "google", "anthropic"]
    assert (stored["provider_used"], stored["fallback_providers"]) == ("anthropic", ["openai", "google"])
    assert all(call["timestamp"] >= lesson["created_at"] for call in stored["llm_calls"])


def test_a_repeated_call_with_an_id_and_no_time_is_one_call(api: Api) -> None:
    lesson = started(api)
    first = called(api, lesson["id"], id="c", timestamp=None)
    assert called(api, lesson["id"], id="c", timestamp=None) == first


def test_a_call_may_arrive_after_the_end_and_the_lesson_stays_ended(api: Api) -> None:
    lesson = started(api, created_at=at(), status="completed", completed_at=at(5))
    called(api, lesson["id"], timestamp=at(4), provider="late")
    after = lesson_of(api, lesson["id"])
    assert (after["status"], after["completed_at"], after["provider_used"]) == ("completed", at(5), "late")


def test_a_call_under_the_lessons_own_id_is_refused(api: Api) -> None:
    lesson = started(api)
    (root,) = api.trace(trace_id_of(lesson))["spans"]
    reply = api("POST", f"{LESSONS}/{lesson['id']}/llm-calls", body=call_sent(id=root["span_id"]))
    assert failure(reply) == (409, "conflict")


def test_a_failed_lesson_shows_the_failed_call(api: Api) -> None:
    lesson = started(api, created_at=at())
    called(api, lesson["id"], timestamp=at(1))
    called(api, lesson["id"], timestamp=at(2), success=False, error="timed out after 60 s", response=None)
    over = data(finish(api, lesson["id"], status="failed", error_message="section 2 was not written"))
    assert (over["status"], over["error_message"]) == ("failed", "section 2 was not written")
    assert [(call["success"], call.get("error")) for call in over["llm_calls"]] == [
        (True, None),
        (False, "timed out after 60 s"),
    ]
    assert api.summaries(has_errors="true") == [trace_id_of(lesson)]


@pytest.mark.parametrize("body", [{"status": "completed", "response_data": {"a": 1}, "provider_used": "x"}])
def test_a_repeated_change_changes_nothing(api: Api, body: dict[str, Any]) -> None:
    lesson = started(api)
    first = data(finish(api, lesson["id"], **body))
    assert data(finish(api, lesson["id"], **body)) == first


@pytest.mark.parametrize(("final", "other"), [("completed", "failed"), ("failed", "completed"), ("failed", "started")])
def test_the_final_status_cannot_be_changed(api: Api, final: str, other: str) -> None:
    lesson = started(api)
    data(finish(api, lesson["id"], status=final))
    assert failure(finish(api, lesson["id"], status=other)) == (409, "lesson_ended")
    assert data(finish(api, lesson["id"], lesson_id="named later"))["lesson_id"] == "named later"
    assert listed(api, lesson_id="named later", status=final) == ([lesson["id"]], 1)


@pytest.mark.parametrize("named", [{"id": "mine"}, {}])
@pytest.mark.parametrize("times", [(at(2), at(3)), (None, None)])
def test_a_change_adds_calls_to_the_stored_ones_and_can_be_repeated(
    api: Api, named: dict[str, str], times: tuple[str | None, str | None]
) -> None:
    lesson = started(api, created_at=at(0), llm_calls=[call_sent("mistral", timestamp=at(0))])
    called(api, lesson["id"], provider="openai", success=False, error="overloaded", response=None)
    calls = [call_sent("anthropic", timestamp=times[0], **named), call_sent("google", timestamp=times[1])]
    result = {"status": "completed", "response_data": "done", "completed_at": at(9), "llm_calls": calls}
    over = data(finish(api, lesson["id"], **result))
    assert [call["provider"] for call in over["llm_calls"]] == ["mistral", "openai", "anthropic", "google"]
    assert (over["status"], over["response_data"], over["provider_used"]) == ("completed", "done", "google")
    assert data(finish(api, lesson["id"], **result)) == over == lesson_of(api, lesson["id"])


def test_calls_of_a_change_without_a_time_follow_one_another_up_to_the_end(api: Api) -> None:
    lesson = started(api, created_at=at(0))
    called(api, lesson["id"], timestamp=at(1))
    calls = [call_sent(name, timestamp=None, duration_ms=1000) for name in ("openai", "google", "anthropic")]
    over = data(finish(api, lesson["id"], completed_at=at(10), status="completed", llm_calls=calls))
    assert [(call["provider"], call["timestamp"]) for call in over["llm_calls"][1:]] == [
        *(("openai", at(7)), ("google", at(8)), ("anthropic", at(9))),
    ]
    long = [call_sent("late", timestamp=None, duration_ms=60_000)]
    assert data(finish(api, lesson["id"], llm_calls=long))["llm_calls"][-1]["provider"] == "late"


def test_a_list_of_calls_that_grows_with_each_change_contains_each_call_once(api: Api) -> None:
    calls = [call_sent(name, timestamp=None) for name in ("openai", "google", "openai")]
    lesson = started(api, llm_calls=calls[:1])
    for count in (1, 2, 3, 3):
        changed = data(finish(api, lesson["id"], llm_calls=calls[:count]))
        assert [call["provider"] for call in changed["llm_calls"]] == [call["provider"] for call in calls[:count]]
    assert changed["status"] == "started"


def test_a_lesson_sent_back_as_it_was_read_keeps_its_calls(api: Api) -> None:
    lesson = started(api, created_at=at(0), llm_calls=[call_sent(), call_sent(timestamp=None)])
    called(api, lesson["id"], timestamp=None)
    read = lesson_of(api, lesson["id"])
    over = data(finish(api, lesson["id"], **{**read, "status": "completed"}))
    assert over["llm_calls"] == read["llm_calls"]


@pytest.mark.parametrize("final", ["completed", "failed"])
def test_a_change_adds_calls_to_an_ended_lesson_but_a_refused_change_adds_none(api: Api, final: str) -> None:
    lesson = started(api, created_at=at(0), status=final, completed_at=at(5))
    other = {"completed": "failed", "failed": "completed"}[final]
    assert failure(finish(api, lesson["id"], status=other, llm_calls=[call_sent()])) == (409, "lesson_ended")
    assert lesson_of(api, lesson["id"]) == lesson
    over = data(finish(api, lesson["id"], status=final, llm_calls=[call_sent("late")]))
    assert (over["status"], over["completed_at"]) == (final, at(5))
    assert [call["provider"] for call in over["llm_calls"]] == ["late"]


def test_a_change_with_a_call_under_the_lessons_own_id_is_refused_as_a_whole(api: Api) -> None:
    lesson = started(api)
    (root,) = api.trace(trace_id_of(lesson))["spans"]
    reply = finish(api, lesson["id"], status="completed", llm_calls=[call_sent(), call_sent(id=root["span_id"])])
    assert failure(reply) == (409, "conflict")
    assert lesson_of(api, lesson["id"]) == lesson


def test_a_deleted_call_of_a_change_is_refused_and_the_rest_is_stored(api: Api) -> None:
    started(api, id="l", created_at=at(0))
    deleted = called(api, "l", id="deleted")
    assert api("DELETE", path_of("l", deleted["id"])).status == 200
    reply = finish(api, "l", status="completed", llm_calls=[call_sent(id="deleted"), call_sent(id="kept")])
    assert failure(reply) == (409, "span_deleted")
    lesson = lesson_of(api, "l")
    assert (lesson["status"], [call["id"] for call in lesson["llm_calls"]]) == ("completed", ["kept"])


def test_calls_of_a_change_are_priced_and_masked_like_others(api: Api) -> None:
    lesson = started(api, created_at=at(0))
    finish(api, lesson["id"], llm_calls=[call_sent(error=SECRET, request={"prompt": SECRET, "model": "gpt-4o-mini"})])
    trace = api.trace(trace_id_of(lesson))
    assert trace["summary"]["cost_usd"] == pytest.approx(10 * 0.15e-6 + 5 * 0.6e-6)
    assert SECRET not in str(trace)
    assert str(trace).count("[redacted:openai_key]") >= 2


def test_each_call_of_a_change_may_be_as_large_as_one_of_its_own_route(api: Api) -> None:
    started(api, id="l", created_at=at(0))
    calls = [call_sent(response={"content": text * 2_500_000}, timestamp=at(1)) for text in "ab"]
    assert data(finish(api, "l", llm_calls=calls))["payloads_omitted"] is True
    too_large = finish(api, "l", status="failed", llm_calls=[call_sent(response={"content": "c" * 4_300_000})])
    assert failure(too_large) == (400, "span_too_large")
    assert (lesson_of(api, "l")["status"], len(lesson_of(api, "l")["llm_calls"])) == ("started", 2)


def test_a_provider_that_is_sent_later_is_added_to_the_metadata(api: Api) -> None:
    lesson = started(api, fallback_providers=["openai"])
    over = data(finish(api, lesson["id"], provider_used="anthropic"))
    assert (over["provider_used"], over["fallback_providers"]) == ("anthropic", ["openai"])


ONE_ID = {"hyphenated": "1f0c3f7d-5b9e-4c1f-8a6a-2b7f9d1e4c55", "plain": "1f0c3f7d5b9e4c1f8a6a2b7f9d1e4c55"}


@pytest.mark.parametrize("created_by", ["the server", "hyphenated", "plain"])
def test_a_uuid_has_hyphens_on_lesson_routes_and_none_elsewhere(api: Api, created_by: str) -> None:
    sent = {"id": ONE_ID[created_by]} if created_by in ONE_ID else {}
    lesson = started(api, created_at=at(0), **sent)
    forms = lesson["id"], trace_id_of(lesson)
    assert re.fullmatch(UUID, lesson["id"])
    assert lesson["id"] == ONE_ID["hyphenated"] or not sent
    assert api.summaries() == [forms[1]]
    for number, form in enumerate(forms):
        assert lesson_of(api, form)["id"] == lesson["id"]
        called(api, form, timestamp=at(number))
        assert data(finish(api, form, provider_used=f"p{number}"))["id"] == lesson["id"]
        again = data(api("POST", LESSONS, body={"id": form, "request_data": {"topic": "leaves"}}), 201)
        assert (again["id"], len(again["llm_calls"])) == (lesson["id"], number + 1)
    assert listed(api) == ([lesson["id"]], 1)


@pytest.mark.parametrize("form", ["hyphenated", "plain"])
@pytest.mark.parametrize("path", ["{}/{}", "{}?id={}"])
def test_both_forms_of_an_id_delete_the_lesson_for_good(api: Api, form: str, path: str) -> None:
    started(api, id=ONE_ID["plain"])
    path, _, query = path.format(LESSONS, ONE_ID[form]).partition("?")
    assert api("DELETE", path, query=query).json["deleted"] == {"traces": 1, "spans": 1}
    assert (listed(api), api.summaries()) == (([], 0), [])
    for again in ONE_ID.values():
        assert failure(api("POST", LESSONS, body={"id": again, "request_data": {}})) == (409, "trace_deleted")


@pytest.mark.parametrize("own_id", ["lesson:7", "1F0C3F7D-5B9E-4C1F-8A6A-2B7F9D1E4C55", "1f0c3f7d5b9e-4c1f", "A" * 32])
def test_an_id_of_the_caller_is_returned_as_it_was_sent(api: Api, own_id: str) -> None:
    assert started(api, id=own_id)["id"] == lesson_of(api, own_id)["id"] == own_id
    assert api.summaries() == [own_id]


@pytest.mark.parametrize("form", ["hyphenated", "plain"])
@pytest.mark.parametrize("native_form", ["hyphenated", "plain"])
def test_a_native_trace_with_a_uuid_is_found_by_both_forms(api: Api, form: str, native_form: str) -> None:
    api.send(span(ONE_ID[native_form], "run", lesson_id="l", end_time=at(2)))
    assert lesson_of(api, ONE_ID[form])["id"] == ONE_ID["hyphenated"]
    called(api, ONE_ID[form])
    assert api.trace(ONE_ID[native_form])["summary"]["span_count"] == 2
    assert failure(api("POST", LESSONS, body={"id": ONE_ID[form], "request_data": {}})) == (409, "conflict")
    assert api("DELETE", f"{LESSONS}/{ONE_ID[form]}").status == 200
    assert api.summaries() == []


def test_a_trace_that_is_not_a_lesson_does_not_hide_the_lesson_with_the_other_form(api: Api) -> None:
    for form, lesson_id in (("plain", None), ("hyphenated", "l")):
        api.send(span(ONE_ID[form], "run", lesson_id=lesson_id, operation_type="agent"))
    assert [lesson_of(api, form)["lesson_id"] for form in ONE_ID.values()] == ["l", "l"]
    assert api("DELETE", f"{LESSONS}/{ONE_ID['plain']}").status == 200
    assert api.summaries() == [ONE_ID["plain"]]


def test_a_native_trace_is_a_lesson_by_its_roots_lesson_id(api: Api) -> None:
    api.send(
        span("native", "run", lesson_id="l", end_time=at(2), input_data={"topic": 1}),
        child("step", "run", "native", operation_type="agent"),
        child("call", "step", "native", operation_type="completion", model_provider="openai", output_data="out"),
    )
    lesson = lesson_of(api, "native")
    assert (lesson["status"], lesson["request_data"], lesson["total_duration_ms"]) == ("completed", {"topic": 1}, 2000)
    assert [call["response"]["content"] for call in lesson["llm_calls"]] == ["out"]
    assert listed(api, lesson_id="l") == (["native"], 1)
    assert called(api, "native")["provider"] == "openai"
    assert {node["span_id"]: len(node["children"]) for node in api.trace("native")["spans"]} == {"run": 2}


def test_a_trace_sent_by_otlp_is_a_lesson_by_its_roots_attribute(api: Api) -> None:
    sent = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "name": "run",
        "startTimeUnixNano": str(10**18),
        "endTimeUnixNano": str(10**18 + 10**9),
        "attributes": [{"key": "lesson.id", "value": {"stringValue": "l"}}],
    }
    assert api("POST", "/v1/traces", body={"resourceSpans": [{"scopeSpans": [{"spans": [sent]}]}]}).status == 200
    assert listed(api, lesson_id="l") == (["abababab-abab-abab-abab-abababababab"], 1)


def test_a_trace_that_is_not_a_lesson_trace_is_not_found(api: Api) -> None:
    api.send(span("chat", "run", operation_type="agent"), child("c", "run", "chat", lesson_id="of the call only"))
    called_reply = api("POST", f"{LESSONS}/chat/llm-calls", body=call_sent())
    replies = [api("GET", f"{LESSONS}/chat"), finish(api, "chat", status="failed"), called_reply]
    replies += [api("DELETE", f"{LESSONS}/chat"), api("DELETE", LESSONS, query="id=chat")]
    assert {failure(reply) for reply in replies} == {(404, "not_found")}
    assert listed(api) == ([], 0)
    assert len(api.trace("chat")["spans"]) == 1


def test_a_list_can_be_read_by_cursor_offset_lesson_and_status(api: Api) -> None:
    for number in range(5):
        status = ("started", "completed", "failed")[number % 3]
        started(
            api, id=f"l{number}", created_at=at(number), status=status, lesson_id="even" if number % 2 == 0 else "odd"
        )
    assert list(pages(api, limit=2)) == [["l4", "l3"], ["l2", "l1"], ["l0"]]
    assert listed(api, limit=2, offset=1) == (["l3", "l2"], 5)
    assert listed(api, offset=5) == listed(api, offset=900) == ([], 5)
    assert listed(api, lesson_id="odd") == (["l3", "l1"], 2)
    assert listed(api, status="started", limit=1) == (["l3"], 2)
    assert listed(api, lesson_id="even", status="completed") == (["l4"], 1)
    assert listed(api, lesson_id="even", offset=1, limit=1) == (["l2"], 3)
    assert listed(api, lesson_id="nobody") == ([], 0)


def test_a_list_can_be_limited_to_a_range_of_times_or_days(api: Api) -> None:
    for lesson_id, created_at in (
        ("first", "2026-11-20T23:30:00Z"),
        ("second", "2026-11-21T12:00:00Z"),
        ("third", "2026-11-21T23:30:00Z"),
    ):
        status = "started" if lesson_id == "first" else "completed"
        started(api, id=lesson_id, created_at=created_at, lesson_id="x", status=status)
    day = {"start_date": "2026-11-21", "end_date": "2026-11-21"}
    assert listed(api, **day) == (["third", "second"], 2)
    assert listed(api, **day, timezone="Europe/Berlin") == (["second", "first"], 2)
    assert listed(api, **day, timezone="Europe/Berlin", status="completed", lesson_id="x") == (["second"], 1)
    assert listed(api, **day, offset=1) == (["second"], 2)
    assert listed(api, start_date="2026-11-21T12:00:00Z", limit=1) == (["third"], 2)
    assert listed(api, end_date="2026-11-21T13:00:00 01:00") == (["first"], 1)
    assert listed(api, start_date="2026-11-22", end_date="2026-11-20") == ([], 0)
    assert list(pages(api, limit=1, **day)) == [["third"], ["second"]]


@pytest.mark.parametrize("other", [{"start_date": "2026-11-20"}, {"timezone": "Europe/Berlin"}, {}])
def test_a_cursor_is_bound_to_the_range_of_its_list(api: Api, other: dict[str, str]) -> None:
    for number in range(3):
        started(api, id=f"l{number}", created_at=at(number))
    query = {"limit": 1, "start_date": at()[:10], "timezone": "UTC"}
    cursor = api("GET", LESSONS, query=query).json["next_cursor"]
    assert api("GET", LESSONS, query={**query, "cursor": cursor}).status == 200
    changed = {"limit": 1, **({**query, **other} if other else {}), "cursor": cursor}
    assert failure(api("GET", LESSONS, query=changed)) == (400, "invalid_cursor")


def test_pages_by_cursor_return_the_total_of_the_first_page(api: Api) -> None:
    for number in range(3):
        started(api, id=f"l{number}", created_at=at(number))
    first = api("GET", LESSONS, query={"limit": 1, "offset": 1}).json
    second = api("GET", LESSONS, query={"limit": 1, "cursor": first["next_cursor"]}).json
    assert [first["total"], second["total"]] == [3, 3]
    assert [lesson["id"] for lesson in second["traces"]] == ["l0"]


def test_an_unchanged_list_is_304(api: Api) -> None:
    started(api, id="l")
    tag = api("GET", LESSONS).headers["etag"]
    assert api("GET", LESSONS, headers={"if-none-match": tag}).status == 304
    called(api, "l")
    assert api("GET", LESSONS, headers={"if-none-match": tag}).status == 200


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "offset=-1", "offset=x", "status=pending", "lesson_id=", "cursor=x&offset=1"),
        *("start_date=yesterday", "end_date=2026-02-30", "timezone=Mars"),
    ],
)
def test_a_malformed_parameter_is_refused_by_name(api: Api, query: str) -> None:
    reply = api("GET", LESSONS, query=query)
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == [query.split("&")[-1].split("=")[0]]


def test_a_cursor_works_for_its_own_list_only(api: Api) -> None:
    for number in range(2):
        started(api, id=f"l{number}", lesson_id="x")
    cursor = api("GET", LESSONS, query={"limit": 1, "lesson_id": "x"}).json["next_cursor"]
    assert failure(api("GET", LESSONS, query={"limit": 1, "cursor": cursor})) == (400, "invalid_cursor")


def test_a_page_ends_after_a_whole_lesson(api: Api) -> None:
    for number in range(3):
        started(api, id=f"l{number}", created_at=at(number), response_data="x" * 2_500_000)
    assert list(pages(api)) == [["l2"], ["l1"], ["l0"]]


def test_a_lesson_larger_than_a_response_has_no_payloads_and_is_marked(api: Api) -> None:
    started(api, id="l", created_at=at(), response_data="x" * 3_000_000)
    called(api, "l", response={"content": "y" * 3_000_000})
    lesson = lesson_of(api, "l")
    assert (lesson["payloads_omitted"], lesson["response_data"]) == (True, None)
    assert [call["provider"] for call in lesson["llm_calls"]] == ["openai"]


@pytest.mark.parametrize("path", ["{}/l", "{}?id=l"])
def test_deleting_a_lesson_deletes_its_trace(api: Api, path: str) -> None:
    started(api, id="l", llm_calls=[call_sent()])
    assert api("DELETE", path.split("?")[0].format(LESSONS), query=path.partition("?")[2]).json["deleted"] == {
        "traces": 1,
        "spans": 2,
    }
    assert failure(api("GET", f"{LESSONS}/l")) == failure(api("GET", path_of("l"))) == (404, "not_found")
    assert listed(api) == ([], 0)
    assert failure(api("POST", LESSONS, body={"id": "l", "request_data": {}})) == (409, "trace_deleted")


def test_deleting_the_trace_deletes_the_lesson(api: Api) -> None:
    started(api, id="l")
    assert api("DELETE", path_of("l")).status == 200
    assert listed(api) == ([], 0)


@pytest.mark.parametrize(("query", "left"), [("lesson_id=one", ["other"]), ("deleteAll=true", [])])
def test_bulk_deletions_delete_lesson_traces_only(api: Api, other: Api, query: str, left: list[str]) -> None:
    other("POST", LESSONS, body={"id": "theirs", "request_data": {}, "lesson_id": "one"})
    api.send(span("chat", "run", operation_type="agent"), child("c", "run", "chat", lesson_id="one"))
    started(api, id="first", lesson_id="one")
    started(api, id="other", lesson_id="two")
    reply = api("DELETE", LESSONS, query=query)
    assert (reply.status, reply.json["deleted"]["traces"]) == (200, 2 - len(left))
    assert listed(api) == (left, len(left))
    assert "chat" in api.summaries()
    assert listed(other) == (["theirs"], 1)


def test_lesson_traces_before_a_time_can_be_deleted(api: Api, other: Api) -> None:
    other("POST", LESSONS, body={"id": "theirs", "request_data": {}, "created_at": at(0)})
    api.send(span("chat", "run", operation_type="agent", start_time=at(0)))
    for number in range(3):
        started(api, id=f"l{number}", created_at=at(number), llm_calls=[call_sent(timestamp=at(number))])
    reply = api("DELETE", LESSONS, query={"before": at(2)})
    assert (reply.status, reply.json["deleted"]) == (200, {"traces": 2, "spans": 4})
    assert listed(api) == (["l2"], 1)
    assert api.summaries() == ["l2", "chat"]
    assert listed(other) == (["theirs"], 1)


@pytest.mark.parametrize("before", ["2286-01-01T00:00:00Z", "2026-11-22", "x", ""])
def test_the_time_of_a_bulk_deletion_is_a_time_in_the_past(api: Api, before: str) -> None:
    reply = api("DELETE", LESSONS, query={"before": before})
    assert (failure(reply), fields_of(reply)) == ((400, "invalid_parameter"), ["before"])


@pytest.mark.parametrize("query", ["", "id=l&deleteAll=true", "deleteAll=yes", "before=2020-01-01T00:00:00Z&id=l"])
def test_a_bulk_deletion_needs_exactly_one_parameter(api: Api, query: str) -> None:
    started(api, id="l")
    assert api("DELETE", LESSONS, query=query).status == 400
    assert listed(api) == (["l"], 1)


def test_secrets_are_masked_in_every_field(api: Api) -> None:
    secret_call = call_sent(
        request={"prompt": SECRET, "model": "m"}, response={"content": {"deep": [SECRET]}}, error=SECRET, success=False
    )
    started(
        api, id="l", request_data={"api_key": SECRET, "text": SECRET}, llm_calls=[{**secret_call, "timestamp": at(0)}]
    )
    called(api, "l", **{name: secret_call[name] for name in ("request", "response", "error", "success")})
    finish(api, "l", response_data=[SECRET], error_message=SECRET, provider_used=SECRET, fallback_providers=[SECRET])
    body = api("GET", f"{LESSONS}/l").body.decode()
    assert SECRET not in body
    assert body.count("[redacted:openai_key]") >= 9
    assert SECRET not in str(api.trace("l"))


@pytest.mark.parametrize(
    ("method", "path", "body", "fields"),
    [
        ("POST", LESSONS, {"request": {}}, ["request_data", "request"]),
        ("POST", f"{LESSONS}/l/llm-calls", {"model": "m", "response": {"text": "t"}}, ["response.text", "model"]),
        ("PATCH", f"{LESSONS}/l", {"state": "done", "llm_calls": [{"model": "m"}]}, ["state", "llm_calls[0].model"]),
    ],
)
def test_unknown_fields_are_named(api: Api, method: str, path: str, body: dict[str, Any], fields: list[str]) -> None:
    started(api, id="l")
    reply = api(method, path, body=body)
    assert failure(reply) == (400, "invalid_request")
    assert sorted(fields_of(reply)) == sorted(fields)


@pytest.mark.parametrize("body", [[], "text", None, {"request_data": "x" * 4_300_000}])
def test_a_body_that_is_not_a_lesson_is_refused(api: Api, body: Any) -> None:
    assert api("POST", LESSONS, body=body).status == 400
    assert listed(api) == ([], 0)


@pytest.mark.parametrize("lesson_id", ["nobody", "%20", "x" * 200, quote("a/b", safe="")])
def test_an_absent_lesson_is_a_404_on_every_route(api: Api, lesson_id: str) -> None:
    path = f"{LESSONS}/{lesson_id}"
    replies = [api("GET", path), api("PATCH", path, body={"status": "failed"}), api("DELETE", path)]
    replies.append(api("POST", f"{path}/llm-calls", body=call_sent()))
    assert {failure(reply) for reply in replies} == {(404, "not_found")}


@pytest.mark.parametrize(
    "bad_call",
    [
        {"provider": [SECRET]},
        {"request": SECRET},
        {"request": {"temperature": SECRET}},
        {"response": {"usage": {"prompt_tokens": SECRET}}},
        {"timestamp": SECRET},
        {"id": f"{SECRET} "},
    ],
)
def test_no_error_repeats_a_value_that_was_sent(api: Api, bad_call: dict[str, Any]) -> None:
    started(api, id="l")
    replies = [
        api("POST", f"{LESSONS}/l/llm-calls", body=bad_call),
        api("POST", LESSONS, body={"request_data": 1, "llm_calls": [bad_call]}),
    ]
    assert {failure(reply) for reply in replies} == {(400, "invalid_request")}
    assert not any(SECRET in reply.body.decode() for reply in replies)


def lessons_with_providers(api: Api) -> None:
    """A lesson that fell back, one whose providers are stated, one that failed, and one that has started."""
    failed = {"success": False, "error": "overloaded", "response": None}
    bodies: dict[str, dict[str, Any]] = {
        "fell-back": {
            "llm_calls": [call_sent("openai", timestamp=at(0), **failed), call_sent("anthropic")],
            "status": "completed",
        },
        "stated": {"provider_used": "acme", "fallback_providers": ["other"], "status": "completed"},
        "failed": {"llm_calls": [call_sent("openai", timestamp=at(2), **failed)], "status": "failed"},
        "started": {"llm_calls": []},
    }
    for second, (name, body) in enumerate(bodies.items()):
        ended = {"completed_at": at(second + 2)} if "status" in body else {}
        sent = {"id": name, "request_data": {"topic": f"Topic {name}"}, "created_at": at(second), **ended, **body}
        assert api("POST", LESSONS, body=sent).status == 201


def test_a_summary_of_lessons_has_no_payloads_and_the_providers(api: Api) -> None:
    lessons_with_providers(api)
    reply = api("GET", LESSONS, query={"view": "summary"}).json
    by_id = {lesson["id"]: lesson for lesson in reply["traces"]}
    assert [*by_id] == ["started", "failed", "stated", "fell-back"]
    assert reply["total"] == 4
    providers = {name: (lesson["provider_used"], lesson["fallback_providers"]) for name, lesson in by_id.items()}
    assert providers == {
        "started": (None, []),
        "failed": (None, ["openai"]),
        "stated": ("acme", ["other"]),
        "fell-back": ("anthropic", ["openai"]),
    }
    fell_back = by_id["fell-back"]
    assert (fell_back["status"], fell_back["llm_call_count"], fell_back["total_duration_ms"]) == ("completed", 2, 2000)
    assert (fell_back["attempts"][0]["outcome"], fell_back["request_preview"]) == ("answered", "Topic fell-back")
    assert not {"request_data", "response_data", "llm_calls"} & set(fell_back)


def test_lessons_are_found_by_provider_and_by_text(api: Api) -> None:
    lessons_with_providers(api)
    queries: list[tuple[dict[str, Any], list[str]]] = [
        ({"provider_used": "anthropic"}, ["fell-back"]),
        ({"provider_used": "acme"}, ["stated"]),
        ({"provider_used": "openai"}, []),
        ({"search": "TOPIC F"}, ["failed", "fell-back"]),
        ({"search": "topic", "status": "failed"}, ["failed"]),
        ({"search": "topic", "start_date": at(2)}, ["started", "failed"]),
    ]
    for query, expected in queries:
        for view in ("summary", "full"):
            reply = api("GET", LESSONS, query={**query, "view": view}).json
            assert ([lesson["id"] for lesson in reply["traces"]], reply["total"]) == (expected, None)
    first = api("GET", LESSONS, query={"search": "topic", "limit": 3}).json
    rest = api("GET", LESSONS, query={"search": "topic", "limit": 3, "cursor": first["next_cursor"]}).json
    assert [lesson["id"] for lesson in rest["traces"]] == ["fell-back"]
    refused = api("GET", LESSONS, query={"search": "topic", "offset": 1})
    assert (refused.status, fields_of(refused)) == (400, ["offset"])


def test_the_statistics_of_lessons_count_failures_and_fallbacks(api: Api) -> None:
    lessons_with_providers(api)
    statistics = api("GET", "/api/analytics/lessons", query={"start_date": at(-10)}).json
    assert [statistics[name] for name in ("lessons", "started", "completed", "failed")] == [4, 1, 2, 1]
    assert (statistics["failure_rate"], statistics["fallback_rate"]) == (0.333333, 1.0)
    assert statistics["total_duration_ms"] == {"p50": 2000.0, "p95": 2000.0}
    assert statistics["scanned_to"] is None
    assert api("GET", "/api/analytics/lessons").json["lessons"] == 0
    assert (
        api("GET", "/api/analytics/lessons", query={"start_date": at(-10), "provider_used": "acme"}).json["lessons"]
        == 1
    )
