"""Stored formats stay as they are: bytes that were written once are read for ever, and written the same.

`tests/data/stored` holds the stored attribute of each format in hex. A file is never edited: a change of a format adds
a file with the next number, whose writing is compared from then on, and the old one stays readable.
"""

from pathlib import Path

import pytest

from tests.builders import DAY_S, START_NS
from tracestore.domain.counters import (
    COUNTERS,
    ConversationCounter,
    Counter,
    CounterKind,
    ErrorCounter,
    MarginalCounter,
    MeasureCounter,
    ValueCounter,
)
from tracestore.domain.dimensions import OTHER_FAILURES, FailureKind, Group, Series
from tracestore.domain.heads import Summary
from tracestore.domain.stats import Aggregate, Example, Failure, MarginalRow, Measures, Row, Stats
from tracestore.storage.codec import decompress, unpack
from tracestore.storage.formats.counting import PackedCounter, StoredStats, pack_counter, stats_document, unpack_counter
from tracestore.storage.items import summary_from

STORED = Path(__file__).resolve().parents[1] / "data/stored"
HOUR = START_NS // (3_600 * 10**9)
QUARTER = START_NS // (900 * 10**9)
EXPIRES_AT_S = START_NS // 10**9 + 30 * DAY_S

CHECKPOINTS = {
    "0f1e2d3c4b5a6978": (49590338271490256608559692538361571095921575989136588898, HOUR),
    "8796a5b4c3d2e1f0": (7, HOUR - 1),
}
CHAT = Series("completion", "openai", "gpt-4o")
SUCCESS, ERROR, TOOL = Group(CHAT, "success"), Group(CHAT, "error"), Group(Series("tool_call", "", ""), "success")
THREE_CALLS = Measures([3, 3_400_000, 9_000, 120, 30, 5, 2, 1, 150, 0, 0], {150: 2, 157: 1})

COUNTERS_STORED: dict[str, Counter] = {
    "counter-measures-1": MeasureCounter(
        {
            SUCCESS: THREE_CALLS,
            ERROR: Measures([1, 900_000, 0, 40, 0, 0, 0, 0, 40, 0, 1], {144: 1}),
            TOOL: Measures([2, 1_000, 0, 0, 0, 0, 0, 0, 0, 0, 0], {60: 1, 73: 1}),
        },
        {frozenset([SUCCESS]): 2, frozenset([SUCCESS, ERROR, TOOL]): 1, frozenset(): 1},
    ),
    "counter-errors-1": ErrorCounter(
        {
            FailureKind(CHAT, "Timeout"): (
                4,
                [Example(START_NS + 5, "t2", "chat", "no answer"), Example(START_NS, "t1", "chat", "")],
            ),
            OTHER_FAILURES: (1, []),
        }
    ),
    "counter-values-1": ValueCounter(
        {
            "status": {"success": 2, "error": 1},
            "service_name": {"shop": 3},
            "tool_name": {"search": 1, "other": 7},
        },
        {"c1": [2, 3, 3_400_000, 9_000, 120, 30, 5, 2, 1, 150, 0, 0], "other": [1, *[0] * 11]},
        [(9_000, "t1"), (7, "t2")],
    ),
    "counter-conversation-1": ConversationCounter(
        2, THREE_CALLS, START_NS, START_NS + 10**10, (START_NS + 10**9, "t2"), EXPIRES_AT_S
    ),
    "counter-marginals-1": MarginalCounter(
        {
            "service_name": {
                "shop": Aggregate(2, THREE_CALLS),
                "": Aggregate(0, Measures([1, *[0] * 10])),
                "gone": Aggregate(),
            }
        }
    ),
}
CURRENT_COUNTERS = (
    "counter-measures-1",
    "counter-errors-1",
    "counter-values-1",
    "counter-conversation-1",
    "counter-marginals-1",
)

