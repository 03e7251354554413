"""Commands on whole users: list them, remove everything of one, and restart their deletions."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import TextColumn

from tracestore_cli.options import DynamoDB, TableName, TimeShards, not_empty, reaching, store_on
from tracestore_cli.terminal import errors, fail, progress_bar

if TYPE_CHECKING:
    from tracestore.storage.store import Store
    from tracestore.storage.users import UserTraces

SETTLED_S = 360
"""Seconds after which nothing writes for a user that has no credential: revoked keys work for 60, requests take 30, and
changes are gathered for up to 300 before they are counted."""

SWEEPS_MOST = 5


def list_users(table: TableName, dynamodb: DynamoDB = None) -> None:
    """Print the users that have traces, with their number, one in JSON per line."""
    with reaching(table):
        found = users_of(store_on(table, dynamodb))
    for user_id, traces in sorted(found.traces.items()):
        typer.echo(json.dumps({"owner_id": user_id, "traces": traces}))
    if found.unnamed:
        errors.print(f"Users whose ids the table stores as hashes: {found.unnamed:,}.")


def forget(
    user: Annotated[str, typer.Argument(callback=not_empty, help="The user to forget; for a team @team:NAME.")],
    table: TableName,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    settle: Annotated[
        int, typer.Option(min=0, help="Seconds before the second look, in which earlier requests are completed.")
    ] = SETTLED_S,
    dynamodb: DynamoDB = None,
) -> None:
    """Remove everything that a user owns, and print a receipt in JSON.

    A second look has to find nothing. It reads the whole table twice or more.
    """
    if not yes:
        typer.confirm(
            f"All traces, analytics, keys and views of {user} will be removed for good.", abort=True, err=True
        )
    with reaching(table):
        receipt = erased(store_on(table, dynamodb), user, settle)
    typer.echo(json.dumps(receipt, indent=2))
    if receipt["remaining"]:
        fail(
            "Something still arrives for this user: take away the access of the user first, then run the command again."
        )


def redrive(table: TableName, time_shards: TimeShards = 1, dynamodb: DynamoDB = None) -> None:
    """Start the next step of each bulk deletion that has not ended, or has failed."""
    from tracestore.storage import bulk
    from tracestore.storage.deadline import Deadline

    restarted = 0
    with reaching(table):
        store = store_on(table, dynamodb, time_shards=time_shards)
        found = users_of(store)
        # The jobs of an earlier version are found with the traces that are left.
        for user_id in sorted(found.with_jobs | found.traces.keys()):
            for job in bulk.restart(store.scope(user_id, Deadline.never())):
                typer.echo(json.dumps({"owner_id": user_id, "job_id": job.job_id, "traces": job.traces}))
                restarted += 1
    errors.print(f"Restarted {restarted:,} bulk deletions.")


def users_of(store: "Store") -> "UserTraces":
    """The users that have traces, found in the index of times."""
    from tracestore.storage.users import users_before

    with progress_bar(errors, TextColumn("Searching for users: {task.completed:,} index entries")) as bar:
        task = bar.add_task("", total=None)
        return users_before(store, time.time_ns(), lambda entries: bar.update(task, completed=entries))


def erased(
    store: "Store", user_id: str, settle_s: float, sleep: Callable[[float], None] = time.sleep
) -> dict[str, object]:
    """Remove the items of a user until a look after a pause finds none; the receipt.

    *shape*: `removed` has the numbers of items by kind, `looks` the number of items that each look found. `remaining`
    is that of the last one.
    """
    from tracestore.domain.times import NS_PER_SECOND, format_time
    from tracestore.storage.deadline import Deadline
    from tracestore.storage.users import erase_user

    started_ns = time.time_ns()
    removed: Counter[str] = Counter()
    looks: list[int] = []
    while len(looks) < 2 or (looks[-1] and len(looks) < SWEEPS_MOST):
        if looks:
            sleep(settle_s)
        found = erase_user(store, user_id, Deadline.never())
        removed += found
        looks.append(found.total())
    return {
        "owner_id": user_id,
        "table": store.table.name,
        "started_at": format_time(started_ns // NS_PER_SECOND * NS_PER_SECOND),
        "ended_at": format_time(time.time_ns()),
        "removed": dict(sorted(removed.items())),
        "looks": looks,
        "remaining": looks[-1],
    }
