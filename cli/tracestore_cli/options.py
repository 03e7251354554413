"""Options of the commands that read a deployment's table with the operator's AWS credentials, and its store."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tracestore_cli.terminal import fail

if TYPE_CHECKING:
    from tracestore.storage.store import Store

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
    """The store of a deployment. *raises*: BadParameter where the endpoint is no address."""
    from tracestore_cli.audit import store_of

    try:
        return store_of(table, dynamodb, retention_days, time_shards, counters_days)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--dynamodb") from error
