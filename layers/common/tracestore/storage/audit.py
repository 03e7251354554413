"""The audit of counters: comparing them with the heads that they count, and repairing them.

A counter must equal the sum of the contributions of all heads, to the token and the nano-dollar. Only retention makes
them differ: an expired trace keeps counting and has no head any more. Each counter stores when its first trace expires;
after that it cannot be audited and is skipped.

The copies of marginals of whole days, which analytics read in place of the hours, must equal these.

All heads of the user are read, whatever the window: a span can have any time, far from its trace's position in the
indexes.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from tracestore.domain.buckets import INTERVALS_OF, QUARTERS, Bucket, ConversationTarget, Target
from tracestore.domain.contributions import Contribution, contributions_of
from tracestore.domain.counters import COUNTERS, Counter
from tracestore.domain.dimensions import MARGINALS
from tracestore.domain.times import NS_PER_DAY

from . import keys
from .activity import activity_items, activity_of
from .conversations import read_conversations
from .counter_reading import read_copies, read_stored
from .counters import change_counter
from .dead_letters import read_dead_letters
from .gathered import open_day
from .listing import heads_in
from .marginal_days import day_of
from .model import Head, Partition
from .store import Scope
from .stored_counters import StoredCounter, has_expired

MOVING_MS: Final = 360_000
"""A head that changed within this time may not be counted yet: changes are gathered for up to 300 s."""

CONVERSATIONS_IN_PAGE: Final = 100


class Finding(NamedTuple):
    """A counter that differs from its heads. The first of the traces that it must count expires at `whole_until_s`."""

    target: Target
    expected: Counter
    actual: Counter
    whole_until_s: int | None

    def is_as(self, other: "Finding") -> bool:
        """Whether the other finding, about the same counter, has the same totals."""
        return (self.expected.totals(), self.actual.totals()) == (other.expected.totals(), other.actual.totals())


@dataclass(slots=True)
class _Expected:
    """The contributions of all heads to one counter."""

    contributions: list[Contribution] = field(default_factory=list)
    whole_until_s: int | None = None

    def include(self, contribution: Contribution, head: Head) -> None:
        self.contributions.append(contribution)
        self.whole_until_s = min(self.whole_until_s or head.expires_at_s, head.expires_at_s)


@dataclass(slots=True)
class Audit:
    """The result of an audit of one user.

    `heads` is the number of heads that contribute to the window, `moving` the counters of traces that have just
    changed, which are not compared. `outdated_days` are the days since 1970 whose copied marginals differ from their
    hours. A trace that was deleted just now, or that just changed its counters, is not seen:
    a finding is certain when a second audit has `confirmed` it.
    """

    heads: int = 0
    counters: int = 0
    findings: list[Finding] = field(default_factory=list)
    moving: set[Target] = field(default_factory=set)
    outdated_days: set[int] = field(default_factory=set)
    dead_letters: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every counter that could be compared is right, and every copy."""
        return not self.findings and not self.outdated_days


