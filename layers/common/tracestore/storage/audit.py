"""Counters against the heads that they were made from: what they have to be, and putting them right.

Heads tell what they add to the counters, so adding up all heads gives what the counters must hold, to the token and the
nano-dollar. Only retention parts the two: what has expired keeps counting and can no longer be added up. A counter
tells from when on that is so of it, and is left alone then.

All heads of the user are read, whatever the window: a span may lie at any time, far from where its trace stands in the
indexes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from tracestore.domain.counters import (
    COUNTERS,
    INTERVALS_OF,
    QUARTERS,
    Bucket,
    Contribution,
    ConversationTarget,
    Counter,
    Target,
    contributions_of,
)
from tracestore.domain.times import NS_PER_DAY

from . import keys
from .counters import (
    StoredCounter,
    change_counter,
    has_expired,
    read_conversations,
    read_dead_letters,
    read_stored,
)
from .items import Head, head_from
from .pending_deletions import Partition, time_partitions
from .store import Store
from .table import READS_AT_ONCE, Deadline

MOVING_MS: Final = 360_000
"""A head that changed within this time may not have reached the counters yet: they gather changes for up to 300 s."""


class Finding(NamedTuple):
    """A counter that is not what it has to be. The first of the traces it should count expires at `whole_until_s`."""

    target: Target
    expected: Counter
    actual: Counter
    whole_until_s: int | None

    def is_as(self, other: "Finding") -> bool:
        """Whether the other one, about the same counter, finds the same."""
        return (self.expected.totals(), self.actual.totals()) == (other.expected.totals(), other.actual.totals())


@dataclass(slots=True)
class _Expected:
    """What heads say that a counter has to hold."""

    contributions: list[Contribution] = field(default_factory=list)
    whole_until_s: int | None = None

    def take(self, contribution: Contribution, head: Head) -> None:
        self.contributions.append(contribution)
        self.whole_until_s = min(self.whole_until_s or head.expires_at_s, head.expires_at_s)


@dataclass(slots=True)
class Audit:
    """What an audit of a user found.

    `heads` are those that count in its time. `moving` are counters of traces that have just changed: ask again later.
    A trace that was just deleted, or moved to other counters, is not seen: a finding is certain when it `lasts`.
    """

    heads: int = 0
    counters: int = 0
    findings: list[Finding] = field(default_factory=list)
    moving: set[Target] = field(default_factory=set)
    dead_letters: int = 0

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
    deadline: Deadline | None = None,
) -> Audit:
    """Compare the user's counters of the whole UTC days from `from_ns` to `to_ns` with the heads.

    Also the conversations that had a trace in that time or were active since. Counters of which a trace has expired are
    left out. The window has to lie within the retention: *raises* ValueError otherwise.
    """
    deadline = deadline or Deadline()
    now_ms = store.now_ms()
    if from_ns < now_ms * 1_000_000 - store.retention_s * 10**9:
        raise ValueError("Traces from so long ago have expired: an audit has to begin within the retention.")
    days = range(from_ns // NS_PER_DAY, -(-to_ns // NS_PER_DAY))
    found = Audit(dead_letters=len(read_dead_letters(store, user_id)))
    expected_by_target: dict[Target, _Expected] = {
        target: _Expected() for target in _buckets(days) if not has_expired(target, now_ms)
    }
    conversations = set(_active_since(store, user_id, days.start * NS_PER_DAY, deadline))
    for partition in time_partitions(store, user_id):
        for trace_id, head in _listed(store, partition, deadline):
            contributions = contributions_of(trace_id, head.summary, head.expires_at_s)
            if expected_by_target.keys().isdisjoint(contributions):
                continue
            found.heads += 1
            conversations.update(target for target in contributions if isinstance(target, ConversationTarget))
            for target in expected_by_target.keys() & contributions:
                expected_by_target[target].take(contributions[target], head)
            if head.updated_ms > now_ms - moving_ms:
                found.moving |= set(contributions)
    for conversation in sorted(conversations):
        expected_by_target[conversation] = expected_contributions = _Expected()
        partition = "by_conversation", keys.by_conversation(user_id, conversation.conversation_id)
        for trace_id, head in _listed(store, partition, deadline):
            if contribution := contributions_of(trace_id, head.summary, head.expires_at_s).get(conversation):
                expected_contributions.take(contribution, head)
                if head.updated_ms > now_ms - moving_ms:
                    found.moving.add(conversation)
    actual = read_stored(store, user_id, expected_by_target, deadline)
    for target, expected_contributions in expected_by_target.items():
        stored = actual.get(target) or StoredCounter(COUNTERS[target.kind]())
        if (
            target in found.moving
            or not stored.is_whole(now_ms)
            or (target not in actual and not expected_contributions.contributions)
        ):
            continue
        found.counters += 1
        expected = stored.counter.cleared()
        for contribution in expected_contributions.contributions:
            expected.add(contribution, 1)
        if expected.totals() != stored.counter.totals():
            found.findings.append(Finding(target, expected, stored.counter, expected_contributions.whole_until_s))
    return found


def confirmed(earlier: Audit, later: Audit) -> list[Finding]:
    """What two audits have both found, as long apart as the stream takes: nothing that was just on its way."""
    before = {finding.target: finding for finding in earlier.findings}
    return [finding for finding in later.findings if finding.target in before and finding.is_as(before[finding.target])]


def repair(store: Store, user_id: str, findings: list[Finding], deadline: Deadline | None = None) -> int:
    """Put these counters right; returns how many. One that has moved since it was found is left for the next audit."""
    deadline = deadline or Deadline()
    repaired = 0
    for finding in findings:
        was = finding.actual.totals()

        def put_right(stored: StoredCounter) -> bool:
            if stored.counter.totals() != was:  # noqa: B023
                return False
            stored.counter = finding.expected  # noqa: B023
            if finding.whole_until_s is not None:  # noqa: B023
                stored.counts(finding.whole_until_s)  # noqa: B023
            return True

        repaired += change_counter(store, user_id, finding.target, put_right, deadline)
    return repaired


def _buckets(days: range) -> Iterator[Bucket]:
    for kind, intervals in INTERVALS_OF.items():
        for interval in intervals:
            in_day = QUARTERS["day"] // QUARTERS[interval]
            for number in range(days.start * in_day, days.stop * in_day):
                yield Bucket(kind, interval, number)


def _active_since(store: Store, user_id: str, from_ns: int, deadline: Deadline) -> Iterator[ConversationTarget]:
    """The conversations whose counters say that they were active since then, also those that no trace is left of."""
    after: str | None = None
    while True:
        page, after = read_conversations(store, user_id, READS_AT_ONCE, after, deadline)
        for conversation_id, counter in page:
            if counter.last_ns < from_ns:
                return
            yield ConversationTarget(conversation_id)
        if after is None:
            return


def _listed(store: Store, partition: Partition, deadline: Deadline) -> Iterator[tuple[str, Head]]:
    """The live heads of all traces that stand there."""
    index, key = partition
    entries = iter(store.table.query(key, index=index))
    while pks := [item["pk"]["S"] for item in islice(entries, READS_AT_ONCE)]:
        heads = store.table.get_many(((pk, keys.HEAD) for pk in pks), deadline)
        for (pk, _), item in heads.items():
            head = head_from(item)
            if head.summary is not None and not head.is_expired(store.now_ms()):
                yield keys.trace_id_of(pk), head
