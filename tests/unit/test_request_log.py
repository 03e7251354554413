"""The local server prints a line per request, and at most one notice a minute about connections in HTTP/2."""

import pytest

from dev.gateway import Answer, Request
from dev.request_log import HTTP2_NOTICE, NOTICE_INTERVAL_S, RequestLog

GET = Request("GET", "/healthz")
PREFACE = Request("PRI", "*")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def lines() -> list[str]:
    """The printed lines."""
    return []


@pytest.fixture
def clock() -> Clock:
    """The clock of the log."""
    return Clock()


@pytest.fixture
def log(lines: list[str], clock: Clock) -> RequestLog:
    """An enabled log."""
    log = RequestLog(lines.append, clock)
    log.is_enabled = True
    return log


def show(log: RequestLog, request: Request) -> None:
    log.show(request, Answer(404, [], b""), 1.4)


def test_a_request_gets_a_line(log: RequestLog, lines: list[str]) -> None:
    show(log, GET)
    assert [line.partition(" ")[2] for line in lines] == ["404 GET /healthz 1 ms"]


def test_http2_gets_one_notice_a_minute_and_no_lines(log: RequestLog, lines: list[str], clock: Clock) -> None:
    for _ in range(5):
        show(log, PREFACE)
    clock.now_s += NOTICE_INTERVAL_S - 1
    show(log, PREFACE)
    assert lines == [HTTP2_NOTICE]
    clock.now_s += 1
    show(log, PREFACE)
    assert lines == [HTTP2_NOTICE] * 2


def test_a_disabled_log_prints_nothing_and_saves_the_notice(log: RequestLog, lines: list[str]) -> None:
    log.is_enabled = False
    show(log, GET)
    show(log, PREFACE)
    assert lines == []
    log.is_enabled = True
    show(log, PREFACE)
    assert lines == [HTTP2_NOTICE]
