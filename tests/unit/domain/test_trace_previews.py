"""Name and previews of a trace: what any span states about it, the root's content, else the first and last call's."""

from itertools import permutations
from typing import Any

import pytest

from tests.builders import START_NS, call, fields, spans_of, summary_of
from tracestore.domain.heads import Previews
from tracestore.domain.merge import Span, merge
from tracestore.domain.spans import FROM_LOGS
from tracestore.domain.trace_previews import preview_sources, previews_of
from tracestore.domain.updates import span_update

HTTP = fields("root", operation_type="http", span_name="POST /chat")
FIRST = call("first", "root", start_ns=START_NS + 1, input_data="asked first", output_data="answered first")
LAST = call("last", "root", start_ns=START_NS + 2, input_data="asked last", output_data="answered last")


def previews(*reported: Any) -> tuple[str | None, str | None]:
    (seen,) = {
        (summary.previews.input, summary.previews.output)
        for summary in (summary_of(*order) for order in permutations(reported))
    }
    return seen


def test_a_root_without_content_has_the_previews_of_the_first_and_the_last_call() -> None:
    assert previews(HTTP, FIRST, LAST) == ("asked first", "answered last")
    assert previews(HTTP, FIRST) == ("asked first", "answered first")
    assert previews(HTTP) == (None, None)


def test_a_call_without_content_and_a_tool_are_passed_over() -> None:
    silent = call("silent", "root", start_ns=START_NS)
    tool = fields("tool", parent_span_id="root", operation_type="tool_call", input_data="x", output_data="y")
    assert previews(HTTP, silent, tool, FIRST) == ("asked first", "answered first")


@pytest.mark.parametrize("own", [{"input_data": "own"}, {"output_data": "own"}])
def test_a_root_with_any_content_keeps_its_own_previews(own: dict[str, str]) -> None:
    assert previews({**HTTP, **own}, FIRST) == (own.get("input_data"), own.get("output_data"))


def test_without_content_of_calls_the_spans_around_them_have_the_previews() -> None:
    silent = call("silent", "root", start_ns=START_NS)
    first = fields("a", parent_span_id="root", operation_type="other", start_ns=START_NS + 1, input_data="prompt")
    last = fields("b", parent_span_id="root", operation_type="agent", start_ns=START_NS + 2, output_data="reply")
    assert previews(HTTP, silent, first, last) == ("prompt", "reply")
    assert previews(HTTP, FIRST, first, last) == ("asked first", "answered first")


@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_turn_that_records_report_takes_what_it_lacks_from_its_calls(direction: str) -> None:
    message = [START_NS, 0, direction, {"role": "user", "parts": [{"type": "text", "text": "own"}]}]
    turn = fields("root", operation_type="agent", log_messages=[message])
    turn_update = span_update(turn, received_ms=1, precedence=FROM_LOGS)
    spans = merge([turn_update, *(span_update(reported, received_ms=1) for reported in (FIRST, LAST))])
    seen = previews_of(spans)
    assert (seen.input, seen.output) == (("own", "answered last") if direction == "input" else ("asked first", "own"))
    assert previews_of(spans, lambda span: pytest.fail(span.span_id), seen) == seen


def test_what_a_span_states_about_the_trace_comes_before_the_content_of_the_root() -> None:
    metadata = {"trace_name": "checkout", "trace_input": {"question": "of the trace"}, "trace_output": ["done"]}
    root = fields("root", operation_type="http", input_data="own", output_data="own")
    inner = call("first", "root", start_ns=START_NS + 1, metadata=metadata)
    assert previews(root, inner, LAST) == ("of the trace", '["done"]')
    assert summary_of(root, inner, LAST).name == "checkout"


def test_the_root_states_it_before_other_spans_and_the_earlier_before_the_later() -> None:
    def named(span: Any, name: str) -> Any:
        return {**span, "metadata": {"trace_name": name}}

    assert summary_of(named(HTTP, "root"), named(FIRST, "first")).name == "root"
    assert summary_of(HTTP, named(LAST, "last"), named(FIRST, "first")).name == "first"
    assert summary_of(HTTP, named(FIRST, " "), named(LAST, "last")).name == "last"
    assert summary_of(HTTP, {**FIRST, "metadata": {"trace_name": 7}}).name == "POST /chat"


def test_only_the_preview_whose_source_changed_is_read_again() -> None:
    known = previews_of(spans_of(HTTP, FIRST))
    read: list[str] = []

    def reader(span: Span) -> tuple[Span, bool]:
        read.append(span.span_id)
        return span, True

    grown = spans_of(HTTP, FIRST, LAST)
    assert previews_of(grown, reader, known) == previews_of(grown)
    assert read == ["last"]


def test_a_preview_of_a_payload_that_is_not_whole_names_no_source() -> None:
    spans = spans_of(HTTP, FIRST)
    derived = previews_of(spans, lambda span: (span, False))
    assert derived == Previews("asked first", "answered first", (None, None))
    assert previews_of(spans, known=derived).source == tuple(source.name for source in preview_sources(spans))
