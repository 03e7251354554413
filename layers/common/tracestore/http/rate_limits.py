"""The limits of requests and spans a second of each API key, counted in the memory of one function instance.

A deployment that runs several instances admits as many times the limit: a shared counter would cost a write for every
request. The limits keep one client that is out of control from using up the account, and no more.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from tracestore.domain.errors import RateLimited
from tracestore.storage.model import RateLimits

_REMEMBERED: Final = 1_000
"""Keys of which an instance remembers the use; the one that was used least recently is forgotten."""


@dataclass(slots=True)
class _Allowance:
    """The rest that one key may use now: at most one second of its limit, and less than nothing after a large batch."""

    requests: float
    spans: float
    at_s: float


class RateLimiter:
    """Admits the requests of API keys with limits. It is safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()

    def admit(self, key_id: str, limits: RateLimits, *, sends_spans: bool) -> None:
        """Count a request. *raises*: RateLimited while the key has used up its requests, or its spans if it sends some.

        A refused request does not count.
        """
        with self._lock:
            allowance = self._allowance(key_id, limits)
            waits_s = [
                (needed - left) / per_second
                for per_second, left, needed in (
                    (limits.requests_per_second, allowance.requests, 1),
                    (limits.spans_per_second if sends_spans else None, allowance.spans, 1),
                )
                if per_second is not None and left < needed
            ]
            if not waits_s:
                allowance.requests -= 1
                return
        raise RateLimited(
            "This API key has reached its limit of requests or spans a second. Send the same request again after the "
            "time in Retry-After.",
            retry_after_s=max(1, math.ceil(max(waits_s))),
        )

    def add_spans(self, key_id: str, limits: RateLimits, count: int) -> None:
        """Count the spans of a request that was admitted."""
        with self._lock:
            self._allowance(key_id, limits).spans -= count

    def _allowance(self, key_id: str, limits: RateLimits) -> _Allowance:
        """The allowance of a key as of now."""
        now_s = self._clock()
        requests, spans = limits.requests_per_second or 0, limits.spans_per_second or 0
        allowance = self._allowances.pop(key_id, None) or _Allowance(requests, spans, now_s)
        elapsed_s = max(0.0, now_s - allowance.at_s)
        allowance.requests = min(requests, allowance.requests + requests * elapsed_s)
        allowance.spans = min(spans, allowance.spans + spans * elapsed_s)
        allowance.at_s = now_s
        self._allowances[key_id] = allowance
        if len(self._allowances) > _REMEMBERED:
            self._allowances.popitem(last=False)
        return allowance
