"""Keys separate users, ids and times, sort by time and stay within DynamoDB's limits."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracestore.domain.owners import team_id
from tracestore.storage import keys

UNUSUAL = [
    "#",
    "%",
    "/",
    "..",
    ".",
    " ",
    "%23",
    "%%",
    "",
    "\x00",
    "🙂",
    "é",
    "e\u0301",
    "U#a#T#b",
    "a" * 5000,
    "🙂" * 256,
]
texts = st.one_of(st.text(max_size=80), st.sampled_from(UNUSUAL))
trace_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", fullmatch=True)


@given(texts, texts)
@settings(max_examples=150, deadline=None)
def test_different_ids_have_different_encodings(text: str, other: str) -> None:
    assert (keys.encode_id(text) == keys.encode_id(other)) == (text == other)


@given(texts)
@settings(max_examples=150, deadline=None)
def test_an_id_in_a_key_is_short_and_has_no_separator(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.:~%-]{0,200}", keys.encode_id(text), re.ASCII)


@pytest.mark.parametrize("text", UNUSUAL)
def test_an_encoded_id_sent_as_an_id_is_a_different_id(text: str) -> None:
    assert text == keys.encode_id(text) or keys.encode_id(keys.encode_id(text)) != keys.encode_id(text)


@given(texts, texts, texts, texts)
@settings(max_examples=150, deadline=None)
def test_no_two_users_share_a_partition(user: str, other: str, an_id: str, other_id: str) -> None:
    def partitions(name: str, some_id: str) -> set[str]:
        return {
            keys.user(name),
            keys.trace(name, some_id),
            keys.by_time(name, some_id, 3),
            keys.by_conversation(name, some_id),
            keys.by_message(name, some_id),
            keys.by_span(name, some_id),
            keys.by_status(name, "error"),
            keys.user_keys(name),
        }

    if user != other:
        assert not partitions(user, an_id) & partitions(other, other_id)
        assert not any(key.startswith(keys.user(user) + "#") for key in partitions(other, other_id))


@given(texts, trace_ids, texts)
@settings(max_examples=200, deadline=None)
def test_keys_are_within_dynamodbs_limits(user: str, trace_id: str, other_id: str) -> None:
    """2,048 bytes for a partition key, 1,024 for a sort key."""
    for make in (keys.trace, keys.by_conversation, keys.by_message, keys.by_span):
        assert len(make(user, trace_id).encode()) <= 2048
        assert len(make(user, other_id).encode()) <= 2048
    for sort in (keys.message_alias(other_id), keys.span_alias(other_id), keys.cursor_position(2**63 - 1, trace_id)):
        assert len(sort.encode()) <= 1024


@given(texts, trace_ids)
@settings(max_examples=200, deadline=None)
def test_the_trace_id_can_be_read_from_a_partition_key_and_from_a_cursor_position(user: str, trace_id: str) -> None:
    assert keys.trace_id_at(keys.cursor_position(0, trace_id)) == trace_id
    assert keys.trace_id_of(keys.trace(user, trace_id)) == trace_id


times = st.integers(0, 10**19 - 1)


@given(times, trace_ids, times, trace_ids)
@settings(max_examples=150, deadline=None)
def test_keys_sort_by_time(time_ns: int, trace_id: str, other_ns: int, other_id: str) -> None:
    if time_ns < other_ns:
        assert keys.cursor_position(time_ns, trace_id) < keys.cursor_position(other_ns, other_id)
        assert keys.cursor_position(time_ns, trace_id) < keys.before_time(other_ns)
    assert keys.before_time(time_ns) < keys.cursor_position(time_ns, trace_id)
    assert keys.start_ns_of(keys.cursor_position(time_ns, trace_id)) == time_ns


@pytest.mark.parametrize("to_ns", [10**19, 13_569_465_600 * 10**9, 253_402_300_799 * 10**9])
def test_the_latest_possible_times_of_a_query_sort_after_all_cursor_positions(to_ns: int) -> None:
    """Years 2286, 2400 and 9999: no trace starts then, but a query's time range may end then."""
    assert keys.before_time(to_ns) > keys.cursor_position(1_795_312_800 * 10**9, "t")


def test_an_encoded_id_never_equals_a_hashed_id() -> None:
    hashed = keys.encode_id("x" * 201)
    assert hashed.startswith("%%")
    assert keys.encode_id(hashed) != hashed


def test_a_core_read_covers_everything_except_payloads_and_ends_with_compacted_items() -> None:
    head, alias = keys.HEAD, keys.message_alias("🙂")
    segment, compact = keys.segment("79c0b", "f" * 16), keys.compacted_segment("79c0b", "0" * 16)
    assert keys.CORE_FROM <= head < alias < keys.span_alias("🙂") < segment < compact <= keys.CORE_TO
    for payload in (keys.payload_part("79c0b", "0" * 16, 0), keys.delta_payload("79c0b", "0" * 16, "f" * 16)):
        assert payload > keys.CORE_TO
        assert keys.is_payload(payload)
        assert not keys.is_segment(payload)
        assert keys.parse(payload)[:3] == ("X", "79c0b", "0" * 16)
    assert keys.parse(segment) == ("S", "79c0b", "f" * 16, "")
    assert keys.parse(compact) == ("SF", "79c0b", "0" * 16, "")
    assert [keys.parse(sk) for sk in (head, alias, keys.message_alias("X#a#b"))] == [
        ("H", "", "", ""),
        *[("M", "", "", "")] * 2,
    ]


def test_payload_parts_are_in_order() -> None:
    parts = [keys.payload_part("g", "d", number) for number in range(20)]
    first, last = keys.payload_range("g", "d")
    assert [first, *parts, keys.delta_payload("g", "d", "f" * 16), last] == sorted(
        [first, *parts, keys.delta_payload("g", "d", "f" * 16), last]
    )
    assert [keys.parse(part).part for part in parts] == [keys.payload_part_name(number) for number in range(20)]


def test_traces_are_spread_over_all_time_shards() -> None:
    shards = {keys.by_time("u", f"t{n}", 3) for n in range(100)}
    assert shards == {keys.by_time_shard("u", shard) for shard in range(3)}


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_the_partition_of_a_team_is_that_of_no_user_and_of_no_other_team(team: str, other: str) -> None:
    assert (keys.user(team_id(team)) == keys.user(other)) == (other == team_id(team))
    assert (keys.user(team_id(team)) == keys.user(team_id(other))) == (team == other)
