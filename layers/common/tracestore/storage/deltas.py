"""The change of a head in the stream, and what it changes in each counter."""

from functools import partial
from typing import NamedTuple

from tracestore.domain.buckets import Bucket, Target
from tracestore.domain.contributions import Contribution, contributions_of
from tracestore.domain.gathered import intervals_of, is_finest

from . import keys
from .items import summary_from
from .model import Item
from .store import Store
from .stored_counters import expires_at_s_of, has_expired


class Change(NamedTuple):
    """A trace's head before and after, as the stream delivers it. `sequence` grows along its shard."""

    sequence: int
    trace_pk: str
    old: Item | None
    new: Item | None


class Delta(NamedTuple):
    """The contributions that one change subtracts from a counter and adds to it, and the expiry of the added one."""

    change: Change
    old: Contribution | None
    new: Contribution | None
    expires_at_s: int

    @property
    def sequence(self) -> int:
        """The sequence number of its change."""
        return self.change.sequence


def deltas_of(store: Store, change: Change) -> list[tuple[Target, Delta]]:
    """The delta of a change for each counter, except those that it does not change and those that have expired.

    An expired one is included where the counter of a longer interval follows from it.
    """
    before, after = contributions_of_head(store, change, change.old), contributions_of_head(store, change, change.new)
    if change.old and change.new and change.old["g"] != change.new["g"]:
        before = {}  # the trace had expired and begins anew: its former contribution keeps counting
    deltas = []
    for target in dict.fromkeys([*before, *after]):
        old, new = before.get(target), after.get(target)
        longest = intervals_of(target)[-1] if isinstance(target, Bucket) and is_finest(target) else target
        if old != new and not has_expired(store, longest):
            expires_at_s = expires_at_s_of(change.new) if change.new else 0
            deltas.append((target, Delta(change, old, new, expires_at_s)))
    return deltas


def contributions_of_head(store: Store, change: Change, head: Item | None) -> dict[Target, Contribution]:
    """The contributions of the head before or after a change. *absent*: none without a head."""
    if head is None:
        return {}
    pseudonym = partial(store.pseudonym, keys.user_of(change.trace_pk))
    return contributions_of(keys.trace_id_of(change.trace_pk), summary_from(head), expires_at_s_of(head), pseudonym)
