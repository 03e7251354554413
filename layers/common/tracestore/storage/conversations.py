"""Conversations: the counter of each, and lists of those that were active last.

An index entry of a conversation would move with each of its traces, which costs up to two write units each time.
Instead, each batch that is counted stores **activity items**: the conversations in it, by the hour until which they
were active. Of the times that activity items have of one conversation, the one in its counter is current, and a list
leaves the others out. Conversations that an earlier version began keep their entry in `by_time`.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Final, NamedTuple

from tracestore.domain.buckets import ConversationTarget
from tracestore.domain.counters import ConversationCounter
from tracestore.domain.errors import NotFound

from . import keys
from .formats.counters import unpack_activity
from .model import Item
from .store import Scope
from .stored_counters import CounterKey, stored_counter

EXAMINED_MOST: Final = 1_000
"""Entries of a list that one call examines. The counter of each is a read unit."""


class ListedConversation(NamedTuple):
    """A conversation in a list. A list continues after its `cursor_position`."""

    conversation_id: str
    counter: ConversationCounter
    cursor_position: str


def read_conversation(scope: Scope, conversation_id: str) -> ConversationCounter:
    item = scope.table.get(keys.conversation(keys.user(scope.user_id), conversation_id), keys.CONVERSATION)
    if item is not None:
        counter = _conversation_in(scope, item).counter
        if counter.traces > 0:
            return counter
    raise NotFound("There is no such conversation.")


def read_conversations(
    scope: Scope, limit: int, after: str | None = None, before_ns: int | None = None
) -> tuple[list[ListedConversation], str | None]:
    if after is None and before_ns is not None:
        after = keys.before_time(before_ns)
    entries = _entries(scope, after)
    page: list[ListedConversation] = []
    position, examined = None, 0
    while len(page) < limit and examined < EXAMINED_MOST:
        examining = list(islice(entries, limit - len(page)))
        if not examining:
            return page, None
        items = scope.table.get_many((pk, keys.CONVERSATION) for _, pk in examining)
        for position, pk in examining:
            if item := items.get((pk, keys.CONVERSATION)):
                listed = _conversation_in(scope, item)
                if listed.counter.traces > 0 and listed.cursor_position == position:
                    page.append(listed)
        examined += len(examining)
    return page, None if next(entries, None) is None else position


def _conversation_in(scope: Scope, item: Item) -> ListedConversation:
    """The conversation in an item."""
    conversation_id = item["conversation_id"]["S"]
    key = CounterKey(keys.user(scope.user_id), ConversationTarget(conversation_id))
    counter = stored_counter(scope.store, key, item).counter
    assert isinstance(counter, ConversationCounter)
    return ListedConversation(conversation_id, counter, keys.cursor_position(counter.last_ns, conversation_id))


def _entries(scope: Scope, after: str | None) -> Iterator[tuple[str, str]]:
    """The positions of conversations and their partition keys, last active first; of former positions, too."""
    entries = heapq.merge(_indexed(scope, after), _active(scope, after), reverse=True)
    for entry, _ in groupby(entries):
        if after is None or entry[0] < after:
            yield entry


def _indexed(scope: Scope, after: str | None) -> Iterator[tuple[str, str]]:
    """The entries of conversations that an earlier version began."""
    partition = keys.by_conversations(keys.user(scope.user_id))
    for entry in scope.table.query(partition, "", after or "", index="by_time", descending=True):
        yield entry["at"]["S"], entry["pk"]["S"]


def _active(scope: Scope, after: str | None) -> Iterator[tuple[str, str]]:
    """The entries in activity items, read hour by hour."""
    user_pk = keys.user(scope.user_id)
    last = keys.activity_hour(keys.start_ns_of(after)) + "~" if after else ""
    items = scope.table.query(keys.activities(user_pk), "", last, descending=True)
    for _, of_hour in groupby(items, lambda item: keys.hour_of_activity(item["sk"]["S"])):
        yield from sorted(_entries_of(user_pk, of_hour), reverse=True)


def _entries_of(user_pk: str, items: Iterable[Item]) -> set[tuple[str, str]]:
    latest: dict[str, int] = {}
    for item in items:
        for conversation_id, last_ns in unpack_activity(item["active"]["B"]):
            latest[conversation_id] = max(last_ns, latest.get(conversation_id, 0))
    return {
        (keys.cursor_position(last_ns, conversation_id), keys.conversation(user_pk, conversation_id))
        for conversation_id, last_ns in latest.items()
    }
