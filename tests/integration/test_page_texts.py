"""Texts of the page that are long, of the other direction, or not where they are expected, at each width."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, expect

from tests.api import Api
from tests.gateway import Call, User
from tests.page_traces import ROWS, call_span
from tests.reading import Reader, address, browser, reader, reading

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

ARABIC = "مرحبا، أريد حجز رحلة إلى برلين غدًا مع طفلين. شكرًا جزيلاً! Please use ISO 8601."
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def phone(browser: Browser, address: str, user: User) -> Iterator[Reader]:
    """A reader with a narrow screen."""
    with reading(browser, address, user.token, width=390) as one:
        yield one


def messages(*texts: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "parts": [{"type": "text", "text": text}]} for text in texts]}


def box_of(element: Locator) -> FloatRect:
    """Where an element that is shown is."""
    box = element.bounding_box()
    assert box is not None
    return box


def is_cut(element: Locator) -> bool:
    """Whether a part of an element's text is outside of it, or it is itself outside of an element around it."""
    cut: bool = element.evaluate(
        """(element) => {
          if (element.scrollWidth > element.clientWidth + 1) return true;
          const box = element.getBoundingClientRect();
          for (let around = element.parentElement; around; around = around.parentElement) {
            const outer = around.getBoundingClientRect();
            if (getComputedStyle(around).overflow !== "visible" && box.right > outer.right + 1) return true;
          }
          return box.right > innerWidth;
        }"""
    )
    return cut


def test_a_running_trace_on_a_narrow_screen_has_its_name_and_all_actions(phone: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", seconds_ago=900, span_name="agent.trip_planner", status="pending", duration_ms=None)
    )
    phone.open("/traces/t/t")
    page = phone.page
    name = page.get_by_role("heading", level=1)
    expect(name).to_have_text("agent.trip_planner")
    assert not is_cut(name)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.get_by_role("button", name="More actions").click()
    for action in ("Copy a link", "Share", "Download the spans", "Delete the trace"):
        expect(page.get_by_role("button", name=action, exact=True)).to_be_in_viewport(ratio=1)
    page.get_by_role("link", name="Compare with another trace").click()
    page.wait_for_url("**/traces/compare?a=t")


def test_a_failed_trace_names_its_error_on_a_narrow_screen(phone: Reader, api: Api) -> None:
    api.send(call_span("t", "root", status="error", error_type="TimeoutError"))
    phone.open("/traces")
    expect(phone.page.locator(ROWS).get_by_text("TimeoutError")).to_be_visible()


def test_the_bars_of_durations_have_one_scale(reader: Reader, api: Api) -> None:
    for name, duration_ms in (("short", 1), ("long", 3_725_000)):
        api.send(call_span(name, "s", seconds_ago=7000) | {"duration_ms": duration_ms})
    reader.open("/traces")
    bars = reader.page.locator(f"{ROWS} .bar")
    expect(bars).to_have_count(2)
    assert len({bar.bounding_box()["width"] for bar in bars.all() if bar.bounding_box()}) == 1  # type: ignore[index]


def test_a_preview_of_a_trace_that_the_list_does_not_contain_is_shown(reader: Reader, api: Api) -> None:
    api.send(call_span("good", "s", span_name="went.well"), call_span("bad", "s", status="error", error_type="E"))
    reader.open("/traces?status=error&sel=good")
    expect(reader.page.locator(ROWS)).to_have_count(1)
    preview = reader.page.get_by_role("complementary", name="Preview")
    expect(preview.get_by_role("heading", name="went.well")).to_be_visible()


def test_a_long_type_of_an_error_is_wrapped_and_leaves_the_link_its_place(reader: Reader, api: Api) -> None:
    long = "a.very.long.module." + "Sub." * 50 + "RateLimitError"
    api.send(call_span("t", "root", status="error", error_type=long, error_message="too many"))
    reader.open("/traces/t/t?view=details")
    error = reader.page.get_by_role("region", name="Error")
    expect(error.get_by_role("heading")).to_have_text(long)
    assert not is_cut(error.get_by_role("heading"))
    link = error.get_by_role("link", name="like this in 24 h")
    assert not is_cut(link)
    assert box_of(link)["height"] < 30


def test_the_offer_to_squeeze_gaps_is_legible(reader: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", seconds_ago=120, operation_type="agent", duration_ms=60_000),
        call_span("t", "a", "root", 119),
        call_span("t", "b", "root", 62),
    )
    reader.open("/traces/t/t")
    offer = reader.page.get_by_role("button", name="of the time without a step: squeeze?")
    assert not is_cut(offer)
    offer.click()
    expect(reader.page.get_by_role("button", name="of the time without a step: squeezed")).to_be_visible()


def test_a_deep_row_keeps_room_for_its_name(reader: Reader, api: Api) -> None:
    spans = [
        call_span("t", f"s{level}", f"s{level - 1}" if level else None, operation_type="agent") for level in range(15)
    ]
    spans[-1] |= {"span_name": "exec_command", "status": "error", "error_type": "E"}
    api.send(*spans)
    reader.open("/traces/t/t")
    row = reader.page.get_by_role("row", name="exec_command")
    expect(row).to_have_attribute("aria-level", "15")
    label, cell = box_of(row.locator(".label")), box_of(row.locator(".name"))
    assert label["width"] > 60
    assert label["x"] + label["width"] <= cell["x"] + cell["width"]
    expect(row.get_by_role("gridcell").first).to_have_attribute("title", "exec_command · E · gpt-4o-mini")


