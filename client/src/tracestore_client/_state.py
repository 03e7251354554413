"""The state that `configure` has set up in this process, and the public functions that read or flush it.

OpenTelemetry's providers keep their span processors for ever. Each provider therefore gets one `Tap`, once, and each
`configure` replaces the delivery that the tap sends to.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from ._delivery import Delivery, Stats
from ._failures import log_once, never_raises
from ._settings import Limits, Settings


class Tap(SpanProcessor):
    """A span processor that passes ended, sampled spans to the current delivery."""

    def __init__(self) -> None:
        self.delivery: Delivery | None = None
        self.keep: Callable[[ReadableSpan], bool] | None = None
        self.exit_timeout_s = 0.0

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Do nothing: spans are queued when they end."""

    @never_raises(None)
    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span."""
        delivery = self.delivery
        if delivery is not None and span.context and span.context.trace_flags.sampled and self._is_kept(span):
            delivery.offer(span)

    def shutdown(self) -> None:
        """Send the queued spans, within the time that tracing may delay the end of the process."""
        if self.delivery is not None:
            self.delivery.stop(self.exit_timeout_s)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send the queued spans. Return whether all were sent or dropped in time."""
        return self.delivery is None or self.delivery.flush((timeout_millis or 30_000) / 1000)

    def _is_kept(self, span: ReadableSpan) -> bool:
        if self.keep is None:
            return True
        try:
            return bool(self.keep(span))
        except Exception as failure:
            log_once("keep", "The function `keep` failed with %s; the span is sent.", type(failure).__name__)
            return True


class State:
    """The results of the last `configure`. Before the first one, nothing is sent."""

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
    """Send all spans that have ended. Return whether each was sent, or dropped and counted, within `timeout_s`."""
    delivery = state.delivery
    return delivery is None or delivery.flush(timeout_s)


@never_raises(False)
def shutdown(timeout_s: float = 3.0) -> bool:
    """Send the queued spans, then stop sending. Return whether `timeout_s` was enough; spans that remain are dropped.

    *repeat*: does nothing.
    """
    delivery = state.delivery
    return delivery is None or delivery.stop(timeout_s)


def stats() -> Stats:
    """The span counts of this process since `configure`."""
    delivery = state.delivery
    return delivery.stats() if delivery else Stats()


def dropped() -> int:
    """The number of spans that were lost since `configure`."""
    return stats().dropped


def seconds_since_failure(now_s: float) -> float | None:
    """The time since the store last accepted less than a whole batch.

    *absent*: None when it accepted the last batch, or when no batch was sent.
    """
    delivery = state.delivery
    failed_at_s = delivery.failed_at_s if delivery else None
    return None if failed_at_s is None else now_s - failed_at_s


def tracer() -> otel.Tracer:
    """The tracer that creates the spans of this package."""
    return state.tracer or otel.get_tracer("tracestore_client")


def value_limit() -> int:
    """The number of characters that are recorded of one input or output."""
    settings = state.settings
    return settings.limits.max_value_characters if settings else Limits.max_value_characters
