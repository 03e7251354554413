"""Stored counters and stats are readable for ever: the current code decodes those of earlier versions.

These tests read the golden files `tests/data/stored/*.hex`: the packed attribute of each kind of counter
(`counter-KIND-1.hex`), of gathered items and marginal days, and of heads with stats (`head-stats-*.hex`). Items of
every other kind are in `test_stored_formats.py`. No file is ever edited. A change of shape adds a file with the next
number, the encoding is compared with that file from then on, and the old file stays readable.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import DAY_S, START_NS
from tracestore.domain.analytics import top_conversations_by_cost
from tracestore.domain.annotations import Annotation, GroupedScore, summarize_annotations
from tracestore.domain.buckets import Bucket, CounterKind
from tracestore.domain.contributions import Contribution, ScoreTotal, ValueContribution, contributions_of
from tracestore.domain.counters import (
    COUNTERS,
    ConversationCounter,
    Counter,
    ErrorCounter,
    MarginalCounter,
    MeasureCounter,
    ScoreCounter,
    ScoreGroupCounter,
    ValueCounter,
)
from tracestore.domain.dimensions import OTHER_FAILURES, FailureKind, Group, Series
from tracestore.domain.gathered import GATHERED_IN, Gathered, is_finest
from tracestore.domain.heads import Summary
from tracestore.domain.settled_days import ChangedDays, SettledDays
from tracestore.domain.stats import NUMBERS, Aggregate, Example, Failure, MarginalRow, Measures, Row, Stats
from tracestore.storage.codec import decompress, unpack
from tracestore.storage.formats.counters import PackedCounter, pack_counter, unpack_counter
from tracestore.storage.formats.gathered import (
    GatheredCheckpoint,
    PackedGathered,
    pack_gathered,
    unpack_gathered,
)
from tracestore.storage.formats.marginal_days import pack_marginal_day, unpack_marginal_day
from tracestore.storage.formats.stats import StoredStats, stats_document
from tracestore.storage.items import summary_from

STORED = Path(__file__).resolve().parents[1] / "data/stored"
HOUR = START_NS // (3_600 * 10**9)
QUARTER = START_NS // (900 * 10**9)
EXPIRES_AT_S = START_NS // 10**9 + 30 * DAY_S


def numbers(*stored: int) -> list[int]:
    """The numbers of measures that were stored: a number that is appended to `NUMBERS` later is 0."""
    return [*stored, *[0] * (len(NUMBERS) - len(stored))]


CHECKPOINTS = {
    "0f1e2d3c4b5a6978": (49590338271490256608559692538361571095921575989136588898, HOUR),
    "8796a5b4c3d2e1f0": (7, HOUR - 1),
}
CHAT = Series("completion", "openai", "gpt-4o")
SUCCESS, ERROR, TOOL = Group(CHAT, "success"), Group(CHAT, "error"), Group(Series("tool_call", "", ""), "success")
STREAMED = Measures(numbers(2, 3_000_000, 9_000, 10, 2, 0, 0, 0, 12, 0, 0, 500_900), {150: 1, 153: 1}, {72: 1, 138: 1})
ONE_STREAMED = Measures(numbers(1, 2_000_000, 0, 10, 2, 0, 0, 0, 12, 0, 0, 500_000), {153: 1}, {138: 1})
THREE_CALLS = Measures(numbers(3, 3_400_000, 9_000, 120, 30, 5, 2, 1, 150), {150: 2, 157: 1})

COUNTERS_STORED: dict[str, Counter] = {
    "counter-measures-1": MeasureCounter(
        {
            SUCCESS: THREE_CALLS,
            ERROR: Measures(numbers(1, 900_000, 0, 40, 0, 0, 0, 0, 40, 0, 1), {144: 1}),
            TOOL: Measures(numbers(2, 1_000), {60: 1, 73: 1}),
        },
        {frozenset([SUCCESS]): 2, frozenset([SUCCESS, ERROR, TOOL]): 1, frozenset(): 1},
    ),
    "counter-measures-2": MeasureCounter(
        {SUCCESS: STREAMED, ERROR: Measures(numbers(1, 900_000, 0, 40, 0, 0, 0, 0, 40, 0, 1), {144: 1})},
        {frozenset([SUCCESS]): 2, frozenset([SUCCESS, ERROR]): 1},
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
    "counter-examples-1": ErrorCounter(
        {FailureKind(CHAT, "Timeout"): (0, [Example(START_NS, "t1", "chat", "no answer")]), OTHER_FAILURES: (0, [])}
    ),
    "counter-names-1": ValueCounter(
        {"span_name": {"chat": 2}, "end_user_id": {"eve": 1}},
        {"c1": [2, *STREAMED.numbers], "other": [1, *numbers()]},
        [(9_000, "t1")],
    ),
    "counter-values-1": ValueCounter(
        {
            "status": {"success": 2, "error": 1},
            "service_name": {"shop": 3},
            "tool_name": {"search": 1, "other": 7},
        },
        {"c1": [2, *numbers(3, 3_400_000, 9_000, 120, 30, 5, 2, 1, 150)], "other": [1, *numbers()]},
        [(9_000, "t1"), (7, "t2")],
    ),
    "counter-values-2": ValueCounter(
        {"status": {"success": 4}},
        {"c1": [2, *numbers(3, 3_400_000, 9_000)], "c2": [1, *STREAMED.numbers], "other": [1, *numbers()]},
        [(9_000, "t1")],
    ),
    "counter-conversation-1": ConversationCounter(
        2, THREE_CALLS, START_NS, START_NS + 10**10, (START_NS + 10**9, "t2"), EXPIRES_AT_S
    ),
    "counter-conversation-2": ConversationCounter(
        2, STREAMED, START_NS, START_NS + 10**10, (START_NS + 10**9, "t2"), EXPIRES_AT_S
    ),
    "counter-marginals-1": MarginalCounter(
        {
            "service_name": {
                "shop": Aggregate(2, THREE_CALLS),
                "": Aggregate(0, Measures(numbers(1))),
                "gone": Aggregate(),
            }
        }
    ),
    "counter-marginals-2": MarginalCounter({"service_name": {"shop": Aggregate(2, STREAMED)}}),
    "counter-scores-1": ScoreCounter(
        {"quality": ScoreTotal(3, 2_100_000), "star": ScoreTotal(1, 1_000_000), "gone": ScoreTotal()}
    ),
    "counter-score_groups-1": ScoreGroupCounter(
        {
            "model_name": {
                ("quality", "gpt-4o"): ScoreTotal(2, 1_500_000),
                ("quality", ""): ScoreTotal(1, 600_000),
                ("other", "other"): ScoreTotal(),
            },
            "prompt_version": {("quality", "7"): ScoreTotal(3, 2_100_000)},
        }
    ),
}
CURRENT_COUNTERS = (
    "counter-measures-1",
    "counter-measures-2",
    "counter-errors-1",
    "counter-examples-1",
    "counter-names-1",
    "counter-values-2",
    "counter-conversation-1",
    "counter-conversation-2",
    "counter-marginals-1",
    "counter-marginals-2",
    "counter-scores-1",
    "counter-score_groups-1",
)
"""Without times to the first token, measures are stored as they were before there were any."""

AGENT_ROW = Row(QUARTER, Group(Series("agent", "", ""), "success"), Measures(numbers(1, 1_000), {73: 1}))
CALL_ROW = Row(QUARTER, SUCCESS, Measures(numbers(1, 2_000_000, 9_000, 10, 2, 0, 0, 0, 12), {153: 1}))
FAILED_ROW = Row(QUARTER + 1, ERROR, Measures(numbers(1, 1_000_000, 0, 10, 2, 0, 0, 0, 12, 0, 1), {145: 1}))
TIMEOUT = Failure(
    QUARTER + 1, FailureKind(CHAT, "Timeout"), 1, Example(START_NS + 900 * 10**9, "", "call.b", "no answer")
)
SHOP_ROW = MarginalRow(HOUR, "shop", CALL_ROW.measures, True)
LLM_ROW = MarginalRow(HOUR, "llm", FAILED_ROW.measures, True)
STREAMED_ROW = Row(QUARTER, SUCCESS, STREAMED)
STATS_STORED: dict[str, Stats] = {
    "head-stats-3": Stats(
        (AGENT_ROW, STREAMED_ROW, FAILED_ROW), (TIMEOUT,), ((LLM_ROW, SHOP_ROW._replace(measures=ONE_STREAMED)),)
    ),
    "head-stats-2": Stats((AGENT_ROW, CALL_ROW, FAILED_ROW), (TIMEOUT,), ((LLM_ROW, SHOP_ROW),)),
    "head-stats-2-one-service": Stats((CALL_ROW,), (), ("shop",)),
    "head-stats-1": Stats((AGENT_ROW, CALL_ROW, FAILED_ROW), (TIMEOUT,)),
}
CURRENT_STATS = ("head-stats-3", "head-stats-2", "head-stats-2-one-service")


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


def gathered_content() -> PackedGathered:
    """Sums of every kind: of one trace that was added, and of the same trace that was subtracted."""
    leaving, growing = Gathered(), Gathered()
    contributions = contributions_of("t9", annotated_summary(), EXPIRES_AT_S, str)
    for target, contribution in contributions.items():
        if isinstance(target, Bucket) and is_finest(target):
            leaving.add(target, contribution, -1)
            growing.add(target, contribution, 1, EXPIRES_AT_S)
    checkpoints = {shard: GatheredCheckpoint(*each) for shard, each in CHECKPOINTS.items()}
    checkpoints["ffeeddccbbaa9988"] = GatheredCheckpoint(9, HOUR, 3)
    return PackedGathered(checkpoints, leaving, START_NS // 10**6, growing, START_NS // 10**6 + 1)


def test_gathered_sums_that_were_ever_stored_are_read_and_written_as_they_are_now() -> None:
    content = gathered_content()
    assert {bucket.kind for bucket in content.growing.buckets} == set(GATHERED_IN)
    assert unpack_gathered(stored("gathered-1")) == content
    assert decompress(pack_gathered(content)) == decompress(stored("gathered-1"))


def test_a_gathered_item_stores_when_it_began() -> None:
    content = gathered_content()._replace(begun_hour=HOUR)
    assert unpack_gathered(stored("gathered-2")) == content
    assert decompress(pack_gathered(content)) == decompress(stored("gathered-2"))


def test_a_gathered_item_stores_which_days_are_settled() -> None:
    days = SettledDays(HOUR // 24, (ChangedDays(0, HOUR // 24 - 9, HOUR - 40), ChangedDays(20_700, 20_700, HOUR)))
    content = gathered_content()._replace(begun_hour=HOUR, days=days)
    assert unpack_gathered(stored("gathered-3")) == content
    assert decompress(pack_gathered(content)) == decompress(stored("gathered-3"))
    assert unpack_gathered(stored("gathered-2")).days == SettledDays()


def test_a_marginal_day_that_was_ever_stored_is_read_and_written_as_it_is_now() -> None:
    hours = {9: {"shop": Aggregate(2, STREAMED), "": Aggregate(0, Measures())}, 23: {"shop": Aggregate(3, THREE_CALLS)}}
    assert unpack_marginal_day(stored("marginal-day-1")) == hours
    assert decompress(pack_marginal_day(hours)) == decompress(stored("marginal-day-1"))


def test_a_counter_stores_the_number_of_the_gathered_sums_that_it_contains() -> None:
    content = PackedCounter(ValueCounter(), {}, None, 7)
    assert unpack_counter("values", pack_counter("values", content)) == content


@contextmanager
def later_version() -> Iterator[None]:
    """A version that has appended a number to `NUMBERS`."""
    modules = [module for name, module in sys.modules.items() if name.startswith("tracestore.")]
    with pytest.MonkeyPatch.context() as monkeypatch:
        for module in modules:
            if getattr(module, "NUMBERS", None) is NUMBERS:
                monkeypatch.setattr(module, "NUMBERS", (*NUMBERS, "one_more"))
        yield


@pytest.fixture
def one_more_number() -> Iterator[None]:
    """Runs the test in the later version."""
    with later_version():
        yield


def annotated_summary() -> Summary:
    """The summary of a stored head, with a score."""
    groups = ((GroupedScore("n", "gpt-4o", 1, 10**6),), (GroupedScore("n", "", 1, 10**6),))
    annotations = replace(summarize_annotations([Annotation("n", "s", 1, "s")]), score_groups=groups)
    return replace(stored_summary("head-stats-2"), annotations=annotations)


def contribution_of_one_more(kind: CounterKind, number: int) -> Contribution:
    """The contribution of a trace with one call, in which the appended number is `number`."""
    measures = Measures([*CALL_ROW.measures.numbers, number], dict(CALL_ROW.measures.latencies))
    stats = Stats((CALL_ROW._replace(measures=measures),), (TIMEOUT,), ("shop",))
    summary = replace(annotated_summary(), conversation_id="c1", stats=stats)
    contributions = contributions_of("t9", summary, EXPIRES_AT_S, str)
    return next(contribution for target, contribution in contributions.items() if target.kind == kind)


def lists_of_numbers(counter: Counter) -> list[list[int]]:
    """All numbers of measures in a counter."""
    match counter:
        case MeasureCounter():
            return [measures.numbers for measures in counter.groups.values()]
        case ValueCounter():
            return [sums for _, *sums in counter.conversations.values()]
        case ConversationCounter():
            return [counter.measures.numbers]
        case MarginalCounter():
            return [aggregate.measures.numbers for values in counter.values.values() for aggregate in values.values()]
    return []


@pytest.mark.parametrize("name", COUNTERS_STORED)
@pytest.mark.usefixtures("one_more_number")
def test_a_number_that_is_appended_is_counted_in_every_stored_counter(name: str) -> None:
    counter = unpack_counter(kind_of(name), stored(name)).counter
    assert [sums[len(NUMBERS) :] for sums in lists_of_numbers(counter)] == [[0]] * len(lists_of_numbers(counter))
    counter.add(contribution_of_one_more(kind_of(name), 7), 1)
    content = PackedCounter(counter, CHECKPOINTS, EXPIRES_AT_S)
    assert unpack_counter(kind_of(name), pack_counter(kind_of(name), content)) == content
    expected = 0 if kind_of(name) in ("errors", "examples", "values", "scores", "score_groups") else 7
    assert sum(sums[-1] for sums in lists_of_numbers(counter)) == expected


@pytest.mark.usefixtures("one_more_number")
def test_days_from_before_and_after_a_number_is_appended_are_added_up() -> None:
    before, after = unpack_counter("values", stored("counter-values-1")).counter, ValueCounter()
    assert isinstance(before, ValueCounter)
    contribution = contribution_of_one_more("names", 7)
    assert isinstance(contribution, ValueContribution)
    after.add(contribution, 1)
    conversations = dict(top_conversations_by_cost([before, after], 5))
    assert (conversations["c1"].traces, conversations["c1"].measures["one_more"]) == (3, 7)


@pytest.mark.parametrize("name", STATS_STORED)
@pytest.mark.usefixtures("one_more_number")
def test_a_number_that_is_appended_is_0_in_stored_stats(name: str) -> None:
    stats = stored_summary(name).stats
    marginals = [row for marginal in stats.marginals if not isinstance(marginal, str) for row in marginal]
    for measures in [*[row.measures for row in stats.rows], *[row.measures for row in marginals]]:
        assert measures.numbers[len(NUMBERS) :] == [0]
        measures.add(Measures([*numbers(), 7]))
        assert measures["one_more"] == 7


@pytest.mark.parametrize("name", COUNTERS_STORED)
def test_a_number_of_a_later_version_is_left_out(name: str) -> None:
    """As after a rollback: this version reads the counter and adds to it."""
    with later_version():
        counter = unpack_counter(kind_of(name), stored(name)).counter
        counter.add(contribution_of_one_more(kind_of(name), 7), 1)
        packed = pack_counter(kind_of(name), PackedCounter(counter, CHECKPOINTS, EXPIRES_AT_S))
    counter = unpack_counter(kind_of(name), packed).counter
    assert {len(sums) for sums in lists_of_numbers(counter)} <= {len(NUMBERS)}
    contributions = contributions_of("t10", annotated_summary(), EXPIRES_AT_S, str)
    counter.add(next(each for target, each in contributions.items() if target.kind == kind_of(name)), 1)
