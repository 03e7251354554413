"""Activity items: the conversations that were active in an hour, as one batch of changes found them.

They have the times of the counters after the batch, also after one that changes nothing because it is repeated. So a
conversation is listed also where a batch was interrupted between its counter and its activity item: the stream repeats
it. A conversation that has moved since is listed by the batch that moved it.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tracestore.domain.buckets import ConversationTarget, Target
from tracestore.domain.counters import ConversationCounter

from . import keys
from .formats.counters import pack_activity
from .model import Item
from .segments import expiry, key

ENTRIES_IN_ITEM: Final = 200
"""An id has up to 1 KB, and an item at most 400."""


class Activity(NamedTuple):
    """A conversation was active until `last_ns`, and its last trace expires at `expires_at_s`."""

    conversation_id: str
    last_ns: int
    expires_at_s: int


def activity_of(target: Target, counter: object) -> Activity | None:
    """The activity that the counter of a conversation shows. *absent*: None for any other counter."""
    if not (isinstance(target, ConversationTarget) and isinstance(counter, ConversationCounter)):
        return None
    return Activity(target.conversation_id, counter.last_ns, counter.expires_at_s)


def activity_items(user_pk: str, batch_name: str, activities: Iterable[Activity]) -> Iterator[Item]:
    """The activity items of one user's part of a batch, which has a name of its own among all batches."""
    by_hour: dict[str, list[Activity]] = {}
    for activity in activities:
        by_hour.setdefault(keys.activity_hour(activity.last_ns), []).append(activity)
    for hour, of_hour in by_hour.items():
        for start in range(0, len(of_hour), ENTRIES_IN_ITEM):
            part = of_hour[start : start + ENTRIES_IN_ITEM]
            yield {
                **key(keys.activities(user_pk), keys.activity(hour, f"{batch_name}#{start}")),
                **expiry(max(activity.expires_at_s for activity in part)),
                "active": {"B": pack_activity((activity.conversation_id, activity.last_ns) for activity in part)},
            }
