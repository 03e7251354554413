"""`configure`: its arguments, the environment, and providers that the application has already set up."""

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


def settings(environment: dict[str, str], **options: Any) -> Settings:
    absent = dict.fromkeys(("endpoint", "api_key", "service_name", "lessons", "instrument", "keep", "limits"))
    return read(environment, **{**absent, **options})


def step() -> None:
    with client.span("step"):
        pass


def test_the_client_imports_only_opentelemetry_and_requests() -> None:
    roots = set()
    for file in (ROOT / "client" / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                roots |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots.add(str(node.module).partition(".")[0])
    assert roots - sys.stdlib_module_names == {"opentelemetry", "requests"}  # which the exporter depends on


def test_all_settings_can_come_from_the_environment() -> None:
    loaded = settings(ENVIRONMENT)
    assert (loaded.url, loaded.api_key, loaded.service_name) == (
        "https://traces.example.com/v1/traces",
        "tsk_1",
        "teacher",
    )
    assert [(rule.target, rule.lesson_id) for rule in loaded.lessons] == [("app.lessons:generate", "lesson_id")]
    assert loaded.instrument == ("openai", "anthropic")


def test_an_argument_takes_precedence_over_its_variable() -> None:
    loaded = settings(ENVIRONMENT, endpoint="http://localhost:1", lessons={}, service_name="other", instrument=())
    assert (loaded.url, loaded.lessons, loaded.service_name) == ("http://localhost:1/v1/traces", (), "other")


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"TRACESTORE_ENDPOINT": ""}, "no endpoint"),
        ({"TRACESTORE_API_KEY": ""}, "no API key"),
        ({"TRACESTORE_API_KEY": "tsk\n1"}, "paste it again"),
        ({"TRACESTORE_ENDPOINT": "traces.example.com"}, "not a URL"),
        ({"TRACESTORE_ENDPOINT": "http://a:b"}, "not a URL"),
        ({"TRACESTORE_LESSONS": "{"}, "not valid JSON"),
        ({"TRACESTORE_LESSONS": "[]"}, "an object"),
        ({"TRACESTORE_LESSONS": '{"app.lessons": {}}'}, "module:function"),
        ({"TRACESTORE_LESSONS": '{"a:b": {"lesson": 1}}'}, "accepts only"),
    ],
)
def test_an_invalid_setting_is_reported_with_the_remedy(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(Unusable, match=problem):
        settings(ENVIRONMENT | variables)


def test_every_limit_must_be_greater_than_zero() -> None:
    with pytest.raises(Unusable, match="greater than 0"):
        settings(ENVIRONMENT, limits=Limits(batch_spans=0))


def test_an_invalid_configuration_is_logged_once_and_raises_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACESTORE_ENDPOINT", raising=False)
    assert not client.configure()
    assert not client.configure()
    assert caplog.messages == ["Tracing is off: no endpoint is set; pass it to configure() or set TRACESTORE_ENDPOINT."]


def test_a_second_configuration_sends_each_span_once(configure: Configure, store: Store) -> None:
    provider = configure("http://127.0.0.1:9")
    configure(store.base, tracer_provider=provider)
    step()
    assert client.flush(5)
    assert client.stats().sent == 1


def test_spans_queued_before_a_new_configuration_go_to_the_earlier_store(configure: Configure, store: Store) -> None:
    provider = configure(store.base, limits=Limits(interval_s=60))
    step()
    before = state.delivery
    assert before
    configure("http://127.0.0.1:9", tracer_provider=provider)
    assert before.flush(5)
    assert before.stats().sent == 1


def test_after_a_configuration_with_another_provider_the_first_no_longer_sends(
    configure: Configure, store: Store
) -> None:
    first = configure(store.base)
    configure(store.base)
    first.get_tracer("theirs").start_span("theirs").end()
    assert client.stats().queued == 0


def test_the_configured_service_name_replaces_the_one_of_the_provider(configure: Configure, store: Store) -> None:
    theirs = TracerProvider(resource=Resource.create({"deployment": "blue"}), shutdown_on_exit=False)
    configure(store.base, tracer_provider=theirs)
    assert state.delivery
    renamed = state.delivery._with_service_name(theirs.get_tracer("theirs").start_span("theirs"))  # type: ignore[arg-type]
    assert {"service.name": "tests", "deployment": "blue"}.items() <= renamed.resource.attributes.items()


def test_keep_can_exclude_spans(configure: Configure, store: Store) -> None:
    provider = configure(store.base, keep=lambda span: span.name != "GET /healthz")
    for name in ("GET /healthz", "GET /lesson"):
        provider.get_tracer("web").start_span(name).end()
    assert client.flush(5)
    assert client.stats() == client.Stats(sent=1)


def test_an_instrumentation_that_is_not_installed_is_logged(
    configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    configure(instrument=["no-such-library"])
    assert "No instrumentation named no-such-library is installed." in caplog.messages
