"""Lessons on the page, in Chromium: their documents, their calls and their deletion."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.api import Api
from tests.page_traces import call_span
from tests.reading import Reader, address, browser, reader

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


def lesson(api: Api, lesson_id: str, name: str, **fields: Any) -> None:
    """Store a lesson that is completed."""
    body = {
        "id": name,
        "lesson_id": lesson_id,
        "request_data": {"topic": f"About {name}"},
        "status": "completed",
        **fields,
    }
    reply = api("POST", "/api/traces", body=body)
    assert reply.status == 201, reply.body


def stored_lessons(api: Api) -> set[str]:
    """The ids of the lessons that are stored."""
    return {one["id"] for one in api("GET", "/api/traces", query={"view": "summary"}).json["traces"]}


def test_a_lesson_is_deleted_unless_the_reader_undoes_it_in_time(reader: Reader, api: Api) -> None:
    lesson(api, "rivers", "one")
    lesson(api, "rivers", "two")
    page = reader.page
    page.clock.install()
    reader.open("/traces/lessons/one")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this lesson trace").click()
    page.get_by_role("button", name="Undo").click()
    page.clock.run_for(6_000)
    assert stored_lessons(api) == {"one", "two"}
    reader.open("/traces/lessons/one")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this lesson trace").click()
    page.wait_for_url("**/traces/lessons")
    expect(page.get_by_text("About two")).to_be_visible()
    expect(page.get_by_role("grid", name="Lessons").get_by_text("About one")).to_have_count(0)
    assert stored_lessons(api) == {"one", "two"}
    with page.expect_response(lambda response: response.request.method == "DELETE"):
        page.clock.run_for(6_000)
    assert stored_lessons(api) == {"two"}


def test_all_traces_of_a_lesson_and_all_lessons_are_deleted_after_a_question(reader: Reader, api: Api) -> None:
    for name in ("one", "two"):
        lesson(api, "rivers", name)
    lesson(api, "hills", "three")
    api.send(call_span("no-lesson", "a"))
    page = reader.page
    reader.open("/traces/lessons?lesson_id=rivers")
    page.get_by_role("button", name="Delete this lesson").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 2 traces").click()
    expect(page.get_by_text("Deleted 2 lesson traces")).to_be_visible()
    assert stored_lessons(api) == {"three"}
    reader.open("/traces/lessons")
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("Deleted 1 lesson trace")).to_be_visible()
    assert stored_lessons(api) == set()
    assert api.summaries() == ["no-lesson"]


def test_a_lesson_shows_its_document_next_to_its_calls(reader: Reader, api: Api) -> None:
    calls = [
        {
            "provider": "openai",
            "request": {"prompt": "Write", "model": "gpt-4o"},
            "duration_ms": 1100,
            "success": False,
            "error": "overloaded",
        },
        {
            "provider": "anthropic",
            "request": {"prompt": "Write", "model": "claude-sonnet-4-5"},
            "response": {"content": "A **leaf**."},
            "duration_ms": 900,
        },
    ]
    lesson(api, "leaf", "one", response_data={"title": "The leaf", "sections": ["Light", "Water"]}, llm_calls=calls)
    page = reader.page
    reader.open("/traces/lessons/one")
    document = page.get_by_role("region", name="Request and response")
    expect(document.get_by_role("heading", name="The leaf")).to_be_visible()
    expect(document.get_by_text("Water")).to_be_visible()
    expect(page.get_by_role("region", name="Calls")).to_contain_text("openai")
    reader.press("m")
    expect(document.get_by_text('"The leaf"')).to_be_visible()
    reader.press("o")
    page.wait_for_url("**/traces/t/one")