def audit(
    scope: Scope,
    from_ns: int,
    to_ns: int,
    *,
    moving_ms: int = MOVING_MS,
) -> Audit:
    """Compare the user's counters of the whole UTC days from `from_ns` to `to_ns` with the heads.

    The conversations that had a trace in that time or were active since are compared as well. Counters with an expired
    trace are skipped.

    *raises*: ValueError when the window begins before the retention.
    """
    now_ms = scope.now_ms()
    if from_ns < now_ms * 1_000_000 - scope.store.retention_s * 10**9:
        raise ValueError("Traces from so long ago have expired: an audit has to begin within the retention.")
    days = range(from_ns // NS_PER_DAY, -(-to_ns // NS_PER_DAY))
    result = Audit(dead_letters=len(read_dead_letters(scope)))
    expected: dict[Target, _Expected] = {
        target: _Expected() for target in _buckets(days) if not has_expired(scope.store, target)
    }
    conversations = set(_active_since(scope, days.start * NS_PER_DAY))
    for head, contributions in _contributions(scope, scope.time_partitions()):
        if expected.keys().isdisjoint(contributions):
            continue
        result.heads += 1
        conversations.update(target for target in contributions if isinstance(target, ConversationTarget))
        for target in expected.keys() & contributions:
            expected[target].include(contributions[target], head)
        if max(head.updated_ms, head.summary.annotations.updated_ms) > now_ms - moving_ms:
            result.moving |= set(contributions)
    for conversation in sorted(conversations):
        expected[conversation] = _Expected()
        partition = "by_conversation", keys.by_conversation(scope.user_id, conversation.conversation_id)
        for head, contributions in _contributions(scope, [partition]):
            if contribution := contributions.get(conversation):
                expected[conversation].include(contribution, head)
                if head.updated_ms > now_ms - moving_ms:
                    result.moving.add(conversation)
    actual = read_stored(scope, expected)
    for target, from_heads in expected.items():
        stored = actual.get(target) or StoredCounter(COUNTERS[target.kind]())
        is_nothing = target not in actual and not from_heads.contributions
        if target in result.moving or not stored.is_whole(now_ms) or is_nothing:
            continue
        result.counters += 1
        counter = stored.counter.cleared()
        for contribution in from_heads.contributions:
            counter.add(contribution, 1)
        if counter.totals() != stored.counter.totals():
            result.findings.append(Finding(target, counter, stored.counter, from_heads.whole_until_s))
    result.outdated_days = _outdated_days(scope, expected, actual)
    return result


def _outdated_days(scope: Scope, targets: Iterable[Target], stored: Mapping[Target, StoredCounter]) -> set[int]:
    """The days with a copy of marginals that differs from the stored counters of its hours."""
    hours = [target for target in targets if isinstance(target, Bucket) and target.kind == "marginals"]
    totals = {hour: stored[hour].counter.totals() if hour in stored else {} for hour in hours}
    return {
        day_of(hour)
        for name, copies in read_copies(scope, MARGINALS, hours).items()
        for hour, copy in copies.items()
        if copy.totals().get(name) != totals[hour].get(name)
    }


def confirmed(earlier: Audit, later: Audit) -> list[Finding]:
    """The findings that two audits have in common.

    With enough time between them for the stream, none of them is a change that was not counted yet.
    """
    before = {finding.target: finding for finding in earlier.findings}
    return [finding for finding in later.findings if finding.target in before and finding.is_as(before[finding.target])]


def repair(scope: Scope, findings: list[Finding]) -> int:
    """Set these counters to their expected totals; returns the number of repaired counters.

    A counter that changed after the audit is left for the next one.
    """
    repaired = 0
    for finding in findings:
        audited = finding.actual.totals()

        def set_expected(stored: StoredCounter) -> bool:
            if stored.counter.totals() != audited:  # noqa: B023
                return False
            stored.counter = deepcopy(finding.expected)  # noqa: B023
            if finding.whole_until_s is not None:  # noqa: B023
                stored.note_expiry(finding.whole_until_s)  # noqa: B023
            return True

        if activity := activity_of(finding.target, finding.expected):
            batch_name = f"audit#{keys.encode_id(activity.conversation_id)}"
            scope.table.write(activity_items(keys.user(scope.user_id), batch_name, [activity]))
        repaired += change_counter(scope, finding.target, set_expected)
    return repaired


def discard_copies(scope: Scope, days: Iterable[int]) -> None:
    """Have the copies of these days read no longer: the rollup makes them again once the days are quiet."""
    for day in days:
        open_day(scope.store, keys.user(scope.user_id), day, scope.deadline)


def _buckets(days: range) -> Iterator[Bucket]:
    for kind, intervals in INTERVALS_OF.items():
        for interval in intervals:
            in_day = QUARTERS["day"] // QUARTERS[interval]
            for number in range(days.start * in_day, days.stop * in_day):
                yield Bucket(kind, interval, number)


def _active_since(scope: Scope, from_ns: int) -> Iterator[ConversationTarget]:
    """The conversations that were active since then by their counters, also those without a trace."""
    after: str | None = None
    while True:
        page, after = read_conversations(scope, CONVERSATIONS_IN_PAGE, after)
        for listed in page:
            if listed.counter.last_ns < from_ns:
                return
            yield ConversationTarget(listed.conversation_id)
        if after is None:
            return


def _contributions(scope: Scope, partitions: list[Partition]) -> Iterator[tuple[Head, dict[Target, Contribution]]]:
    """The live heads in these partitions, with what each contributes."""
    pseudonym = partial(scope.store.pseudonym, keys.user(scope.user_id))
    for trace_id, head in heads_in(scope, partitions):
        yield head, contributions_of(trace_id, head.summary, head.expires_at_s, pseudonym)
