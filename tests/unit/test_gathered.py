"""Gathered sums: adding them to a counter is the same as adding the contributions that they consist of."""

import random

import pytest

from tests.builders import START_NS
from tests.unit.test_counters import MANY
from tracestore.domain.buckets import INTERVALS_OF, Bucket
from tracestore.domain.contributions import MarginalContribution, MeasureContribution
from tracestore.domain.counters import MarginalCounter
from tracestore.domain.gathered import (
    GATHERED_IN,
    SUMS,
    BucketSums,
    Gathered,
    MarginalSums,
    Sums,
    intervals_of,
    is_finest,
)
from tracestore.domain.stats import NUMBERS, Measures
from tracestore.storage.formats.gathered import (
    GatheredCheckpoint,
    PackedGathered,
    pack_gathered,
    unpack_gathered,
)

KIND_OF = {type(SUMS[kind]()).__name__.removesuffix("Sums"): kind for kind in SUMS}
GATHERED = [
    many
    for many, (counter, _) in MANY.items()
    if type(counter).__name__.removesuffix("Counter") in KIND_OF and "conversations" not in many
]
"""Conversations are counted by names, which are not gathered."""


def sums_of(many: str) -> Sums:
    """Empty sums for the counter of these contributions."""
    counter, _ = MANY[many]
    return SUMS[KIND_OF[type(counter).__name__.removesuffix("Counter")]]()


def stored(sums: Sums) -> Sums:
    """The sums as they are read from the table."""
    kind = next(kind for kind, of_kind in SUMS.items() if type(sums) is of_kind)
    bucket = Bucket(kind, GATHERED_IN[kind], 7)
    gathered = Gathered({bucket: BucketSums(sums)})
    content = unpack_gathered(pack_gathered(PackedGathered({}, Gathered(), 1, gathered, 2)))
    return content.growing.buckets[bucket].sums


@pytest.mark.parametrize("many", GATHERED)
def test_a_counter_is_the_same_with_gathered_sums_as_with_their_contributions(many: str) -> None:
    """Beyond the limits of names, with some contributions subtracted, and in batches of any size."""
    empty, contributions = MANY[many]
    rng = random.Random(many)
    signed = [(contribution, 1) for contribution in contributions]
    signed += [(contribution, -1) for contribution in rng.sample(contributions, len(contributions) // 3)]
    counter, gathered = empty.cleared(), empty.cleared()
    while signed:
        size = rng.choice([1, 5, 40])
        batch, signed = signed[:size], signed[size:]
        sums = sums_of(many)
        for contribution, sign in batch:
            counter.add(contribution, sign)
            sums.add(contribution, sign)
        stored(sums).add_to(gathered)
    assert gathered.totals() == counter.totals()
    assert any(counter.totals().values())


@pytest.mark.parametrize("many", GATHERED)
def test_sums_that_were_added_can_be_subtracted(many: str) -> None:
    empty, contributions = MANY[many]
    counter, sums = empty.cleared(), sums_of(many)
    for contribution in contributions:
        sums.add(contribution, 1)
    sums.add_to(counter)
    sums.add_to(counter, -1)
    assert not any(counter.totals().values())


def test_a_trace_with_several_values_without_room_counts_once_as_other() -> None:
    """Also where its sums were gathered, and with another trace of the same values."""
    counter = MarginalCounter()
    for contribution in MANY["services"][1]:
        counter.add(contribution, 1)  # type: ignore[arg-type]
    before = counter.values["service_name"]["other"].traces
    calls, pairs = Measures([1, *[0] * (len(NUMBERS) - 1)]), [("service_name", "more"), ("service_name", "still more")]
    sums = MarginalSums()
    for _ in range(2):
        sums.add(MarginalContribution([(*pair, calls) for pair in pairs], set(pairs)), 1)
    sums.add_to(counter)
    assert counter.values["service_name"]["other"].traces == before + 2


def test_longer_intervals_follow_from_the_finest() -> None:
    gathered, quarter = Gathered(), START_NS // (900 * 10**9)
    for number in range(quarter, quarter + 6):
        gathered.add(Bucket("measures", "15m", number), MeasureContribution(signature=frozenset()), 1)
    assert len(list(gathered.of(Bucket("measures", "hour", quarter // 4)))) == 4 - quarter % 4
    assert len(list(gathered.of(Bucket("measures", "day", quarter // 96)))) == min(6, 96 - quarter % 96)
    assert list(gathered.of(Bucket("names", "hour", quarter // 4))) == []


@pytest.mark.parametrize("kind", GATHERED_IN)
def test_every_interval_of_a_gathered_kind_contains_the_finest(kind: str) -> None:
    finest = Bucket(kind, GATHERED_IN[kind], 12_345)  # type: ignore[arg-type, index]
    assert is_finest(finest)
    targets = intervals_of(finest)
    assert [target.interval for target in targets] == list(INTERVALS_OF[finest.kind])
    assert all(target.start_ns <= finest.start_ns < finest.end_ns <= target.end_ns for target in targets)


def test_the_content_of_a_gathered_item_is_read_as_it_was_written() -> None:
    checkpoints = {
        "a": GatheredCheckpoint(10**40, 7),
        "b": GatheredCheckpoint(5, 8, -1),
        "c": GatheredCheckpoint(9, 8, 0),
    }
    bucket = Bucket("measures", "15m", 3)
    leaving, growing = Gathered(), Gathered()
    leaving.add(bucket, MANY["groups"][1][0], 1, 99)
    growing.add(bucket, MANY["groups"][1][0], -1)
    content = PackedGathered(checkpoints, leaving, 4, growing, 5)
    assert unpack_gathered(pack_gathered(content)) == content
