"""Counters at their limits: further names count as `other`, and are subtracted under the name they were added under."""

import random
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import START_NS, call, fields, summary_of
from tracestore.domain.annotations import GroupedScore
from tracestore.domain.buckets import Bucket, ConversationTarget, CounterKind
from tracestore.domain.contributions import (
    ConversationContribution,
    FailureContribution,
    MarginalContribution,
    MeasureContribution,
    ScoreContribution,
    ScoreGroupContribution,
    ScoreTotal,
    ValueContribution,
    contributions_of,
)
from tracestore.domain.counters import (
    CHARACTERS_IN_COUNTER,
    CONVERSATIONS_IN_COUNTER,
    COUNTERS,
    ERRORS_IN_COUNTER,
    EXAMPLES_KEPT,
    GROUPS_IN_COUNTER,
    MOST_EXPENSIVE_KEPT,
    SCORE_GROUPS_IN_COUNTER,
    SCORES_IN_COUNTER,
    SIGNATURES_IN_COUNTER,
    VALUES_IN_COUNTER,
    VALUES_IN_MARGINAL,
    ConversationCounter,
    Counter,
    ErrorCounter,
    MarginalCounter,
    MeasureCounter,
    ScoreCounter,
    ScoreGroupCounter,
    ValueCounter,
)
from tracestore.domain.dimensions import DIMENSION_CHARACTERS, FailureKind, Group, Series
from tracestore.domain.pseudonyms import pseudonym_of
from tracestore.domain.stats import NUMBERS, Example, Measures
from tracestore.storage.formats.counters import PackedCounter, pack_counter, unpack_counter