AGENT_ROW = Row(QUARTER, Group(Series("agent", "", ""), "success"), Measures([1, 1_000, *[0] * 9], {73: 1}))
CALL_ROW = Row(QUARTER, SUCCESS, Measures([1, 2_000_000, 9_000, 10, 2, 0, 0, 0, 12, 0, 0], {153: 1}))
FAILED_ROW = Row(QUARTER + 1, ERROR, Measures([1, 1_000_000, 0, 10, 2, 0, 0, 0, 12, 0, 1], {145: 1}))
TIMEOUT = Failure(
    QUARTER + 1, FailureKind(CHAT, "Timeout"), 1, Example(START_NS + 900 * 10**9, "", "call.b", "no answer")
)
SHOP_ROW = MarginalRow(HOUR, "shop", CALL_ROW.measures, True)
LLM_ROW = MarginalRow(HOUR, "llm", FAILED_ROW.measures, True)
STATS_STORED: dict[str, Stats] = {
    "head-stats-2": Stats((AGENT_ROW, CALL_ROW, FAILED_ROW), (TIMEOUT,), ((LLM_ROW, SHOP_ROW),)),
    "head-stats-2-one-service": Stats((CALL_ROW,), (), ("shop",)),
    "head-stats-1": Stats((AGENT_ROW, CALL_ROW, FAILED_ROW), (TIMEOUT,)),
}
CURRENT_STATS = ("head-stats-2", "head-stats-2-one-service")


def stored(name: str) -> bytes:
    """The stored attribute in a file."""
    return bytes.fromhex((STORED / f"{name}.hex").read_text())


def kind_of(name: str) -> CounterKind:
    kind = name.split("-")[1]
    return next(each for each in COUNTERS if each == kind)


def stored_summary(name: str) -> Summary:
    summary = summary_from({"head": {"B": stored(name)}})
    assert summary is not None
    return summary


@pytest.mark.parametrize("name", COUNTERS_STORED)
def test_a_counter_that_was_ever_stored_is_read(name: str) -> None:
    content = unpack_counter(kind_of(name), stored(name))
    assert content == PackedCounter(COUNTERS_STORED[name], CHECKPOINTS, EXPIRES_AT_S)


@pytest.mark.parametrize("name", CURRENT_COUNTERS)
def test_a_counter_is_written_in_the_current_format(name: str) -> None:
    """Compared after decompression: the compressed bytes change with the version of zstd."""
    packed = pack_counter(kind_of(name), PackedCounter(COUNTERS_STORED[name], CHECKPOINTS, EXPIRES_AT_S))
    assert decompress(packed) == decompress(stored(name))


@pytest.mark.parametrize("name", STATS_STORED)
def test_the_stats_of_a_head_that_was_ever_stored_are_read(name: str) -> None:
    stats, expected = stored_summary(name).stats, STATS_STORED[name]
    assert (stats.rows, stats.failures, stats.marginals) == (expected.rows, expected.failures, expected.marginals)
    assert stats == expected


@pytest.mark.parametrize("name", CURRENT_STATS)
def test_the_stats_of_a_head_are_written_in_the_current_format(name: str) -> None:
    assert stats_document(STATS_STORED[name]) == unpack(stored(name))["s"]["stats"]


@pytest.mark.parametrize("name", STATS_STORED)
def test_stats_that_were_read_are_written_as_they_were(name: str) -> None:
    """A head from before marginals does not get any without being derived anew: it was not counted with them."""
    assert stats_document(stored_summary(name).stats) == unpack(stored(name))["s"]["stats"]


def test_stats_are_not_decoded_before_they_are_used() -> None:
    """Lists read many heads and no stats."""
    stats = stored_summary("head-stats-1").stats
    assert isinstance(stats, StoredStats)
    assert stats == stored_summary("head-stats-1").stats
    assert not {"rows", "failures", "marginals"} & vars(stats).keys()


def test_every_kind_of_counter_has_its_stored_bytes() -> None:
    assert {kind_of(name) for name in CURRENT_COUNTERS} == set(COUNTERS)
    counting = {file.stem for file in STORED.glob("*.hex") if file.stem.startswith(("counter-", "head-stats-"))}
    assert counting == {*COUNTERS_STORED, *STATS_STORED}
