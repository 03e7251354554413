"""What `configure` was told, by its arguments or else by the environment, checked and frozen."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan

PATH: Final = "/v1/traces"


@dataclass(frozen=True)
class Limits:
    """How much tracing may take of the application's memory and time.

    `max_queue_spans`, `max_queue_bytes`: what waits to be sent; what comes when it is full is dropped.
    `max_value_characters`: of one input, output or attribute. `max_span_bytes`: of one span; the store takes 4 MB.
    `batch_spans`, `batch_bytes`: of one request; `interval_s`: how often one is sent, if there is anything.
    `export_timeout_s`: for one request with its retries. `exit_timeout_s`: what the end of the process waits at most.
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

    `lesson_id`: the argument that holds the id, or a path into it such as `request.lesson_id`; `name`: of the root
    span; `exclude`: arguments that are not recorded.
    """

    target: str
    lesson_id: str | None = None
    name: str | None = None
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Settings:
    """Where spans go and as whom, and which functions are lessons. `url` is that of the OTLP route."""

    url: str
    api_key: str
    service_name: str | None
    lessons: tuple[LessonRule, ...]
    instrument: tuple[str, ...]
    keep: Callable[[ReadableSpan], bool] | None
    limits: Limits


class Unusable(ValueError):
    """The configuration cannot be used. The message is a sentence with the remedy."""


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
    """The settings; an argument wins over its variable. *raises*: `Unusable`."""
    address = endpoint or environment.get("TRACESTORE_ENDPOINT", "")
    key = (api_key or environment.get("TRACESTORE_API_KEY", "")).strip()
    if not address:
        raise Unusable("no endpoint: pass it to configure(), or set TRACESTORE_ENDPOINT")
    if not key:
        raise Unusable("no API key: pass it to configure(), or set TRACESTORE_API_KEY")
    if not (key.isascii() and key.isprintable()):
        raise Unusable("the API key has characters that no key has: paste it again")
    if instrument is None:
        instrument = environment.get("TRACESTORE_INSTRUMENT", "").replace(",", " ").split()
    return Settings(
        url=_url(address),
        api_key=key,
        service_name=service_name or environment.get("OTEL_SERVICE_NAME") or None,
        lessons=tuple(rules(lessons if lessons is not None else _lessons_of(environment))),
        instrument=(instrument,) if isinstance(instrument, str) else tuple(instrument),
        keep=keep,
        limits=_sound(limits or Limits()),
    )


def rules(lessons: Mapping[str, Any]) -> Iterable[LessonRule]:
    """The rules in `{"module:function": {"lesson_id": "<argument>"}}`, or in the short form `"<argument>"`.

    *raises*: `Unusable`.
    """
    if not isinstance(lessons, Mapping):
        raise Unusable('lessons must be an object such as {"app.lessons:generate": {"lesson_id": "lesson_id"}}')
    for target, told in lessons.items():
        module, _, function = str(target).partition(":")
        if not module or not function:
            raise Unusable(f"the lesson {target!r} is not of the form module:function, such as app.lessons:generate")
        options = {"lesson_id": told} if isinstance(told, str) else told or {}
        if not isinstance(options, Mapping) or not set(options) <= {"lesson_id", "name", "exclude"}:
            raise Unusable(f"the lesson {target!r} takes lesson_id, name and exclude, nothing else")
        exclude = options.get("exclude") or ()
        yield LessonRule(
            target=str(target),
            lesson_id=options.get("lesson_id"),
            name=options.get("name"),
            exclude=frozenset([exclude] if isinstance(exclude, str) else exclude),
        )


def _lessons_of(environment: Mapping[str, str]) -> Mapping[str, Any]:
    text = environment.get("TRACESTORE_LESSONS")
    if not text:
        return {}
    try:
        found: Mapping[str, Any] = json.loads(text)
    except ValueError as failure:
        raise Unusable("TRACESTORE_LESSONS is not JSON") from failure
    return found


def _url(address: str) -> str:
    try:
        parts = urlsplit(address.strip())
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise Unusable("the endpoint is no address such as https://traces.example.com")
    base = address.strip().rstrip("/")
    return base if base.endswith(PATH) else base + PATH


def _sound(limits: Limits) -> Limits:
    if any(value <= 0 for value in vars(limits).values()):
        raise Unusable("every limit must be above 0")
    return limits
