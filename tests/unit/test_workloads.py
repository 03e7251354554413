"""The workloads of the measurements are repeatable, have the stated sizes, and compress like real text."""

import json
from itertools import chain, pairwise
from random import Random

import pytest
from backports import zstd

from dev import workloads
from dev.text_generator import TextGenerator
from tracestore_cli.samples import Span


def payload(span: Span) -> bytes:
    names = ("input_data", "output_data", "metadata")
    return json.dumps({name: span[name] for name in names if name in span}, ensure_ascii=False).encode()


def test_two_calls_give_the_same_bytes() -> None:
    first, second = (json.dumps(list(workloads.agents(3, turns=4))) for _ in range(2))
    assert first == second


def test_another_seed_gives_other_traces() -> None:
    ids = [next(workloads.single_chats(1, seed=seed))[0]["trace_id"] for seed in (1, 2)]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(("turns", "spans"), [(2, 5), (20, 41)])
def test_an_agent_is_a_root_with_two_spans_a_turn(turns: int, spans: int) -> None:
    [request] = workloads.agents(1, turns)
    roots = [span for span in request if "parent_span_id" not in span]
    assert (len(request), len(roots)) == (spans, 1)


def test_every_completion_repeats_the_conversation_so_far() -> None:
    [request] = workloads.agents(1, turns=6)
    prompts = [span["input_data"]["messages"] for span in request if span["operation_type"] == "completion"]
    assert all(later[: len(earlier)] == earlier and len(later) > len(earlier) for earlier, later in pairwise(prompts))


def test_a_drip_is_the_same_agent_in_one_request_a_turn() -> None:
    [whole] = workloads.agents(1, turns=20)
    requests = list(workloads.drip(turns=20))
    by_id = sorted(chain.from_iterable(requests), key=lambda span: span["span_id"])
    assert (len(requests), by_id) == (20, sorted(whole, key=lambda span: span["span_id"]))


def test_a_drip_ends_with_its_root() -> None:
    *_, last = workloads.drip(turns=5)
    assert "parent_span_id" not in last[-1]


def test_one_span_requests_share_a_trace_and_fill_their_payload() -> None:
    requests = list(workloads.one_span_requests(20, payload_bytes=10_000))
    assert {len(request) for request in requests} == {1}
    assert len({request[0]["trace_id"] for request in requests}) == 1
    assert all(9_900 <= len(payload(request[0])) <= 10_300 for request in requests)


def test_ids_are_unique() -> None:
    spans = list(chain.from_iterable([*workloads.single_chats(300), *workloads.agents(50, turns=2)]))
    assert len({(span["trace_id"], span["span_id"]) for span in spans}) == len(spans)


def test_a_span_ends_after_it_starts() -> None:
    spans = chain.from_iterable([*workloads.single_chats(50), *workloads.agents(3, turns=20)])
    assert all(span["start_time"] < span["end_time"] for span in spans)


def test_payloads_compress_like_prompts() -> None:
    payloads = [payload(span) for [span] in workloads.single_chats(200)]
    ratio = sum(map(len, payloads)) / sum(len(zstd.compress(each)) for each in payloads)
    assert 1.8 <= ratio <= 2.6


def test_text_has_the_requested_length() -> None:
    assert len(TextGenerator(Random(1)).text(1_000).encode()) == pytest.approx(1_000, abs=3)
