"""What this process has configured: where ended spans go, and what the application may ask of that.

OpenTelemetry's providers keep their processors for good, so each gets one tap, once; what stands behind it changes
with each `configure`.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from ._delivery import Delivery, Stats
from ._quiet import never_raises, tell_once
from ._settings import Limits, Settings


class Tap(SpanProcessor):
    """Hands sampled spans that end to the delivery of the day."""

    def __init__(self) -> None:
        self.delivery: Delivery | None = None
        self.keep: Callable[[ReadableSpan], bool] | None = None
        self.exit_timeout_s = 0.0

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Nothing: what is recorded is recorded by the end."""

    @never_raises(None)
    def on_end(self, span: ReadableSpan) -> None:
        """Queue it."""
        delivery = self.delivery
        if delivery is not None and span.context and span.context.trace_flags.sampled and self._is_kept(span):
            delivery.offer(span)

    def shutdown(self) -> None:
        """Send what is left, for as long as an end of the process may take."""
        if self.delivery is not None:
            self.delivery.stop(self.exit_timeout_s)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether all was dealt with in time."""
        return self.delivery is None or self.delivery.flush((timeout_millis or 30_000) / 1000)

    def _is_kept(self, span: ReadableSpan) -> bool:
        if self.keep is None:
            return True
        try:
            return bool(self.keep(span))
        except Exception as failure:
            tell_once("keep", "The function `keep` failed with %s; the span is kept.", type(failure).__name__)
            return True


class State:
    """What `configure` last made. Without it spans are the application's own, and nothing is sent."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.delivery: Delivery | None = None
        self.provider: Any = None
        self.tracer: otel.Tracer | None = None
        self.taps: weakref.WeakKeyDictionary[Any, Tap] = weakref.WeakKeyDictionary()
        self.has_hooks = False


state: Final = State()
lock: Final = threading.RLock()


@never_raises(False)
def flush(timeout_s: float = 5.0) -> bool:
    """Whether all spans that have ended were dealt with within the time: sent, or dropped and counted."""
    delivery = state.delivery
    return delivery is None or delivery.flush(timeout_s)


@never_raises(False)
def shutdown(timeout_s: float = 3.0) -> bool:
    """Send what is left, and nothing more from then on; whether all was dealt with in time. *repeat*: does nothing."""
    delivery = state.delivery
    return delivery is None or delivery.stop(timeout_s)


def stats() -> Stats:
    """What became of the spans of this process since `configure`."""
    delivery = state.delivery
    return delivery.stats() if delivery else Stats()


def dropped() -> int:
    """How many spans will never arrive."""
    return stats().dropped


def seconds_since_failure(now_s: float) -> float | None:
    """How long ago the store last took less than a whole batch; None when it took the last one."""
    delivery = state.delivery
    failed_at = delivery.failed_at if delivery else None
    return None if failed_at is None else now_s - failed_at


def tracer() -> otel.Tracer:
    """What the spans of this package are made with."""
    return state.tracer or otel.get_tracer("tracestore_client")


def value_limit() -> int:
    """How many characters of one input or output are recorded."""
    settings = state.settings
    return settings.limits.max_value_characters if settings else Limits.max_value_characters
