"""Sharing a trace and annotating it on the page, in Chromium."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.api import Api, span
from tests.gateway import User
from tests.page_traces import NODES
from tests.reading import WIDTHS, Reader, address, browser, reader, reading, visiting

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

HOSTILE: Final = '<img src=x onerror=alert(1)>"\u202e'


def send(api: Api, trace_id: str = "trip") -> None:
    """A trace of an agent with one call."""
    start = datetime.now(UTC) - timedelta(minutes=5)
    times = {"start_time": start.isoformat(), "duration_ms": 2_000}
    api.send(
        span(trace_id, "run", span_name="agent.run", operation_type="agent", end_user_id="ada", **times),
        span(
            trace_id,
            "call",
            parent_span_id="run",
            span_name="llm.completion",
            operation_type="completion",
            model_name="small",
            input_data="a secret question",
            output_data="a secret answer",
            **times,
        ),
    )


def share(api: Api, *, payloads: bool, trace_id: str = "trip") -> str:
    """The link of a new share, without the host."""
    body = {"payloads": payloads, "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    reply = api("POST", f"/api/analytics/traces/{trace_id}/shares", body=body)
    assert reply.status == 201, reply.body
    link: str = reply.json["data"]["link"]
    return link


def test_a_link_is_created_opened_listed_and_revoked(browser: Browser, address: str, user: User, api: Api) -> None:
    send(api)
    with reading(browser, address, user.token, refusals=True) as reader:
        reader.open("/traces/t/trip")
        page = reader.page
        page.get_by_role("button", name="Share", exact=True).click()
        dialog = page.get_by_role("dialog", name="Share this trace")
        expect(dialog.get_by_text("There is no valid link.")).to_be_visible()
        dialog.get_by_label("also inputs, outputs and error texts").check()
        dialog.get_by_label("It expires after").select_option("30 days")
        dialog.get_by_role("button", name="Create a link").click()
        link = dialog.get_by_label("The link", exact=True).input_value()
        assert re.fullmatch(rf"{re.escape(address)}/traces/shared#tss_[\w-]{{40,}}", link)
        (stored,) = api("GET", "/api/analytics/traces/trip/shares").json["shares"]
        left = datetime.fromisoformat(stored["expires_at"]) - datetime.now(UTC)
        assert (stored["payloads"], left.days) == (True, 29)
        guest = browser.new_context().new_page()
        guest.goto(link)
        expect(guest.locator(NODES)).to_have_count(2)
        dialog.get_by_role("button", name=re.compile("^Revoke the link")).click()
        expect(dialog.get_by_text("There is no valid link.")).to_be_visible()
        assert api("GET", "/api/analytics/traces/trip/shares").json["shares"] == []
        guest.context.close()


def test_a_guest_reads_the_trace_and_nothing_else(browser: Browser, address: str, api: Api) -> None:
    send(api)
    link = share(api, payloads=True)
    requests: list[Request] = []
    with visiting(browser, address) as visitor:
        guest = visitor.page
        guest.on("request", lambda request: requests.append(request))
        guest.goto(link)
        expect(guest.locator(NODES)).to_have_count(2)
        guest.locator(NODES).nth(1).click()
        expect(guest.get_by_text("a secret answer").first).to_be_visible()
        assert "span=call" in guest.url
        assert guest.url.endswith(link.split("#")[1]), "the secret stays in the address"
        guest.reload()
        expect(guest.get_by_text("a secret answer").first).to_be_visible()
        for name in ("Delete the trace", "Download the spans", "Share", "Good", "Back to the list", "Account"):
            expect(guest.get_by_label(name, exact=True)).to_have_count(0)
        expect(guest.get_by_text("ada")).to_have_count(0)
        guest.keyboard.press("x")
        guest.keyboard.press("s")
        guest.keyboard.press("Escape")
        guest.keyboard.press("Escape")
        expect(guest.locator(NODES)).to_have_count(2)
        guest.wait_for_load_state("networkidle")
        secret = link.split("#")[1]
        assert not [request.url for request in requests if secret in request.url]
        calls = [request for request in requests if "/api/" in request.url]
        assert calls
        assert all("/api/analytics/traces/-" in request.url for request in calls)
        assert all(request.method == "GET" for request in calls)
        assert guest.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").find("tss_") == -1


def test_a_link_without_payloads_shows_no_text(browser: Browser, address: str, api: Api) -> None:
    send(api)
    link = share(api, payloads=False)
    context = browser.new_context()
    guest = context.new_page()
    guest.goto(address + link)
    expect(guest.locator(NODES)).to_have_count(2)
    guest.locator(NODES).nth(1).click()
    guest.keyboard.press("d")
    expect(guest.locator(".details")).to_contain_text("small")
    assert "secret" not in guest.content()
    context.close()


def test_a_link_that_does_not_work_says_why_it_may_not(browser: Browser, address: str) -> None:
    context = browser.new_context()
    guest = context.new_page()
    guest.goto(f"{address}/traces/shared#tss_{'x' * 43}")
    expect(guest.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    guest.goto(f"{address}/traces/shared")
    expect(guest.get_by_role("heading", name="This link is not complete")).to_be_visible()
    expect(guest.get_by_label("Token or API key")).to_have_count(0)
    context.close()


def test_a_share_that_is_read_does_not_sign_the_reader_out(reader: Reader, api: Api) -> None:
    send(api)
    link = share(api, payloads=True)
    reader.page.goto(reader.base + link)
    expect(reader.page.locator(NODES)).to_have_count(2)
    reader.open("/traces/t/trip")
    expect(reader.page.get_by_role("button", name="Account")).to_be_visible()
    expect(reader.page.locator(NODES)).to_have_count(2)


def annotations(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api("GET", "/api/analytics/traces/trip/annotations").json["annotations"]
    return found


def test_plus_and_minus_say_good_and_bad_where_one_reads(reader: Reader, api: Api, user: User) -> None:
    send(api)
    reader.open("/traces/t/trip?view=details&span=call")
    page = reader.page
    panel = page.get_by_role("region", name="Annotations of the span")
    expect(panel.get_by_label("Good", exact=True)).to_be_visible()
    reader.press("+")
    expect(panel.get_by_role("link", name="good")).to_be_visible()
    (one,) = annotations(api)
    assert (one["name"], one["value"], one["span_id"], one["source"]) == ("feedback", True, "call", user.name)
    reader.press("-")
    expect(panel.get_by_role("link", name="bad")).to_be_visible()
    assert [one["value"] for one in annotations(api)] == [False]
    reader.press("-")
    expect(panel.get_by_role("link", name="bad")).to_have_count(0)
    assert annotations(api) == []
    reader.press("k")
    root = page.get_by_role("region", name="Annotations of the trace")
    expect(root).to_be_visible()
    reader.press("+")
    expect(root.get_by_role("link", name="good")).to_be_visible()
    assert [one["span_id"] for one in annotations(api)] == [None]


def test_scores_labels_tags_and_notes_are_written_and_the_list_filters_by_them(reader: Reader, api: Api) -> None:
    send(api)
    send(api, "other")
    reader.open("/traces/t/trip?view=details&span=run")
    page = reader.page
    expect(page.get_by_role("button", name="Annotate")).to_be_visible()
    reader.press("s")
    dialog = page.get_by_role("dialog", name="Annotate the trace")
    dialog.get_by_role("textbox", name="Score").fill("much")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_have_text("A score is a number, such as 0.8.")
    dialog.get_by_role("textbox", name="Score").fill("0.8")
    dialog.get_by_label("Comment").fill("Names no museum.")
    dialog.get_by_role("button", name="Save").click()
    written = page.locator("dialog[aria-labelledby=annotate-title]")  # hidden at once, and gone with its last event
    expect(written).to_have_count(0)
    for kind, field, text in (
        ("Label", "Label", HOSTILE),
        ("Tag", "Name", "golden"),
        ("Note", "Text", "Look at " + "this " * 150),
    ):
        reader.press("s")
        dialog.get_by_role("button", name=kind).click()
        dialog.locator("label").filter(has_text=field).locator("input, textarea").fill(text)
        dialog.get_by_role("button", name="Save").click()
        expect(written).to_have_count(0)
    stored = {one["name"]: one for one in annotations(api)}
    assert set(stored) == {"quality", "category", "golden", "note"}
    assert (stored["quality"]["value"], stored["quality"]["comment"]) == (0.8, "Names no museum.")
    assert stored["golden"]["value"] is True
    assert len(stored["note"]["value"]) <= 512 < len(stored["note"]["comment"])
    panel = page.get_by_role("region", name="Annotations of the trace")
    expect(panel).to_contain_text("Names no museum.")
    assert page.locator("main img").count() == 0
    panel.get_by_role("link", name="quality 0.8").click()
    expect(page.locator(".traces [role=row][aria-selected]")).to_have_count(1)
    expect(page.locator("#row-trip")).to_be_visible()
    page.go_back()
    panel.get_by_role("link", name="golden").click()
    expect(page.locator(".traces [role=row][aria-selected]")).to_have_count(1)
    page.go_back()
    panel.get_by_role("button", name="Remove golden").click()
    expect(panel.get_by_role("link", name="golden")).to_have_count(0)
    assert {one["name"] for one in annotations(api)} == {"quality", "category", "note"}


def test_a_key_that_may_only_read_cannot_annotate(browser: Browser, address: str, user: User, api: Api) -> None:
    send(api)
    key = api("POST", "/api/keys", body={"name": "reader", "scopes": ["read"]}).json["data"]["secret"]
    with reading(browser, address, key, refusals=True) as reader:
        reader.open("/traces/t/trip?view=details&span=run")
        expect(reader.page.locator(".details")).to_be_visible()
        expect(reader.page.get_by_role("button", name="Annotate")).to_have_count(0)
        reader.press("+")
        expect(reader.page.get_by_text("scope annotate")).to_be_visible()
        reader.page.get_by_role("button", name="Share", exact=True).click()
        expect(reader.page.get_by_text("an API key cannot")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_sharing_and_annotating_are_accessible_at_every_width_and_theme(
    browser: Browser, address: str, user: User, api: Api, width: int, dark: bool
) -> None:
    send(api)
    share(api, payloads=True)
    body = {"value": 0.8, "comment": "Names no museum."}
    assert api("PUT", "/api/analytics/traces/trip/annotations/quality", body=body).status == 200
    with reading(browser, address, user.token, width=width, dark=dark) as reader:
        page = reader.page
        reader.open("/traces/t/trip?view=details&span=run")
        expect(page.get_by_role("link", name="quality 0.8")).to_be_visible()
        assert reader.violations() == []
        reader.press("s")
        expect(page.get_by_role("dialog", name="Annotate the trace")).to_be_visible()
        assert reader.violations() == []
        reader.press("Escape")
        if width == min(WIDTHS):
            page.get_by_role("button", name="More actions").click()
            assert reader.violations() == []
        page.get_by_role("button", name="Share", exact=True).click()
        expect(page.get_by_role("heading", name="Valid links")).to_be_visible()
        assert reader.violations() == []
        reader.press("Escape")
        page.goto(address + share(api, payloads=False))
        expect(page.locator(NODES)).to_have_count(2)
        assert reader.violations() == []
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_no_request_of_a_share_is_logged_with_its_secret(
    browser: Browser, address: str, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    send(api)
    link = share(api, payloads=True)
    caplog.clear()
    context = browser.new_context()
    guest = context.new_page()
    guest.goto(address + link)
    expect(guest.locator(NODES)).to_have_count(2)
    context.close()
    logged = [str(vars(record)) for record in caplog.records]
    assert any("/api/analytics/traces/{trace_id}" in record for record in logged)
    assert not [record for record in logged if link.split("#")[1] in record]