DAY = Bucket("values", "day", START_NS // (86_400 * 10**9))
IDEOGRAPHS = [chr(code) for code in range(0x4E00, 0x9FFF)]


def ideographs(rng: random.Random, characters: int = DIMENSION_CHARACTERS) -> str:
    """A name of three bytes a character, which does not compress."""
    return "".join(rng.choices(IDEOGRAPHS, k=characters))


def measured(group: Group, *others: Group) -> MeasureContribution:
    """A trace with a call of each of these groups."""
    measures = Measures([1, *[0] * (len(NUMBERS) - 1)])
    return MeasureContribution([(each, measures) for each in (group, *others)], frozenset((group, *others)))


def failed(kind: FailureKind, example: Example | None = None) -> list[FailureContribution]:
    """One failure."""
    return [FailureContribution(kind, 1, example or Example(1, "t", "", ""), is_kept=True)]


def valued(
    values: dict[str, str], conversation_id: str | None = None, trace_id: str = "t", cost: int = 0
) -> ValueContribution:
    """A trace with these values."""
    return ValueContribution(tuple(values.items()), trace_id, conversation_id, (0,) * len(NUMBERS), cost)


def packed(kind: CounterKind, counter: Counter) -> bytes:
    """The counter as it is stored."""
    return pack_counter(kind, PackedCounter(counter, {}, None))


def stored(counter: Counter) -> Counter:
    """The counter as it is read from the table."""
    kind = next(kind for kind, counter_type in COUNTERS.items() if type(counter) is counter_type)
    return unpack_counter(kind, packed(kind, counter)).counter


def of_service(service: str, *others: str) -> MarginalContribution:
    """A trace with a call of each of these services."""
    calls = Measures([1, *[0] * (len(NUMBERS) - 1)])
    pairs = [("service_name", name) for name in (service, *others)]
    return MarginalContribution([(*pair, calls) for pair in pairs], set(pairs))


def scored(name: str, value: float) -> ScoreContribution:
    """A trace with one score."""
    return ScoreContribution(((name, ScoreTotal(1, round(value * 1_000_000))),))


def scored_by(name: str, *values: str) -> ScoreGroupContribution:
    """A trace with one score about each of these models."""
    return ScoreGroupContribution((tuple(GroupedScore(name, value, 1, 7) for value in values), ()))


MANY: dict[str, tuple[Counter, list[object]]] = {
    "groups": (
        MeasureCounter(),
        [measured(Group(Series("completion", "p", f"m{n}"), "success")) for n in range(GROUPS_IN_COUNTER + 9)],
    ),
    "operations": (
        MeasureCounter(),
        [measured(Group(Series(f"o{n}", "p", "m"), "success")) for n in range(2 * GROUPS_IN_COUNTER + 9)],
    ),
    "signatures": (
        MeasureCounter(),
        [
            measured(Group(Series("a", "", f"m{n // 30}"), "success"), Group(Series("b", "", f"m{n % 30}"), "success"))
            for n in range(SIGNATURES_IN_COUNTER + 9)
        ],
    ),
    "kinds": (
        ErrorCounter(),
        [failed(FailureKind(Series("o", "p", "m"), f"E{n}")) for n in range(ERRORS_IN_COUNTER + 9)],
    ),
    "long kinds": (
        ErrorCounter(),
        [failed(FailureKind(Series("o", "p" * 120, "m" * 120), f"E{n:0120}")) for n in range(ERRORS_IN_COUNTER)],
    ),
    "values": (ValueCounter(), [valued({"tool_name": f"v{n}"}) for n in range(VALUES_IN_COUNTER + 9)]),
    "long values": (ValueCounter(), [valued({"tool_name": f"v{n:0120}"}) for n in range(VALUES_IN_COUNTER)]),
    "services": (MarginalCounter(), [of_service(f"s{n}", f"s{n + 1}") for n in range(VALUES_IN_MARGINAL + 9)]),
    "services of later hours": (  # in which their traces did not begin
        MarginalCounter(),
        [MarginalContribution(of_service(f"s{n}").rows) for n in range(VALUES_IN_MARGINAL + 9)],
    ),
    "long services": (MarginalCounter(), [of_service(f"s{n:0120}") for n in range(VALUES_IN_MARGINAL)]),
    "scores": (ScoreCounter(), [scored(f"s{n}", n) for n in range(SCORES_IN_COUNTER + 9)]),
    "score groups": (
        ScoreGroupCounter(),
        [scored_by(f"s{n % 7}", f"m{n}", f"m{n + 1}") for n in range(SCORE_GROUPS_IN_COUNTER + 9)],
    ),
    "names of score groups": (
        ScoreGroupCounter(),
        [scored_by(f"s{n}", "m") for n in range(2 * SCORE_GROUPS_IN_COUNTER + 9)],
    ),
    "long score groups": (ScoreGroupCounter(), [scored_by("s", f"m{n:0120}") for n in range(SCORE_GROUPS_IN_COUNTER)]),
    "conversations": (ValueCounter(), [valued({}, f"c{n}") for n in range(CONVERSATIONS_IN_COUNTER + 9)]),
    "long conversations": (ValueCounter(), [valued({}, f"c{n:0400}") for n in range(CONVERSATIONS_IN_COUNTER)]),
}


@pytest.mark.parametrize("many", MANY)
def test_contributions_beyond_a_limit_can_be_subtracted(many: str) -> None:
    """In another order, after the counter was stored and read."""
    empty, contributions = MANY[many]
    counter = empty.cleared()
    for contribution in contributions:
        counter.add(contribution, 1)
    assert any(counter.totals().values())
    counter = stored(counter)
    for contribution in random.Random(1).sample(contributions, len(contributions)):
        counter.add(contribution, -1)
    assert not any(counter.totals().values())


@given(many=st.sampled_from(list(MANY)), data=st.data())
def test_a_counter_with_room_depends_only_on_the_traces_that_count(many: str, data: st.DataObject) -> None:
    """A trace that was counted and removed, in any order, leaves no trace: not even its name with zeros."""
    empty, contributions = MANY[many]
    counted = data.draw(st.lists(st.sampled_from(contributions[:12]), max_size=12))
    removed = data.draw(st.lists(st.sampled_from(contributions[:12]), max_size=12))
    signed = [*((each, 1) for each in counted), *((each, sign) for each in removed for sign in (1, -1))]
    counter, expected = empty.cleared(), empty.cleared()
    for contribution, sign in data.draw(st.permutations(signed)):
        counter.add(contribution, sign)
    for contribution in counted:
        expected.add(contribution, 1)
    assert counter.totals() == expected.totals()
    assert stored(counter).totals() == expected.totals()


@pytest.mark.parametrize("many", MANY)
def test_counting_the_traces_of_a_full_counter_again_gives_the_same(many: str) -> None:
    """Otherwise an audit would report every counter that ever was at a limit."""
    empty, contributions = MANY[many]
    counter = empty.cleared()
    for contribution in contributions:
        counter.add(contribution, 1)
    again = counter.cleared()
    for contribution in random.Random(1).sample(contributions, len(contributions)):
        again.add(contribution, 1)
    assert again.totals() == counter.totals()


@pytest.mark.parametrize(
    ("many", "most"),
    [
        ("kinds", ERRORS_IN_COUNTER),
        ("long kinds", CHARACTERS_IN_COUNTER // 362),
        ("values", VALUES_IN_COUNTER),
        ("long values", CHARACTERS_IN_COUNTER // 121),
        ("services", VALUES_IN_MARGINAL),
        ("services of later hours", VALUES_IN_MARGINAL),
        ("scores", SCORES_IN_COUNTER),
        ("names of score groups", 2 * SCORE_GROUPS_IN_COUNTER),
        ("long score groups", CHARACTERS_IN_COUNTER // 122),
        ("long services", CHARACTERS_IN_COUNTER // 121),
        ("conversations", CONVERSATIONS_IN_COUNTER),
        ("long conversations", CHARACTERS_IN_COUNTER // 401),
    ],
)
def test_a_counter_keeps_so_many_names_and_counts_the_rest_as_other(many: str, most: int) -> None:
    empty, contributions = MANY[many]
    counter = empty.cleared()
    for contribution in contributions:
        counter.add(contribution, 1)
    kept = [names for names in counter.totals().values() if names]
    assert [len(names) for names in kept] == [most + 1]


@pytest.mark.parametrize(("more", "kept"), [(0, True), (1, False)])
def test_names_that_fill_a_counter_exactly_fit(more: int, kept: bool) -> None:
    counter = ValueCounter()
    names = ["a" * (CHARACTERS_IN_COUNTER // 2), "b" * (CHARACTERS_IN_COUNTER // 2 + more)]
    for name in names:
        counter.add(valued({"tool_name": name}), 1)
    assert (names[1] in counter.values["tool_name"]) is kept


def test_a_counter_of_measures_keeps_so_many_groups_and_signatures() -> None:
    counters = {}
    for many in ("groups", "operations", "signatures"):
        counters[many] = MeasureCounter()
        for contribution in MANY[many][1]:
            counters[many].add(contribution, 1)  # type: ignore[arg-type]
    assert len(counters["groups"].groups) == GROUPS_IN_COUNTER + 1
    assert len(counters["operations"].groups) == 2 * GROUPS_IN_COUNTER + 1
    assert Group(Series("completion", "other", "other"), "success") in counters["groups"].groups
    assert Group(Series("other", "other", "other"), "success") in counters["operations"].groups
    assert len(counters["signatures"].traces) == SIGNATURES_IN_COUNTER + 1
    assert counters["signatures"].traces[frozenset()] == 9


def test_scores_without_room_for_their_value_are_counted_by_name() -> None:
    counter = ScoreGroupCounter()
    for contribution in MANY["score groups"][1]:
        counter.add(contribution, 1)  # type: ignore[arg-type]
    names = {name for name, value in counter.groups["model_name"] if value == "other"}
    assert names == {f"s{n}" for n in range(7)}
    assert len(counter.groups["model_name"]) == SCORE_GROUPS_IN_COUNTER + 7


def test_no_counter_comes_near_the_limit_of_an_item() -> None:
    """Names and messages of three bytes a character, at their longest."""
    rng = random.Random(1)
    errors, values, marginals = ErrorCounter(), ValueCounter(), MarginalCounter()
    latencies = {number: number for number in range(200)}
    for _ in range(VALUES_IN_MARGINAL):
        name, calls = ideographs(rng), Measures([10**12] * len(NUMBERS), latencies)
        marginals.add(MarginalContribution([("service_name", name, calls)], {("service_name", name)}), 1)
    for number in range(ERRORS_IN_COUNTER):
        kind = FailureKind(Series("o", ideographs(rng), ideographs(rng)), ideographs(rng))
        for _ in range(EXAMPLES_KEPT):
            errors.add(failed(kind, Example(number, ideographs(rng, 80), ideographs(rng, 80), ideographs(rng, 200))), 1)
    for _ in range(VALUES_IN_COUNTER):
        names = dict.fromkeys(("span_name", "tool_name", "end_user_id", "service_name", "model_name"), "")
        values.add(valued({name: ideographs(rng) for name in names}, ideographs(rng, 256)), 1)
    sizes = len(packed("errors", errors)), len(packed("values", values)), len(packed("marginals", marginals))
    assert max(sizes) < 200_000


def test_values_that_are_cut_to_the_same_name_count_a_trace_once() -> None:
    long = "n" * DIMENSION_CHARACTERS
    summary = summary_of(call("a", span_name=f"{long}1"), call("b", span_name=f"{long}2"))
    contribution = contributions_of("t", summary, 0, str)[Bucket("names", "hour", START_NS // (3_600 * 10**9))]
    assert isinstance(contribution, ValueContribution)
    counter = ValueCounter()
    counter.add(contribution, 1)
    assert counter.values["span_name"] == {long: 1}


def test_a_most_expensive_trace_goes_with_its_cost() -> None:
    counter = ValueCounter()
    for cost in (3, 5, 4):
        counter.add(valued({}, trace_id=f"t{cost}", cost=cost), 1)
    counter.add(valued({}, trace_id="t5", cost=5), -1)
    assert counter.most_expensive == [(4, "t4"), (3, "t3")]


def test_a_counter_keeps_a_bounded_list_of_most_expensive_traces_and_no_free_one() -> None:
    counter = ValueCounter()
    for cost in range(MOST_EXPENSIVE_KEPT + 5):
        counter.add(valued({}, trace_id=f"t{cost}", cost=cost), 1)
    assert [cost for cost, _ in counter.most_expensive] == list(range(MOST_EXPENSIVE_KEPT + 4, 4, -1))
    free = ValueCounter()
    free.add(valued({}, trace_id="free"), 1)
    assert free.most_expensive == []


TIMES = st.integers(1, 10**6)
CONVERSATION = st.builds(
    ConversationContribution, st.sampled_from("abc"), TIMES, TIMES, st.just(Measures()), expires_at_s=TIMES
)


@given(added=st.lists(CONVERSATION, min_size=1, max_size=8), removed=st.lists(CONVERSATION, max_size=8), data=st.data())
def test_a_conversation_has_the_times_of_all_traces_that_were_ever_added(
    added: list[ConversationContribution], removed: list[ConversationContribution], data: st.DataObject
) -> None:
    """The first start, the last end, the newest trace and the last expiry. A removed trace changes none of them."""
    counter = ConversationCounter()
    signed = [*((each, 1) for each in added), *((each, -1) for each in removed)]
    for contribution, sign in data.draw(st.permutations(signed)):
        counter.add(contribution, sign)
    assert counter.traces == len(added) - len(removed)
    assert counter.first_ns == min(each.start_ns for each in added)
    assert counter.last_ns == max(each.end_ns for each in added)
    assert counter.last_trace == max((each.start_ns, each.trace_id) for each in added)
    assert counter.expires_at_s == max(each.expires_at_s for each in added)


@given(times=st.lists(st.integers(0, 20), max_size=EXAMPLES_KEPT), middle=st.integers(0, 21))
def test_examples_of_adjoining_times_are_all_examples_once(times: list[int], middle: int) -> None:
    kind, counter = FailureKind(Series("o", "p", "m"), "E"), ErrorCounter()
    for number, time_ns in enumerate(times):
        counter.add(failed(kind, Example(time_ns, f"t{number}", "", "")), 1)
    whole = counter.kinds.get(kind, (0, []))
    parts = [counter.within(*part).kinds.get(kind, (0, [])) for part in ((0, middle), (middle, 21))]
    assert [example for _, examples in reversed(parts) for example in examples] == whole[1]
    assert [count for count, _ in parts] == [whole[0]] * 2  # failures are counted whether they are quoted or not


def test_of_the_values_of_one_trace_the_first_by_name_are_kept() -> None:
    """Two invocations that count the same trace may not admit different names: sets have no order of their own."""
    counter = MarginalCounter()
    for number in range(VALUES_IN_MARGINAL - 10):
        counter.add(of_service(f"a{number}"), 1)
    values = {("service_name", f"b{number}") for number in range(10, 40)}
    counter.add(MarginalContribution(traces=values), 1)
    admitted = sorted(name for name in counter.values["service_name"] if name.startswith("b"))
    assert admitted == [f"b{number}" for number in range(10, 20)]


@given(
    named=st.sets(st.sampled_from(["", "other", "ada", "bob", "eve"])), hidden=st.sets(st.sampled_from(["ada", "bob"]))
)
def test_an_end_user_counted_by_name_and_by_pseudonym_is_one(named: set[str], hidden: set[str]) -> None:
    """A counter of an earlier version has names, and this one adds pseudonyms to it."""
    pseudonym = partial(pseudonym_of, b"key")
    counter, expected = MarginalCounter(), MarginalCounter()
    for name, stored_name in [*((name, name) for name in named), *((name, pseudonym(name)) for name in hidden)]:
        for each, value in ((counter, stored_name), (expected, pseudonym(name))):
            each.add(of_service("shop"), 1)
            calls = Measures([1, *[0] * (len(NUMBERS) - 1)])
            each.add(MarginalContribution([("end_user_id", value, calls)], {("end_user_id", value)}), 1)
    assert counter.under_pseudonyms(pseudonym).totals() == expected.totals()


def test_an_example_is_removed_with_its_trace_and_the_latest_stay() -> None:
    kind, counter = FailureKind(Series("o", "p", "m"), "E"), ErrorCounter()
    for time_ns in range(EXAMPLES_KEPT + 2):
        counter.add(failed(kind, Example(time_ns, f"t{time_ns}", "", "")), 1)
    counter.add(failed(kind, Example(EXAMPLES_KEPT, f"t{EXAMPLES_KEPT}", "", "")), -1)
    count, examples = counter.kinds[kind]
    assert (count, [example.time_ns for example in examples]) == (
        EXAMPLES_KEPT + 1,
        [EXAMPLES_KEPT + 1, *range(EXAMPLES_KEPT - 1, 1, -1)],
    )


def test_a_trace_is_counted_at_its_start_also_without_a_call_there() -> None:
    """An agent waits for an hour before its first call. Its pending root alone has no measures."""
    hour_ns = 3600 * 10**9
    contributions = contributions_of(
        "t", summary_of(fields("root", end_ns=None), call("a", "root", start_ns=START_NS + hour_ns)), 0, str
    )
    signatures = {
        target.number - START_NS // hour_ns: contribution.signature is not None
        for target, contribution in contributions.items()
        if isinstance(contribution, MeasureContribution) and isinstance(target, Bucket) and target.interval == "hour"
    }
    assert signatures == {0: True, 1: False}


def test_a_trace_with_several_services_without_room_counts_once_as_other() -> None:
    counter = MarginalCounter()
    for number in range(VALUES_IN_MARGINAL):
        counter.add(of_service(f"s{number}"), 1)
    counter.add(of_service("more", "still more"), 1)
    other = counter.values["service_name"]["other"]
    assert (other.traces, other.calls) == (1, 2)


def test_a_trace_counts_for_its_services_in_the_hour_in_which_it_began() -> None:
    hour_ns = 3600 * 10**9
    spans = [fields("root", end_ns=None), call("a", "root", start_ns=START_NS + hour_ns, service_name="shop")]
    contributions = {
        target.number - START_NS // hour_ns: contribution
        for target, contribution in contributions_of("t", summary_of(*spans), 0, str).items()
        if isinstance(contribution, MarginalContribution) and isinstance(target, Bucket)
    }
    assert ("service_name", "shop") in contributions[0].traces
    assert contributions[0].rows == []
    assert ("service_name", "shop") in {row[:2] for row in contributions[1].rows}
    assert not contributions[1].traces


def test_all_failures_of_a_kind_count() -> None:
    counter, kind = ErrorCounter(), FailureKind(Series("o", "p", "m"), "E")
    for sign, expected in ((1, 3), (1, 6), (-1, 3)):
        counter.add([FailureContribution(kind, 3, Example(1, "t", "", ""))], sign)
        assert counter.totals() == {"errors": {kind: expected}}


@pytest.mark.parametrize("many", MANY)
def test_contributions_subtracted_before_they_are_added_leave_nothing(many: str) -> None:
    empty, contributions = MANY[many]
    counter = empty.cleared()
    for sign in (-1, 1):
        for contribution in contributions:
            counter.add(contribution, sign)
        counter = stored(counter)
    assert not any(counter.totals().values())


def test_a_conversation_was_active_until_its_last_span_ended() -> None:
    spans = [fields("root", conversation_id="c"), call("late", "root", end_ns=START_NS + 9_000_000)]
    contribution = contributions_of("t", summary_of(*spans), 0, str)[ConversationTarget("c")]
    assert isinstance(contribution, ConversationContribution)
    assert (contribution.start_ns, contribution.end_ns) == (START_NS, START_NS + 9_000_000)


def test_the_status_of_a_trace_is_among_its_values_and_its_messages_are_not() -> None:
    contribution = contributions_of("t", summary_of(call("root", status="error", message_id="m")), 0, str)[DAY]
    assert isinstance(contribution, ValueContribution)
    assert ("status", "error") in contribution.values
    assert "message_id" not in dict(contribution.values)


def test_a_failure_is_counted_at_its_own_time() -> None:
    hour_ns = 3600 * 10**9
    summary = summary_of(fields("root"), call("late", "root", start_ns=START_NS + hour_ns, error_type="E"))
    assert {target for target in contributions_of("t", summary, 0, str) if target[:2] == ("errors", "hour")} == {
        Bucket("errors", "hour", START_NS // hour_ns + 1)
    }
