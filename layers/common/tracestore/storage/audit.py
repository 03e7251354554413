"""Counters against the heads that they were made from: what they have to be, and putting them right.

Heads tell what they add to the counters, so adding up all heads gives what the counters must hold, to the token and the
nano-dollar. Only retention parts the two: what has expired keeps counting and can no longer be added up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from tracestore.domain.counters import (
    COUNTERS,
    QUARTERS,
    Bucket,
    ConversationCounter,
    ConversationOf,
    Counter,
    Part,
    parts_of,
)
from tracestore.domain.times import NS_PER_DAY

from . import keys
from .counters import Kept, Target, change_counter, read_quarantine, read_targets
from .items import Head, head_from
from .store import Store
from .table import Patience

REACH_NS: Final = NS_PER_DAY
"""How long before the window a trace may have begun whose spans count in it."""

MOVING_MS: Final = 120_000
"""A head that changed within this time may not have reached the counters yet."""

HEADS_AT_ONCE: Final = 100


class Finding(NamedTuple):
    """A counter that is not what it has to be."""

    target: Target
    expected: Counter
    actual: Counter


@dataclass(slots=True)
class Audit:
    """What an audit of a user found. `moving` are counters of traces that have just changed: ask again later."""

    heads: int = 0
    counters: int = 0
    findings: list[Finding] = field(default_factory=list)
    moving: set[Target] = field(default_factory=set)
    quarantined: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every counter that could be compared is right."""
        return not self.findings


def audit(
    store: Store,
    user_id: str,
    from_ns: int,
    to_ns: int,
    *,
    moving_ms: int = MOVING_MS,
    patience: Patience | None = None,
) -> Audit:
    """Compare the user's counters of the whole UTC days from `from_ns` to `to_ns` with the heads.

    Also the conversations that had a trace in that time, where all of their traces are still there. The window has to
    lie within the retention: *raises* ValueError otherwise.
    """
    patience = patience or Patience()
    oldest_ns = store.now_ms() * 1_000_000 - store.retention_s * 10**9
    if from_ns < oldest_ns:
        raise ValueError("Traces from so long ago have expired: an audit has to begin within the retention.")
    days = range(from_ns // NS_PER_DAY, -(-to_ns // NS_PER_DAY))
    found = Audit(quarantined=len(read_quarantine(store, user_id)))
    told: dict[Target, list[Part]] = {}
    conversations: set[str] = set()
    just_now_ms = store.now_ms() - moving_ms
    for trace_id, head in _heads(store, user_id, days, patience):
        found.heads += 1
        parts = parts_of(trace_id, head.summary, head.expires_at_s)
        for target, part in parts.items():
            if isinstance(target, ConversationOf):
                conversations.add(target.conversation_id)
            else:
                told.setdefault(target, []).append(part)
        if head.updated_ms > just_now_ms:
            found.moving |= set(parts)
    wanted: list[Target] = list(_buckets(days))
    for conversation_id in sorted(conversations):
        target = ConversationOf(conversation_id)
        wanted.append(target)
        told[target] = [
            parts[target]
            for trace_id, head in _of_conversation(store, user_id, conversation_id, patience)
            if target in (parts := parts_of(trace_id, head.summary, head.expires_at_s))
        ]
    actual = read_targets(store, user_id, wanted, patience)
    for target in wanted:
        counter: Counter | None = actual.get(target)
        if target in found.moving or (counter is None and target not in told):
            continue
        found.counters += 1
        if counter is None:
            counter = COUNTERS[target.kind]()
        if isinstance(counter, ConversationCounter) and (counter.first_ns or 0) < oldest_ns:
            continue
        expected = counter.cleared()
        for part in told.get(target, ()):
            expected.add(part, 1)
        if expected.figures() != counter.figures():
            found.findings.append(Finding(target, expected, counter))
    return found


def repair(store: Store, user_id: str, findings: list[Finding], patience: Patience | None = None) -> int:
    """Put these counters right; returns how many. One that has moved since it was found is left for the next audit."""
    patience = patience or Patience()
    repaired = 0
    for finding in findings:
        was = finding.actual.figures()

        def put_right(kept: Kept) -> bool:
            if kept.counter.figures() != was:  # noqa: B023
                return False
            kept.counter = finding.expected  # noqa: B023
            return True

        repaired += change_counter(store, user_id, finding.target, put_right, patience)
    return repaired


def _buckets(days: range) -> Iterator[Bucket]:
    for day in days:
        yield Bucket("values", "day", day)
        for interval, quarters in QUARTERS.items():
            each = QUARTERS["day"] // quarters
            for number in range(day * each, (day + 1) * each):
                yield Bucket("measures", interval, number)
                yield Bucket("errors", interval, number)


def _heads(store: Store, user_id: str, days: range, patience: Patience) -> Iterator[tuple[str, Head]]:
    """The live heads of all traces that can count on these days."""
    low = keys.before_time(max(0, days.start * NS_PER_DAY - REACH_NS))
    high = keys.before_time(days.stop * NS_PER_DAY + REACH_NS)
    for shard in range(store.time_shards):
        yield from _listed(store, "by_time", keys.by_time_shard(user_id, shard), low, high, patience)


def _of_conversation(
    store: Store, user_id: str, conversation_id: str, patience: Patience
) -> Iterator[tuple[str, Head]]:
    return _listed(store, "by_conversation", keys.by_conversation(user_id, conversation_id), "", "", patience)


def _listed(
    store: Store, index: str, partition: str, low: str, high: str, patience: Patience
) -> Iterator[tuple[str, Head]]:
    entries = iter(store.table.query(partition, low, high, index=index))
    while pks := [item["pk"]["S"] for item in islice(entries, HEADS_AT_ONCE)]:
        heads = store.table.get_many(((pk, keys.HEAD) for pk in pks), patience)
        for (pk, _), item in heads.items():
            head = head_from(item)
            if head.summary is not None and not head.is_expired(store.now_ms()):
                yield keys.trace_id_of(pk), head
