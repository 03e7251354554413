"""`configure`: the settings of this process put into effect, as often as is asked."""

import atexit
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, Final

from opentelemetry import trace as otel
from opentelemetry.sdk.environment_variables import OTEL_ATTRIBUTE_COUNT_LIMIT, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider

from . import _by_name
from ._delivery import Delivery
from ._quiet import forget_told, never_raises, tell_once
from ._sending import Sender, be_silent
from ._settings import Limits, Settings, Unusable, read
from ._state import Tap, lock, shutdown, state

MAX_ATTRIBUTES: Final = 4_096
"""Of a span of ours. OpenTelemetry's default of 128 loses the end of a conversation with an attribute a message."""


def configure(
    endpoint: str | None = None,
    api_key: str | None = None,
    service_name: str | None = None,
    *,
    lessons: Mapping[str, Any] | None = None,
    instrument: Iterable[str] | None = None,
    keep: Callable[[ReadableSpan], bool] | None = None,
    tracer_provider: TracerProvider | None = None,
    limits: Limits | None = None,
) -> bool:
    """Send every span of this process to the store at `endpoint`, in the background; whether that could be set up.

    `lessons` names functions whose calls are lesson traces, `{"app.lessons:generate": {"lesson_id": "<argument>"}}`;
    `instrument` the installed instrumentations to switch on, such as `openai`; `keep` decides which ended spans go to
    the store. *absent*: `endpoint`, `api_key`, `lessons` and `instrument` come from TRACESTORE_ENDPOINT,
    TRACESTORE_API_KEY, TRACESTORE_LESSONS (JSON) and TRACESTORE_INSTRUMENT, `service_name` from OTEL_SERVICE_NAME;
    the provider is the application's, or a new one. *repeat*: the last call counts, whole. Never raises: what is
    wrong is logged, and the application goes on untraced.
    """
    try:
        settings = read(
            os.environ,
            endpoint=endpoint,
            api_key=api_key,
            service_name=service_name,
            lessons=lessons,
            instrument=instrument,
            keep=keep,
            limits=limits,
        )
        with lock:
            forget_told()
            _set_up(settings, tracer_provider)
    except Unusable as reason:
        tell_once(f"unusable {reason}", "Nothing is traced: %s.", reason, level=logging.ERROR)
        return False
    except Exception as failure:
        tell_once("configure", "Nothing is traced: %s.", type(failure).__name__, level=logging.ERROR)
        return False
    return True


def _set_up(settings: Settings, given: TracerProvider | None) -> None:
    be_silent()
    provider = given or _provider(settings)
    if state.provider is not None and state.provider is not provider and (old := state.taps.get(state.provider)):
        old.delivery = None
    before = state.delivery
    delivery = Delivery(lambda: Sender(settings), settings.limits, settings.service_name)
    tap = state.taps.get(provider)
    if tap is None:
        tap = state.taps[provider] = Tap()
        provider.add_span_processor(tap)
    tap.keep, tap.exit_timeout_s, tap.delivery = settings.keep, settings.limits.exit_timeout_s, delivery
    state.settings, state.delivery, state.provider = settings, delivery, provider
    state.tracer = provider.get_tracer("tracestore_client", _version())
    if before is not None:
        before.retire(settings.limits.export_timeout_s)
    if not state.has_hooks:
        state.has_hooks = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    _by_name.trace_as_lessons(settings.lessons)
    _instrument(settings.instrument)


def _provider(settings: Settings) -> Any:
    """The application's provider; a new one where it has none, or none that takes a processor."""
    found = otel.get_tracer_provider()
    if hasattr(found, "add_span_processor"):
        return found
    if state.provider is not None:
        return state.provider
    named = {"service.name": settings.service_name} if settings.service_name else {}
    is_limited = any(os.environ.get(name) for name in (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT))
    made = TracerProvider(
        resource=Resource.create(named),
        span_limits=None if is_limited else SpanLimits(max_span_attributes=MAX_ATTRIBUTES),
        shutdown_on_exit=False,  # ours comes at exit, and is as short as was asked for
    )
    if isinstance(found, otel.ProxyTracerProvider):
        otel.set_tracer_provider(made)
    else:
        tell_once("provider", "The tracer provider takes no processors: only spans of tracestore_client are sent.")
    return made


def _instrument(names: Iterable[str]) -> None:
    """Switch on the installed instrumentations of these names, once each."""
    installed: dict[str, Any] = {}
    if names := tuple(names):
        for entry in entry_points(group="opentelemetry_instrumentor"):
            installed.setdefault(entry.name, entry)
    for name in names:
        if name not in installed:
            tell_once(f"instrument {name}", "No instrumentation named %s is installed.", name, level=logging.ERROR)
            continue
        try:
            instrumentor = installed[name].load()()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(tracer_provider=state.provider)
        except Exception as failure:
            reason = type(failure).__name__
            tell_once(f"instrument {name}", "The instrumentation %s failed: %s.", name, reason, level=logging.ERROR)


@never_raises(None)
def _at_exit() -> None:
    _by_name.tell_of_missing()
    if state.settings:
        shutdown(state.settings.limits.exit_timeout_s)


@never_raises(None)
def _after_fork() -> None:
    if state.delivery:
        state.delivery.after_fork()


def _version() -> str:
    try:
        return version("tracestore-client")
    except PackageNotFoundError:  # run from its source
        return ""
