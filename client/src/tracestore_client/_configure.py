"""`configure`, which applies settings to this process and may be called any number of times."""

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
from ._failures import forget_logged_kinds, log_once, never_raises
from ._sending import Sender, silence_exporter_logs
from ._settings import Limits, Settings, Unusable, read
from ._state import Tap, lock, shutdown, state

MAX_ATTRIBUTES: Final = 4_096
"""The attribute limit of a span of our own provider.

With OpenTelemetry's default of 128, a conversation with one attribute per message loses its end.
"""


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
    """Send every span of this process to the store at `endpoint`, in the background. Return whether tracing is on.

    `lessons` names functions whose calls are traced as lessons:
    `{"app.lessons:generate": {"lesson_id": "<argument>"}}`. `instrument` names installed instrumentations to enable,
    such as `openai`. `keep` receives each ended span and returns whether to send it.
    *absent*: `endpoint`, `api_key`, `lessons` and `instrument` come from TRACESTORE_ENDPOINT, TRACESTORE_API_KEY,
    TRACESTORE_LESSONS (JSON) and TRACESTORE_INSTRUMENT, and `service_name` from OTEL_SERVICE_NAME. The provider is the
    application's, or a new one if the application has none.
    *repeat*: the last call replaces all settings of earlier ones.
    *raises*: never; an error is logged, and the application runs untraced.
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
            forget_logged_kinds()
            _apply(settings, tracer_provider)
    except Unusable as reason:
        log_once(f"unusable {reason}", "Tracing is off: %s.", reason, level=logging.ERROR)
        return False
    except Exception as failure:
        log_once("configure", "Tracing is off: %s.", type(failure).__name__, level=logging.ERROR)
        return False
    return True


def _apply(settings: Settings, tracer_provider: TracerProvider | None) -> None:
    silence_exporter_logs()
    provider = tracer_provider or _provider(settings)
    if state.provider is not None and state.provider is not provider and (old_tap := state.taps.get(state.provider)):
        old_tap.delivery = None
    old_delivery = state.delivery
    delivery = Delivery(lambda: Sender(settings), settings.limits, settings.service_name)
    tap = state.taps.get(provider)
    if tap is None:
        tap = state.taps[provider] = Tap()
        provider.add_span_processor(tap)
    tap.keep, tap.exit_timeout_s, tap.delivery = settings.keep, settings.limits.exit_timeout_s, delivery
    state.settings, state.delivery, state.provider = settings, delivery, provider
    state.tracer = provider.get_tracer("tracestore_client", _version())
    if old_delivery is not None:
        old_delivery.retire(settings.limits.export_timeout_s)
    if not state.has_hooks:
        state.has_hooks = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    _by_name.trace_as_lessons(settings.lessons)
    _instrument(settings.instrument)


def _provider(settings: Settings) -> Any:
    """The application's provider, or a new one if it has none or one that accepts no span processors."""
    application_provider = otel.get_tracer_provider()
    if hasattr(application_provider, "add_span_processor"):
        return application_provider
    if state.provider is not None:
        return state.provider
    resource = {"service.name": settings.service_name} if settings.service_name else {}
    is_limited = any(os.environ.get(name) for name in (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT))
    provider = TracerProvider(
        resource=Resource.create(resource),
        span_limits=None if is_limited else SpanLimits(max_span_attributes=MAX_ATTRIBUTES),
        shutdown_on_exit=False,  # our own exit hook shuts down, within the configured `exit_timeout_s`
    )
    if isinstance(application_provider, otel.ProxyTracerProvider):
        otel.set_tracer_provider(provider)
    else:
        log_once(
            "provider",
            "The application's tracer provider accepts no span processors: only spans of tracestore_client and of "
            "the instrumentations that it enables are sent.",
        )
    return provider


def _instrument(names: Iterable[str]) -> None:
    """Enable the installed instrumentations with these names. *repeat*: one that is already enabled is not changed."""
    installed: dict[str, Any] = {}
    if names := tuple(names):
        for entry_point in entry_points(group="opentelemetry_instrumentor"):
            installed.setdefault(entry_point.name, entry_point)
    for name in names:
        if name not in installed:
            log_once(f"instrument {name}", "No instrumentation named %s is installed.", name, level=logging.ERROR)
            continue
        try:
            instrumentor = installed[name].load()()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(tracer_provider=state.provider)
        except Exception as failure:
            reason = type(failure).__name__
            log_once(f"instrument {name}", "The instrumentation %s failed with %s.", name, reason, level=logging.ERROR)


@never_raises(None)
def _at_exit() -> None:
    _by_name.log_missing_modules()
    if state.settings:
        shutdown(state.settings.limits.exit_timeout_s)


@never_raises(None)
def _after_fork() -> None:
    if state.delivery:
        state.delivery.after_fork()


def _version() -> str:
    try:
        return version("tracestore-client")
    except PackageNotFoundError:  # the package runs from its source and is not installed
        return ""
