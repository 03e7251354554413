"""Delete the traces of all users that started before a time, for `tracestore prune`.

It reaches DynamoDB directly, with the caller's AWS credentials: no route of the API reads or deletes for another user.
Each user gets the bulk deletion that `DELETE /api/analytics/traces?before=` starts. Its pending deletion hides the
traces at once, and its job removes them, at first in this command and then in the purge function.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tracestore.api.dates import UTC, range_bounds, time_or_day
from tracestore.domain.errors import TracestoreError
from tracestore.domain.times import NS_PER_MS, format_time
from tracestore.storage import keys
from tracestore.storage.deadline import Deadline
from tracestore.storage.model import Actor, DeletionScope, Item, JobState
from tracestore.storage.store import Store
from tracestore.storage.user_store import TraceQuery, UserReader, UserWriter
from tracestore.storage.users import users_before

OPERATOR: Final = Actor("operator")

REMOVED_IN_COMMAND: Final = 1_000
"""Traces of one user that the command removes itself, as a request of the API does. The purge function is parallel."""

HEADS_IN_PAGE: Final = 1_000


class WrongOption(ValueError):
    """An option that does not fit the deployment. `option` is its name."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


class Candidates(NamedTuple):
    """The users to prune. *absent*: `traces`, their number of index entries, is None where no index was scanned."""

    users: list[str]
    traces: int | None
    unnamed: int


class Pruned(NamedTuple):
    """The outcome for one user. *absent*: a dry run has no job."""

    user_id: str
    traces: int
    spans: int
    job_id: str | None = None
    state: JobState | None = None


@dataclass(slots=True)
class Receipt:
    """The outcome for all users, and the reason for each user whose traces could not be hidden.

    `unnamed` counts the users whose id no key contains, `remaining` those that an interrupted command did not reach.
    """

    table: str
    before_ns: int
    started_ms: int
    is_dry_run: bool
    unnamed: int
    pruned: list[Pruned] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    remaining: int = 0

    @property
    def traces(self) -> int:
        """The number of removed traces; in a dry run, of those to remove."""
        return sum(each.traces for each in self.pruned)

    @property
    def is_complete(self) -> bool:
        """Whether no trace before the time is visible any more. A dry run is complete when it counted all of them."""
        return not (self.failed or self.unnamed or self.remaining)

    def json(self, now_ms: int) -> dict[str, Any]:
        """The receipt as it is printed."""
        return {
            "table": self.table,
            "before": format_time(self.before_ns),
            "dry_run": self.is_dry_run,
            "started_at": format_time(self.started_ms * NS_PER_MS),
            "finished_at": format_time(now_ms * NS_PER_MS),
            "would_delete" if self.is_dry_run else "deleted": {
                "users": len(self.pruned),
                "traces": self.traces,
                "spans": sum(each.spans for each in self.pruned),
            },
            "in_background": [
                {"user_id": each.user_id, "job_id": each.job_id}
                for each in self.pruned
                if each.state not in (None, "done")
            ],
            "users": [each._asdict() for each in self.pruned],
            "failed": [{"user_id": user_id, "reason": reason} for user_id, reason in self.failed],
            "unnamed_users": self.unnamed,
            "remaining_users": self.remaining,
        }


def before_ns_of(text: str, now_ns: int) -> int:
    """Parse a time, or a day, which stands for its start in UTC. *raises*: ValueError with the remedy."""
    before_ns, _ = range_bounds(time_or_day(text), None, UTC)
    assert before_ns is not None
    if before_ns > now_ns:
        raise ValueError("must not lie in the future")
    return before_ns


def candidates(store: Store, before_ns: int, user: str | None, report: Callable[[int], None]) -> Candidates:
    """The users that may have traces before a time; `report` is called with the number of index entries read.

    *absent*: without `user` the index of all traces is scanned. *raises*: WrongOption where the deployment has more
    time shards than the store assumes: traces would be left.
    """
    if user is not None:
        if next(_entries_of_shard(store, user, store.time_shards), None) is not None:
            raise _too_few_shards(f"more than {store.time_shards}")
        return Candidates([user], None, 0)
    found = users_before(store, before_ns, report)
    if found.shards > store.time_shards:
        raise _too_few_shards(str(found.shards))
    return Candidates(sorted(found.traces), found.traces.total(), found.unnamed)


def prune(
    store: Store,
    receipt: Receipt,
    users: Sequence[str],
    progress: Callable[[Receipt], None],
    *,
    removed_most: int = REMOVED_IN_COMMAND,
) -> None:
    """Delete the traces of these users into the receipt; in a dry run count them. `progress` is called after each user.

    A user without a visible trace before the time is left out, so a second run adds no job. *repeat*: deletes the
    traces that were missed or stored since.
    """
    receipt.remaining = len(users)
    for user in users:
        try:
            if receipt.is_dry_run:
                pruned = _counted(store, user, receipt.before_ns)
            else:
                pruned = _pruned(store, user, receipt.before_ns, removed_most)
        except TracestoreError as error:
            receipt.failed.append((user, error.message))
        else:
            if pruned.traces or pruned.job_id:
                receipt.pruned.append(pruned)
        receipt.remaining -= 1
        progress(receipt)


def _counted(store: Store, user: str, before_ns: int) -> Pruned:
    """The visible traces of a user before a time, and their spans. A read unit a trace."""
    reader = UserReader(store, user, Deadline.never())
    traces = spans = 0
    position: str | None = None
    while True:
        page = reader.traces(TraceQuery(to_ns=before_ns), HEADS_IN_PAGE, position)
        traces += len(page.traces)
        spans += sum(listed.head.summary.span_count for listed in page.traces)
        position = page.next_position
        if position is None:
            return Pruned(user, traces, spans)


def _pruned(store: Store, user: str, before_ns: int, removed_most: int) -> Pruned:
    writer = UserWriter(store, user, Deadline.never(), OPERATOR)
    if not _has_visible_trace(writer, before_ns):
        return Pruned(user, 0, 0)
    job = writer.start_deletion(DeletionScope(before_ns=before_ns))
    job = writer.continue_deletion(job.job_id, removed_most)
    return Pruned(user, job.traces, job.spans, job.job_id, job.state)


def _has_visible_trace(reader: UserReader, before_ns: int) -> bool:
    position: str | None = None
    while True:
        page = reader.traces(TraceQuery(to_ns=before_ns), 1, position)
        if page.traces or page.next_position is None:
            return bool(page.traces)
        position = page.next_position


def _entries_of_shard(store: Store, user: str, shard: int) -> Iterator[Item]:
    scope = store.scope(user, Deadline.never())
    return scope.table.query(keys.by_time_shard(user, shard), index="by_time", page_items=1)


def _too_few_shards(shards: str) -> WrongOption:
    return WrongOption("--time-shards", f"the deployment has {shards}: pass the stack's parameter TimeShards")
