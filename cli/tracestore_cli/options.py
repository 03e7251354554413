"""Options of the commands that read a deployment's table with the operator's AWS credentials, and its store."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from tracestore_cli.terminal import fail

if TYPE_CHECKING:
    from tracestore.storage.store import Store

DAY_S: Final = 86_400

Value = TypeVar("Value")


def not_empty(value: Value) -> Value:
    """Refuse an empty text, such as the value of a shell variable that is not set. *raises*: BadParameter."""
    if value == "" or (isinstance(value, list) and "" in value):
        raise typer.BadParameter("must not be empty")
    return value


TableName = Annotated[
    str, typer.Option("--table", help="The deployment's table. Your AWS credentials need access to it.")
]
DynamoDB = Annotated[
    str | None, typer.Option("--dynamodb", metavar="URL", help="Endpoint of another DynamoDB than AWS's.")
]
RetentionDays = Annotated[int, typer.Option(min=1, help="The stack's parameter RetentionDays.")]
CountersDays = Annotated[int, typer.Option(min=1, help="The stack's parameter CountersDays.")]
TimeShards = Annotated[int, typer.Option(min=1, help="The stack's parameter TimeShards.")]
User = Annotated[str, typer.Option(callback=not_empty, help="The user that owns it; for a team @team:NAME.")]


@contextlib.contextmanager
def reaching(table: str) -> Iterator[None]:
    """End the command with a sentence where DynamoDB refuses its requests or cannot be reached."""
    from botocore.exceptions import BotoCoreError

    from tracestore.domain.errors import Unavailable
    from tracestore.storage.dynamo import RequestFailed

    try:
        yield
    except (BotoCoreError, RequestFailed) as problem:
        fail(f"DynamoDB refuses requests for the table {table}: {problem}")
    except Unavailable:
        fail("DynamoDB is throttled or out of reach: try again, or check the address.")


def store_on(
    table: str, dynamodb: str | None, retention_days: int = 30, time_shards: int = 1, counters_days: int = 400
) -> "Store":
    """The store of a deployment with these parameters. *raises*: BadParameter where the endpoint is no address."""
    from tracestore.storage.dynamo import client
    from tracestore.storage.store import Store
    from tracestore.storage.table import Table

    try:
        stored = Table(client(dynamodb, os.environ), table)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--dynamodb") from error
    return Store(stored, retention_days * DAY_S, time_shards, counters_s=counters_days * DAY_S)
