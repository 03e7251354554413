"""The limits of an API key: a second's worth at once, and after that as much as time allows."""

import pytest

from tests.builders import Clock
from tracestore.domain.errors import RateLimited
from tracestore.http import rate_limits
from tracestore.http.rate_limits import RateLimiter
from tracestore.storage.model import RateLimits


class Client:
    """One key at a limiter whose clock only the test moves."""

    def __init__(self, limits: RateLimits) -> None:
        self.clock = Clock(0)
        self.limits = limits
        self.limiter = RateLimiter(lambda: self.clock() / 1000)

    def wait_s(self, spans: int = 0, key_id: str = "key") -> int:
        """The seconds that a request has to wait. *absent*: 0 if it is admitted."""
        try:
            self.limiter.admit(key_id, self.limits, sends_spans=spans > 0)
        except RateLimited as error:
            return error.retry_after_s
        self.limiter.add_spans(key_id, self.limits, spans)
        return 0


def test_requests_beyond_the_limit_wait_and_are_admitted_later() -> None:
    client = Client(RateLimits(requests_per_second=3))
    assert [client.wait_s() for _ in range(5)] == [0, 0, 0, 1, 1]
    client.clock.advance(ms=400)
    assert [client.wait_s() for _ in range(2)] == [0, 1]
    client.clock.advance(s=3600)
    assert [client.wait_s() for _ in range(4)] == [0, 0, 0, 1]


def test_refused_requests_do_not_count() -> None:
    client = Client(RateLimits(requests_per_second=1))
    assert [client.wait_s() for _ in range(100)] == [0, *[1] * 99]
    client.clock.advance(s=1)
    assert client.wait_s() == 0


def test_a_large_batch_is_stored_and_the_next_one_waits_until_it_is_made_up_for() -> None:
    client = Client(RateLimits(spans_per_second=100))
    assert client.wait_s(spans=1000) == 0
    assert client.wait_s(spans=1) == 10
    client.clock.advance(s=9)
    assert client.wait_s(spans=1) == 1
    client.clock.advance(ms=100)
    assert client.wait_s(spans=1) == 0


def test_reads_are_not_refused_for_spans() -> None:
    client = Client(RateLimits(spans_per_second=1))
    assert client.wait_s(spans=50) == 0
    assert client.wait_s() == 0
    assert client.wait_s(spans=1) > 1


def test_keys_do_not_share_a_limit_and_keys_without_one_are_never_refused() -> None:
    client = Client(RateLimits(requests_per_second=1))
    assert [client.wait_s(), client.wait_s(key_id="other"), client.wait_s()] == [0, 0, 1]
    free = Client(RateLimits())
    assert {free.wait_s(spans=10**6) for _ in range(100)} == {0}


def test_a_clock_that_goes_back_gives_nothing() -> None:
    client = Client(RateLimits(requests_per_second=1))
    assert client.wait_s() == 0
    client.clock.ms = -10_000
    assert client.wait_s() == 1


def test_the_key_that_was_used_least_recently_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "_REMEMBERED", 2)
    client = Client(RateLimits(requests_per_second=1))
    assert [client.wait_s(key_id=name) for name in ("a", "b", "a", "c", "b")] == [0, 0, 1, 0, 0]
