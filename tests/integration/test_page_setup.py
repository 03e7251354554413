"""The view of API keys and of ways of sending, in Chromium."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.api import Api
from tests.gateway import Call
from tests.page_traces import call_span
from tests.reading import Reader, address, browser, reader, reading

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


def test_the_first_span_is_noticed_by_itself(reader: Reader, api: Api) -> None:
    reader.page.clock.install()
    reader.open("/traces")
    expect(reader.page.get_by_role("heading", name="No traces yet")).to_be_visible()
    api.send(call_span("first", "a"))
    reader.page.clock.run_for(4_000)
    reader.page.wait_for_url("**/traces/t/first")


def test_a_key_is_created_with_its_secret_shown_once_and_revoked(reader: Reader, api: Api, call: Call) -> None:
    page = reader.page
    reader.open("/traces/setup")
    page.get_by_label("Name").fill("the checkout")
    page.get_by_role("button", name="Create a key").first.click()
    secret = page.get_by_text(re.compile("^tsk_[A-Za-z0-9_-]{30,}$")).first
    expect(secret).to_be_visible()
    key = Api(call, None, {"x-api-key": secret.inner_text()})
    key.send(call_span("by-key", "a"))
    page.reload()
    expect(page.get_by_role("list", name="Keys")).to_contain_text("the checkout")
    expect(page.get_by_text(re.compile("^tsk_[A-Za-z0-9_-]{30,}$"))).to_have_count(0)
    page.get_by_role("button", name="Revoke the checkout").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("button", name="Revoke the checkout")).to_have_count(0)
    assert api("GET", "/api/keys").json["keys"] == []


def test_signed_in_by_a_key_the_view_of_keys_shows_the_commands(browser: Browser, address: str, api: Api) -> None:
    key = api.with_key("ingest", "read").headers["x-api-key"]
    with reading(browser, address, key, refusals=True) as reader:
        reader.open("/traces/setup")
        expect(reader.page.get_by_role("heading", name="Set-up")).to_be_visible()
        expect(reader.page.get_by_role("region", name="API keys")).to_contain_text("/api/keys")