def test_texts_from_right_to_left_begin_at_the_right(reader: Reader, api: Api) -> None:
    text = f"{ARABIC}\n\n- {ARABIC}\n\n| أ | ب |\n|---|---|\n| 1 | 2 |"
    api.send(call_span("t", "root", input_data=messages(text), output_data={"text": ARABIC}))
    reader.open("/traces")
    page = reader.page
    for previewed in page.locator(f"{ROWS} [dir=auto]").filter(has_text="مرحبا").all():
        assert previewed.evaluate("(element) => getComputedStyle(element).direction") == "rtl"
    reader.open("/traces/t/t?view=read")
    said = page.get_by_role("article", name="user")
    for part in ("p", "ul", "table"):
        assert said.locator(part).first.evaluate("(element) => getComputedStyle(element).direction") == "rtl", part


def test_an_image_in_the_form_of_a_providers_api_is_shown_on_request(reader: Reader, api: Api) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    api.send(call_span("t", "root", input_data={"messages": [{"role": "user", "content": content}]}))
    reader.open("/traces/t/t?view=details")
    page = reader.page
    expect(page.get_by_text("image/png")).to_be_visible()
    expect(page.locator("img")).to_have_count(0)
    page.get_by_role("button", name="Show", exact=True).click()
    image = page.get_by_role("img", name="As sent in this message")
    expect(image).to_be_visible()
    page.wait_for_function("document.querySelector('.media img').naturalWidth === 1")


def test_a_turn_whose_root_has_no_words_shows_those_inside(reader: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", operation_type="agent", conversation_id="talk"),
        call_span(
            "t", "call", "root", 59, input_data=messages("Where is my tent?"), output_data={"text": "On its way."}
        ),
    )
    reader.open("/traces/c/talk")
    turn = reader.page.get_by_role("region", name="Turn 1")
    expect(turn).to_contain_text("Where is my tent?")
    expect(turn).to_contain_text("On its way.")
    expect(turn).to_contain_text("The root span has no input and output")


def test_internal_steps_in_a_row_are_one_line_of_the_transcript(reader: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", operation_type="agent"),
        *(call_span("t", f"inner{step}", "root", 59 - step, operation_type="other") for step in range(5)),
        call_span("t", "call", "root", 50, input_data=messages("Hello?"), output_data={"text": "Yes."}),
    )
    reader.open("/traces/t/t?view=read")
    transcript = reader.page.get_by_role("region", name="Transcript")
    line = transcript.get_by_text("5 steps without words")
    line.click()
    transcript.get_by_role("listitem").nth(3).get_by_role("button").click()
    reader.page.wait_for_url("**span=inner3**")


HOSTILE = (
    '<script>window.ran=1</script><img src="https://other.example/a.png" onerror="window.ran=2">'
    "[link](javascript:window.ran=3) ![image](https://other.example/b.png) <svg onload=window.ran=4></svg>"
    '<a href="javascript:window.ran=5">x</a> <style>*{display:none}</style> \u202ereversed\u202c \u0007 {{ran}} ${ran}'
)


def test_hostile_text_in_every_field_runs_nothing_and_requests_nothing(reader: Reader, api: Api) -> None:
    texts = dict.fromkeys(("error_message", "error_stack", "output_data"), HOSTILE)
    names = dict.fromkeys(
        ("span_name", "model_name", "model_provider", "tool_name", "service_name", "end_user_id"),
        "\u202e" + HOSTILE[:120],
    )
    more = dict.fromkeys(
        ("environment", "release", "prompt_name", "conversation_id", "error_type"), "\u202e" + HOSTILE[:100]
    )
    said = [
        {"type": "text", "text": HOSTILE},
        {"type": "text", "text": "x" * 2_000_000},
        {"type": "reasoning", "text": HOSTILE},
    ]
    called = [{"type": "tool_call", "id": "1", "name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}]
    messages = [{"role": "user", "parts": said}, {"role": HOSTILE, "parts": called}]
    fields: dict[str, Any] = {
        **texts,
        **names,
        **more,
        "status": "error",
        "tags": ["\u202e" + HOSTILE[:60]],
        "metadata": {HOSTILE: [HOSTILE]},
    }
    api.send(call_span("t", "a", input_data={"messages": messages, HOSTILE: HOSTILE}, **fields))
    page = reader.page
    for view in ("/traces", "/traces?sel=t", "/traces/t/t?q=window.ran", "/traces/t/t?view=details"):
        reader.open(view)
        expect(page.get_by_text("<script>window.ran=1</script>").first).to_be_visible()
        assert "\u202e" not in page.locator("body").inner_text(), view
    expect(page.locator(".about").get_by_text("turn 1 of 1")).to_be_visible()
    page.get_by_role("button", name="Wrap long lines").click()
    for _ in range(3):
        reader.press("m")
        page.wait_for_timeout(200)
    for closed in page.locator("details:not([open]) > summary").all():
        closed.click()
    assert page.evaluate("window.ran") is None
    assert page.locator("#page img, #page iframe, #page style, #page script").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert "\u202e" not in page.locator(".details h2").inner_text()


def test_numbers_of_stored_json_are_shown_as_they_were_sent(reader: Reader, api: Api, call: Call) -> None:
    body = json.dumps(call_span("t", "a", input_data={"x": "BIG"})).replace('"BIG"', "12345678901234567890")
    assert (
        api("POST", "/api/analytics/traces", body=body.encode(), headers={"content-type": "application/json"}).status
        == 201
    )
    reader.open("/traces/t/t?view=details")
    expect(reader.page.get_by_role("group", name="Input")).to_contain_text("x: 12345678901234567890")
