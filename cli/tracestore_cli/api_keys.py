"""Create, list and revoke API keys in the table, for `tracestore key`.

The API does the same for a user who has signed in. A deployment without an identity provider has no such user.
"""

import json
import time
from typing import Annotated

import typer

from tracestore_cli.options import DynamoDB, TableName, User, reaching, store_on
from tracestore_cli.terminal import fail

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys in the table.")


@app.command()
def create(
    user: User,
    table: TableName,
    scopes: Annotated[str, typer.Option(help="What the key may do, separated by commas.")] = "ingest,read",
    name: Annotated[str, typer.Option(help="A name, by which people recognize the key.")] = "command line",
    expires_at: Annotated[str | None, typer.Option(help="When the key expires, as an ISO 8601 time.")] = None,
    dynamodb: DynamoDB = None,
) -> None:
    """Create an API key, and print its secret, which cannot be read again."""
    from tracestore.api.account.api_keys import parse_key
    from tracestore.domain.errors import Conflict, Invalid
    from tracestore.domain.spans import Json
    from tracestore.storage.api_keys import create_api_key, new_secret
    from tracestore.storage.deadline import Deadline

    secret = new_secret()
    form: Json = {"name": name, "scopes": [scope.strip() for scope in scopes.split(",")], "expires_at": expires_at}
    try:
        key = parse_key(form, user, secret, int(time.time() * 1000))
    except Invalid as refused:
        detail = refused.details[0]
        raise typer.BadParameter(detail.message, param_hint=f"--{detail.field.replace('_', '-')}") from refused
    with reaching(table):
        try:
            create_api_key(store_on(table, dynamodb).scope(user, Deadline.never()), key, secret)
        except Conflict as full:
            fail(full.message)
    typer.echo(secret)


@app.command("list")
def list_(user: User, table: TableName, dynamodb: DynamoDB = None) -> None:
    """Print a user's API keys without their secrets, one in JSON per line."""
    from tracestore.api.account.api_keys import key_json
    from tracestore.storage.api_keys import list_api_keys
    from tracestore.storage.deadline import Deadline

    with reaching(table):
        for key in list_api_keys(store_on(table, dynamodb).scope(user, Deadline.never())):
            typer.echo(json.dumps(key_json(key)))


@app.command()
def revoke(
    user: User,
    table: TableName,
    key_id: Annotated[str, typer.Argument(help="The key_id, as tracestore key list prints it.")],
    dynamodb: DynamoDB = None,
) -> None:
    """Revoke an API key. It stops working within 60 seconds."""
    from tracestore.domain.errors import NotFound
    from tracestore.storage.api_keys import revoke_api_key
    from tracestore.storage.deadline import Deadline

    with reaching(table):
        try:
            revoke_api_key(store_on(table, dynamodb).scope(user, Deadline.never()), key_id)
        except NotFound as absent:
            fail(absent.message)
