"""All users of a deployment, for the operator's command: nothing that responds to a request imports this module.

No item lists the users. The index `by_time` has an entry for each trace, and its partition keys contain the user.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from . import keys
from .store import Store


@dataclass(slots=True)
class UserTraces:
    """The users that have traces before a time, each with their number as the index has it.

    `unnamed` counts the users whose id is so long that keys contain its hash. `shards` is the number of time shards in
    use.
    """

    traces: Counter[str] = field(default_factory=Counter)
    unnamed: int = 0
    shards: int = 0


def users_before(store: Store, before_ns: int, report: Callable[[int], None]) -> UserTraces:
    """Scan the index of all traces for those that started before a time; `report` is called with the entries read.

    Half a read unit for about 30 traces. Expired and hidden traces may be among them.
    """
    before = keys.before_time(before_ns)
    found = UserTraces()
    by_user_pk: Counter[str] = Counter()
    entries = 0
    for page in store.table.scan("by_time"):
        entries += len(page)
        for entry in page:
            if shard := keys.time_shard_of(entry["by_time"]["S"]):
                user_pk, number = shard
                found.shards = max(found.shards, number + 1)
                if entry["at"]["S"] < before:
                    by_user_pk[user_pk] += 1
        report(entries)
    for user_pk, traces in by_user_pk.items():
        user_id = keys.user_id_of(user_pk)
        if user_id is None:
            found.unnamed += 1
        else:
            found.traces[user_id] = traces
    return found
