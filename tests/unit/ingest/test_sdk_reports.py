"""Ids, times and errors as the SDKs' own protocols send them, and multipart bodies."""

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.errors import Invalid, Unsupported
from tracestore.domain.spans import ID_PATTERN
from tracestore.ingest.sdk_multipart import read_parts
from tracestore.ingest.sdk_reports import error_attributes, stored_id, time_ns

FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("0AF76519-16cd-43dd-8448-eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
        ("trace_0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
        ("span_0af7651916cd43dd8448eb21", "0af7651916cd43dd8448eb21"),
        ("trace_of_mine", "trace_of_mine"),
        ("order-7", "order-7"),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_an_id_has_one_stored_spelling(sent: Any, stored: str | None) -> None:
    assert stored_id(sent) == stored


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_two_ids_that_differ_are_stored_apart(one: str, other: str) -> None:
    stored = [stored_id(one), stored_id(other)]
    assert all(re.fullmatch(ID_PATTERN, each or "") for each in stored)
    assert stored_id(stored[0]) == stored[0]
    same = {text.replace("-", "").lower() for text in (one, other)}
    assert (stored[0] == stored[1]) == (one == other) or len(same) == 1


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("2026-11-22T10:00:00Z", 1795341600),
        ("2026-11-22T10:00:00.5", 1795341600.5),
        ("2026-11-22T11:00:00+01:00", 1795341600),
        (1795341600, 1795341600),
        (1795341600.5, 1795341600.5),
        (1795341600000, 1795341600),
        (1795341600000000, 1795341600),
        (1795341600000000000, 1795341600),
    ],
)
def test_a_time_is_read_from_text_or_number(sent: Any, seconds: float) -> None:
    assert time_ns(sent) == int(seconds * 10**9)


@pytest.mark.parametrize("sent", [None, True, "soon", "", -1, 0, float("inf"), float("nan"), 10**30, [], "2026-13-01"])
def test_no_time_is_read_from_anything_else(sent: Any) -> None:
    assert time_ns(sent) is None


@pytest.mark.parametrize(
    ("sent", "kind", "message", "stack"),
    [
        ("ValueError('bad')Traceback (most recent call last):\n  File", "ValueError", "bad", "Traceback"),
        (
            "a.b.RateLimitError('429: \\'x\\'')\n\nTraceback (most recent call last):",
            "a.b.RateLimitError",
            "429",
            "Trace",
        ),
        ("TypeError: no\n    at f (a.js:1:2)\n    at g", "TypeError", "no", "    at f"),
        ("GraphInterrupt(())", "GraphInterrupt", "()", None),
        ("KeyError()", "KeyError", "KeyError", None),
        ("it: failed (badly)", None, "it: failed (badly)", None),
    ],
)
def test_an_error_has_a_type_a_message_and_a_stack(
    sent: str, kind: str | None, message: str, stack: str | None
) -> None:
    read = error_attributes(sent)
    assert read.get("exception.type") == kind
    assert message in str(read["exception.message"])
    assert "Traceback" not in str(read["exception.message"])
    assert str(read.get("exception.stacktrace", "None")).startswith(stack or "None")


def test_parts_are_read_as_they_are_sent() -> None:
    lines = [
        *(b"preamble", b"--b", b'content-disposition: form-data; name="a\\"b"', b"Content-Type: Text/Plain; x=1", b""),
        *(b"1", b"", b"--b ", b"Content-Disposition: form-data; name=c", b"", b"", b"--b--", b"epilogue"),
    ]
    body = b"\r\n".join(lines)
    assert [tuple(part) for part in read_parts(body, FORM)] == [('a"b', "text/plain", b"1\r\n"), ("c", "", b"")]
    quoted = read_parts(body.replace(b"--b", b"--b x"), 'multipart/form-data; charset=utf-8; boundary="b x"')
    assert [part.name for part in quoted] == ['a"b', "c"]


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=b"])
def test_another_type_is_unsupported(content_type: str) -> None:
    with pytest.raises(Unsupported):
        read_parts(b"--b--", content_type)


@given(st.lists(st.sampled_from([b"--b", b"\r\n", b"--", b'Content-Disposition: form-data; name="x"', b"x", b" "])))
def test_no_body_fails_otherwise_than_as_invalid(pieces: list[bytes]) -> None:
    with contextlib.suppress(Invalid):
        assert all(part.name for part in read_parts(b"".join(pieces), FORM))
