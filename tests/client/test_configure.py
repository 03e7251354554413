"""What `configure` makes of its arguments, the environment, and what the application has set up before."""

import ast
import sys
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import tracestore_client as client
from dev.template import ROOT
from tests.client.conftest import Configure, Store
from tracestore_client import Limits
from tracestore_client._settings import Settings, Unusable, read
from tracestore_client._state import state

ENVIRONMENT = {
    "TRACESTORE_ENDPOINT": "https://traces.example.com/",
    "TRACESTORE_API_KEY": "tsk_1 ",
    "TRACESTORE_LESSONS": '{"app.lessons:generate": {"lesson_id": "lesson_id"}}',
    "TRACESTORE_INSTRUMENT": "openai, anthropic",
    "OTEL_SERVICE_NAME": "teacher",
}


def settings(environment: dict[str, str], **told: Any) -> Settings:
    absent = dict.fromkeys(("endpoint", "api_key", "service_name", "lessons", "instrument", "keep", "limits"))
    return read(environment, **{**absent, **told})


def step() -> None:
    with client.span("step"):
        pass


def test_the_client_stands_on_opentelemetry_alone() -> None:
    roots = set()
    for file in (ROOT / "client" / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                roots |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots.add(str(node.module).partition(".")[0])
    assert roots - sys.stdlib_module_names == {"opentelemetry", "requests"}  # the latter is the exporter's own


def test_everything_can_come_from_the_environment() -> None:
    found = settings(ENVIRONMENT)
    assert (found.url, found.api_key, found.service_name) == (
        "https://traces.example.com/v1/traces",
        "tsk_1",
        "teacher",
    )
    assert [(rule.target, rule.lesson_id) for rule in found.lessons] == [("app.lessons:generate", "lesson_id")]
    assert found.instrument == ("openai", "anthropic")


def test_an_argument_wins_over_its_variable() -> None:
    found = settings(ENVIRONMENT, endpoint="http://localhost:1", lessons={}, service_name="other", instrument=())
    assert (found.url, found.lessons, found.service_name) == ("http://localhost:1/v1/traces", (), "other")


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"TRACESTORE_ENDPOINT": ""}, "no endpoint"),
        ({"TRACESTORE_API_KEY": ""}, "no API key"),
        ({"TRACESTORE_API_KEY": "tsk\n1"}, "paste it again"),
        ({"TRACESTORE_ENDPOINT": "traces.example.com"}, "no address"),
        ({"TRACESTORE_ENDPOINT": "http://a:b"}, "no address"),
        ({"TRACESTORE_LESSONS": "{"}, "not JSON"),
        ({"TRACESTORE_LESSONS": "[]"}, "an object"),
        ({"TRACESTORE_LESSONS": '{"app.lessons": {}}'}, "module:function"),
        ({"TRACESTORE_LESSONS": '{"a:b": {"lesson": 1}}'}, "nothing else"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_remedy(told: dict[str, str], problem: str) -> None:
    with pytest.raises(Unusable, match=problem):
        settings(ENVIRONMENT | told)


def test_limits_must_leave_room() -> None:
    with pytest.raises(Unusable, match="above 0"):
        settings(ENVIRONMENT, limits=Limits(batch_spans=0))


def test_a_configuration_that_cannot_be_used_is_logged_and_raises_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACESTORE_ENDPOINT", raising=False)
    assert not client.configure()
    assert not client.configure()
    assert caplog.messages == ["Nothing is traced: no endpoint: pass it to configure(), or set TRACESTORE_ENDPOINT."]


def test_a_second_configuration_sends_everything_once(configure: Configure, store: Store) -> None:
    provider = configure("http://127.0.0.1:9")
    configure(store.base, tracer_provider=provider)
    step()
    assert client.flush(5)
    assert client.stats().sent == 1


def test_what_waits_when_the_configuration_changes_goes_where_it_was_going(configure: Configure, store: Store) -> None:
    provider = configure(store.base, limits=Limits(interval_s=60))
    step()
    before = state.delivery
    assert before
    configure("http://127.0.0.1:9", tracer_provider=provider)
    assert before.flush(5)
    assert before.stats().sent == 1


def test_another_provider_leaves_the_first_in_peace(configure: Configure, store: Store) -> None:
    first = configure(store.base)
    configure(store.base)
    first.get_tracer("theirs").start_span("theirs").end()
    assert client.stats().queued == 0


def test_the_service_s_name_is_told_although_the_provider_has_another(configure: Configure, store: Store) -> None:
    theirs = TracerProvider(resource=Resource.create({"deployment": "blue"}), shutdown_on_exit=False)
    configure(store.base, tracer_provider=theirs)
    assert state.delivery
    described = state.delivery._described(theirs.get_tracer("theirs").start_span("theirs"))  # type: ignore[arg-type]
    assert {"service.name": "tests", "deployment": "blue"}.items() <= described.resource.attributes.items()


def test_spans_can_be_kept_out(configure: Configure, store: Store) -> None:
    provider = configure(store.base, keep=lambda span: span.name != "GET /healthz")
    for name in ("GET /healthz", "GET /lesson"):
        provider.get_tracer("web").start_span(name).end()
    assert client.flush(5)
    assert client.stats() == client.Stats(sent=1)


def test_an_instrumentation_that_is_not_there_is_told(configure: Configure, caplog: pytest.LogCaptureFixture) -> None:
    configure(instrument=["no-such-library"])
    assert "No instrumentation named no-such-library is installed." in caplog.messages
