"""Dead letters: the changes of heads that could not be counted. `tracestore audit` reports them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from . import keys
from .deltas import Change
from .model import Item
from .segments import expiry, key
from .store import Scope, Store
from .stored_counters import expires_at_s_of

DEAD_LETTERS_KEPT_S: Final = 30 * 86_400


class DeadLetter(NamedTuple):
    """A change, and the reason why it could not be counted."""

    change: Change
    reason: str


def dead_letter_items(store: Store, shard: str, letters: Iterable[DeadLetter]) -> Iterator[Item]:
    """The items of dead letters of one shard, one for each change. They expire with the trace, or earlier."""
    for change, reason in {letter.change.sequence: letter for letter in letters}.values():
        heads = [head for head in (change.old, change.new) if head is not None and "expires_at" in head]
        yield {
            **key(keys.dead_letters(keys.user_of(change.trace_pk)), keys.dead_letter(shard, change.sequence)),
            **expiry(min(store.now_ms() // 1000 + DEAD_LETTERS_KEPT_S, *map(expires_at_s_of, heads))),
            "trace": {"S": change.trace_pk},
            "reason": {"S": reason},
        }


def read_dead_letters(scope: Scope) -> list[Mapping[str, str]]:
    """The changes that could not be counted. *shape*: the trace id and the reason of each, in no order."""
    return [
        {"trace_id": keys.trace_id_of(item["trace"]["S"]), "reason": item["reason"]["S"]}
        for item in scope.table.query(keys.dead_letters(keys.user(scope.user_id)))
    ]
