"""All users of a deployment, for the operator's command: nothing that responds to a request imports this module.

No item lists the users. The index `by_time` has an entry for each trace and each job, and its partition keys contain
the user.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from . import keys
from .deadline import Deadline
from .model import Item
from .store import Store


@dataclass(slots=True)
class UserTraces:
    """The users that have traces before a time, each with their number as the index has it.

    `with_jobs` are the users that have requested bulk deletions, of whom no trace may be left. `unnamed` counts the
    users whose id is so long that keys contain its hash. `shards` is the number of time shards in use.
    """

    traces: Counter[str] = field(default_factory=Counter)
    with_jobs: set[str] = field(default_factory=set)
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
            elif (owner_pk := keys.user_with_jobs(entry["by_time"]["S"])) and (owner_id := keys.user_id_of(owner_pk)):
                found.with_jobs.add(owner_id)
        report(entries)
    for user_pk, traces in by_user_pk.items():
        user_id = keys.user_id_of(user_pk)
        if user_id is None:
            found.unnamed += 1
        else:
            found.traces[user_id] = traces
    return found


def erase_user(store: Store, user_id: str, deadline: Deadline) -> Counter[str]:
    """Remove every item of a user, and count them by kind.

    The whole table is scanned, because no list of a user's items could prove that there are no others. Credentials go
    first, so that nothing more arrives by them. *repeat*: counts what has arrived since.
    """
    erased: Counter[str] = Counter()
    table = store.scope(user_id, deadline).table
    for partition in (keys.user_keys(user_id), keys.user_shares(user_id)):
        for item in list(table.query(partition)):
            sha256 = item["sha256"]["S"]
            is_share = partition == keys.user_shares(user_id)
            by_hash = (keys.share(sha256), keys.SHARE) if is_share else (keys.api_key(sha256), keys.API_KEY)
            by_user = item["pk"]["S"], item["sk"]["S"]
            table.delete_credential(by_user, by_hash)
            erased.update(keys.kind_of(user_id, *removed) for removed in (by_user, by_hash))
    for page in store.table.scan_keys(_OF_USER, _values(user_id)):
        store.table.write(deletes=page, deadline=deadline)
        erased.update(keys.kind_of(user_id, pk, sk) for pk, sk in page)
    return erased


_OF_USER: Final = (
    "pk = :user OR begins_with(pk, :partitions)"
    " OR ((begins_with(pk, :keys) OR begins_with(pk, :shares)) AND user_id = :id)"
)
"""The condition on an item of one user. Credentials have items under the hash of their secret, which name the user."""


def _values(user_id: str) -> Item:
    """The values of `_OF_USER`."""
    user_pk = keys.user(user_id)
    return {
        ":user": {"S": user_pk},
        ":partitions": {"S": f"{user_pk}#"},
        ":keys": {"S": "K#"},
        ":shares": {"S": "SH#"},
        ":id": {"S": user_id},
    }
