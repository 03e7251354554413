"""The settings of `configure`, from its arguments or the environment, validated and frozen."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan

PATH: Final = "/v1/traces"


@dataclass(frozen=True)
class Limits:
    """Limits on the memory and time that tracing takes from the application.

    `max_queue_spans`, `max_queue_bytes`: size of the queue; when it is full, new spans are dropped.
    `max_value_characters`: size of one input, output or attribute. `max_span_bytes`: size of one span; the store
    accepts 4 MiB. `batch_spans`, `batch_bytes`: size of one request. `interval_s`: time between requests, if spans are
    queued. `export_timeout_s`: time for one request including its retries. `exit_timeout_s`: the longest time that
    tracing delays the end of the process.
    """

    max_queue_spans: int = 4_096
    max_queue_bytes: int = 32 * 1024 * 1024
    max_value_characters: int = 262_144
    max_span_bytes: int = 3 * 1024 * 1024
    batch_spans: int = 256
    batch_bytes: int = 3 * 1024 * 1024
    interval_s: float = 2.0
    export_timeout_s: float = 10.0
    exit_timeout_s: float = 3.0


@dataclass(frozen=True)
class LessonRule:
    """How calls of one function become lesson traces.

    `target`: the function, as `module:function`. `lesson_id`: the argument that contains the id, or a path into an
    argument such as `request.lesson_id`. `name`: the name of the root span. `exclude`: arguments that are not recorded.
    """

    target: str
    lesson_id: str | None = None
    name: str | None = None
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Settings:
    """The store's address and key, and the spans to send. `url` is the URL of the OTLP route."""

    url: str
    api_key: str
    service_name: str | None
    lessons: tuple[LessonRule, ...]
    instrument: tuple[str, ...]
    keep: Callable[[ReadableSpan], bool] | None
    limits: Limits


class Unusable(ValueError):
    """The configuration cannot be used. The message gives the reason and the remedy."""


def read(
    environment: Mapping[str, str],
    *,
    endpoint: str | None,
    api_key: str | None,
    service_name: str | None,
    lessons: Mapping[str, Any] | None,
    instrument: Iterable[str] | None,
    keep: Callable[[ReadableSpan], bool] | None,
    limits: Limits | None,
) -> Settings:
    """Read the settings. An argument takes precedence over its environment variable.

    *raises*: Unusable when a setting is missing or invalid.
    """
    address = endpoint or environment.get("TRACESTORE_ENDPOINT", "")
    key = (api_key or environment.get("TRACESTORE_API_KEY", "")).strip()
    if not address:
        raise Unusable("no endpoint is set; pass it to configure() or set TRACESTORE_ENDPOINT")
    if not key:
        raise Unusable("no API key is set; pass it to configure() or set TRACESTORE_API_KEY")
    if not (key.isascii() and key.isprintable()):
        raise Unusable("the API key contains characters that no key contains; paste it again")
    if instrument is None:
        instrument = environment.get("TRACESTORE_INSTRUMENT", "").replace(",", " ").split()
    return Settings(
        url=_url(address),
        api_key=key,
        service_name=service_name or environment.get("OTEL_SERVICE_NAME") or None,
        lessons=tuple(rules(lessons if lessons is not None else _lessons_from(environment))),
        instrument=(instrument,) if isinstance(instrument, str) else tuple(instrument),
        keep=keep,
        limits=_validated(limits or Limits()),
    )


def rules(lessons: Mapping[str, Any]) -> Iterable[LessonRule]:
    """The rules in `{"module:function": {"lesson_id": "<argument>"}}`, or in the short form `"<argument>"`.

    *raises*: Unusable when a target or an option is invalid.
    """
    if not isinstance(lessons, Mapping):
        raise Unusable('lessons must be an object such as {"app.lessons:generate": {"lesson_id": "lesson_id"}}')
    for target, value in lessons.items():
        module, _, function = str(target).partition(":")
        if not module or not function:
            raise Unusable(
                f"the lesson {target!r} does not have the form module:function, such as app.lessons:generate"
            )
        options = {"lesson_id": value} if isinstance(value, str) else value or {}
        if not isinstance(options, Mapping) or not set(options) <= {"lesson_id", "name", "exclude"}:
            raise Unusable(f"the lesson {target!r} accepts only the options lesson_id, name and exclude")
        exclude = options.get("exclude") or ()
        yield LessonRule(
            target=str(target),
            lesson_id=options.get("lesson_id"),
            name=options.get("name"),
            exclude=frozenset([exclude] if isinstance(exclude, str) else exclude),
        )


def _lessons_from(environment: Mapping[str, str]) -> Mapping[str, Any]:
    text = environment.get("TRACESTORE_LESSONS")
    if not text:
        return {}
    try:
        lessons: Mapping[str, Any] = json.loads(text)
    except ValueError as failure:
        raise Unusable("TRACESTORE_LESSONS is not valid JSON") from failure
    return lessons


def _url(address: str) -> str:
    try:
        parts = urlsplit(address.strip())
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise Unusable("the endpoint is not a URL such as https://traces.example.com")
    base = address.strip().rstrip("/")
    return base if base.endswith(PATH) else base + PATH


def _validated(limits: Limits) -> Limits:
    if any(value <= 0 for value in vars(limits).values()):
        raise Unusable("every limit must be greater than 0")
    return limits
