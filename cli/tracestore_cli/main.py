"""The `tracestore` command: its options and its output. The other modules of this package do the work."""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from tracestore_cli import api_keys, checkout, tokens, users
from tracestore_cli.options import (
    CountersDays,
    DynamoDB,
    RetentionDays,
    TableName,
    TimeShards,
    not_empty,
    reaching,
    store_on,
)
from tracestore_cli.terminal import console, errors, fail, progress_bar

if TYPE_CHECKING:
    from tracestore.storage.store import Store
    from tracestore_cli.prune import Candidates, Receipt

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Operate a deployment of tracestore.",
)
app.add_typer(api_keys.app, name="key")
app.command("users")(users.list_users)
app.command("forget")(users.forget)
app.command("redrive")(users.redrive)

DataDir = Annotated[Path, typer.Option(help="Directory with the local data and the secret that signs tokens.")]
JwtSecret = Annotated[
    str | None,
    typer.Option(
        envvar="TRACESTORE_JWT_SECRET",
        help="Shared secret of HS256 tokens. Default: a secret that is created in the data directory.",
    ),
]
Base = Annotated[str, typer.Option(help="Address of the deployment, such as http://127.0.0.1:8000.")]
IngestKey = Annotated[str, typer.Option(envvar="TRACESTORE_KEY", help="An API key with the scope ingest, or a JWT.")]
Owner = Annotated[
    str | None, typer.Option(metavar="TEAM", help="Act for a team that the JWT lists. Default: for the user alone.")
]
ReadKey = Annotated[str, typer.Option(envvar="TRACESTORE_KEY", help="An API key with the scope read, or a JWT.")]


@app.command()
def token(
    user: Annotated[str, typer.Option(callback=not_empty, help="The user that the token identifies.")],
    team: Annotated[
        list[str] | None,
        typer.Option(callback=not_empty, help="A team that the user may act for. Repeat it for more teams."),
    ] = None,
    expires: Annotated[str, typer.Option(help="Lifetime of the token: 90s, 15m, 12h or 1d.")] = "1d",
    data_dir: DataDir = Path(".tracestore"),
    issuer: Annotated[str, typer.Option(help="The --issuer of the local server.")] = tokens.ISSUER,
    audience: Annotated[str, typer.Option(help="The --audience of the local server.")] = tokens.AUDIENCE,
    owner_claim: Annotated[str, typer.Option(help="The --owner-claim of the local server.")] = "sub",
    teams_claim: Annotated[str, typer.Option(help="The --teams-claim of the local server.")] = tokens.TEAMS_CLAIM,
    jwt_secret: JwtSecret = None,
) -> None:
    """Print a JWT that the local server accepts."""
    try:
        expires_in_s = tokens.duration_s(expires)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
    secret = jwt_secret or tokens.local_secret(data_dir)
    named = {"issuer": issuer, "audience": audience, "owner_claim": owner_claim, "teams_claim": teams_claim}
    typer.echo(tokens.token(user, secret, expires_in_s, team or (), **named))


@app.command()
def demo(
    base: Base,
    key: IngestKey,
    traces: Annotated[
        int | None, typer.Option(min=1, help="Number of traces, all of the last day. Default: a week of traces.")
    ] = None,
    owner: Owner = None,
) -> None:
    """Send sample traces to a deployment."""
    if problem := send_samples(base, key, traces, owner):
        fail(problem)


@app.command()
def export(
    base: Base,
    key: ReadKey,
    file: Annotated[Path | None, typer.Argument(help="File to write. Default: standard output.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A filter of the trace list, such as status=error.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted export.")] = False,
    owner: Owner = None,
) -> None:
    """Write traces to a file, one complete span per line."""
    from tracestore_cli import posting, transfer

    try:
        query = transfer.query_of(where or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--where") from error
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    try:
        with contextlib.ExitStack() as stack:
            stream = transfer.Stream(sys.stdout.buffer, query)
            sink = stack.enter_context(transfer.opened(file, query, resume=resume)) if file else stream
            deployment = stack.enter_context(posting.Deployment(base, key, owner))
            bar = stack.enter_context(progress_bar(errors, *columns))
            task = bar.add_task("Exporting", total=None)

            def show(written: transfer.Written) -> None:
                share = written.share
                bar.update(task, description=written.totals, total=share and 1.0, completed=share or 0.0)

            written = transfer.export(deployment, sink, show)
    except transfer.Complete as complete:
        errors.print(str(complete))
        return
    except (transfer.FileProblem, posting.NotServed, OSError) as problem:
        fail(str(problem))
    errors.print(f"Exported {written.totals}.")
    if written.incomplete:
        fail(f"{written.incomplete:,} spans are larger than a response may be: parts of them are missing.")


@app.command("import")
def import_(
    base: Base,
    key: IngestKey,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An export, or lines of OTLP JSON.")],
    owner: Owner = None,
) -> None:
    """Load the traces in a file. Loading a file again changes nothing.

    If the file contains annotations, the key needs the scope annotate as well.
    """
    from tracestore_cli import loading, posting

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    rejected: set[int] = set()

    def reject(line: int, reason: str) -> None:
        rejected.add(line)
        bar.console.print(f"line {line}: {reason}")

    try:
        with (
            progress_bar(errors, *columns) as bar,
            posting.Deployment(base, key, owner) as deployment,
            bar.open(file, "rb", description="Importing") as lines,
        ):
            stored = loading.load(deployment, lines, reject)
    except (posting.NotServed, OSError) as problem:
        fail(str(problem))
    errors.print(f"Imported {stored:,} lines.")
    if rejected:
        fail(f"{len(rejected):,} lines were not stored, or only in part.")


@app.command()
def audit(
    table: TableName,
    user: Annotated[
        str | None,
        typer.Option(callback=not_empty, help="The user whose counters are compared; for a team @team:NAME."),
    ] = None,
    all_users: Annotated[bool, typer.Option("--all", help="Compare the counters of all users with traces.")] = False,
    days: Annotated[int, typer.Option(min=0, help="Number of UTC days before today.")] = 1,
    repair: Annotated[bool, typer.Option("--repair", help="Correct the counters that are wrong.")] = False,
    dynamodb: DynamoDB = None,
    retention_days: RetentionDays = 30,
    counters_days: CountersDays = 400,
    time_shards: TimeShards = 1,
) -> None:
    """Compare the counters of analytics with the stored traces, to the token and the nano-dollar."""
    from tracestore_cli import audit as auditing
    from tracestore_cli.users import users_of

    if (user is None) != all_users:
        raise typer.BadParameter("give either --user or --all", param_hint="--user")
    with reaching(table):
        store = store_on(table, dynamodb, retention_days, time_shards, counters_days)
        users = list(users_of(store).traces) if user is None else [user]
        try:
            is_right = auditing.run(store, users, days, should_repair=repair, report=console.print)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--days") from error
    if not is_right:
        fail(
            "Some traces were still changing: repair again in some minutes."
            if repair
            else "To correct the counters, run the command with --repair."
        )


@app.command()
def prune(
    before: Annotated[
        str, typer.Option(help="Delete traces that started before this time, or before this day in UTC.")
    ],
    table: TableName,
    user: Annotated[
        str | None,
        typer.Option(
            callback=not_empty, help="Only this user's traces; for a team @team:NAME. Default: all users and teams."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the traces, and delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    dynamodb: DynamoDB = None,
    retention_days: RetentionDays = 30,
    time_shards: TimeShards = 1,
) -> None:
    """Delete old traces of all users, and print a receipt in JSON."""
    from tracestore_cli import prune as pruning

    now_ns = time.time_ns()
    try:
        before_ns = pruning.before_ns_of(before, now_ns)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--before") from error
    with reaching(table):
        store = store_on(table, dynamodb, retention_days, time_shards)
        found = _users_to_prune(store, before_ns, user)
        if found.users and not (dry_run or yes):
            traces = "All traces of 1 user" if found.traces is None else f"Up to {found.traces:,} traces"
            typer.confirm(f"{traces} before {before} will be deleted for good. Delete?", abort=True, err=True)
        receipt = pruning.Receipt(table, before_ns, now_ns // 1_000_000, dry_run, found.unnamed)
        try:
            _prune_with_progress(store, receipt, found.users)
        finally:  # also when it is interrupted: what was deleted until then is deleted
            typer.echo(json.dumps(receipt.json(time.time_ns() // 1_000_000), indent=2))
    if receipt.unnamed:
        errors.print(
            f"Users whose ids the table stores as hashes, because they are longer than 200 bytes: {receipt.unnamed:,}. "
            "Run the command for each of them, with --user."
        )
    if not receipt.is_complete:
        fail("Some traces were not pruned: run the command again. The receipt names the users that failed.")


@app.command()
def deletions(
    user: Annotated[
        str, typer.Option(callback=not_empty, help="The user whose deletions are listed; for a team @team:NAME.")
    ],
    table: TableName,
    limit: Annotated[int, typer.Option(min=1, help="Number of deletions, the latest first.")] = 100,
    dynamodb: DynamoDB = None,
) -> None:
    """Print the record of a user's deletions, one in JSON per line, the latest first."""
    from tracestore.api.analytics.deletions import deletion_json
    from tracestore.storage.deadline import Deadline
    from tracestore.storage.user_store import UserReader

    with reaching(table):
        reader = UserReader(store_on(table, dynamodb), user, Deadline.never())
        records, _ = reader.deletion_records(limit)
        for record in records:
            typer.echo(json.dumps(deletion_json(record)))


def _users_to_prune(store: "Store", before_ns: int, user: str | None) -> "Candidates":
    from tracestore_cli import prune as pruning

    with progress_bar(errors, TextColumn("Searching for traces: {task.completed:,} index entries")) as bar:
        task = bar.add_task("", total=None)
        try:
            return pruning.candidates(store, before_ns, user, lambda entries: bar.update(task, completed=entries))
        except pruning.WrongOption as error:
            raise typer.BadParameter(str(error), param_hint=error.option) from error


def _prune_with_progress(store: "Store", receipt: "Receipt", users: list[str]) -> None:
    from tracestore_cli import prune as pruning

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress_bar(errors, *columns) as bar:
        task = bar.add_task("Users", total=len(users))

        def show(receipt: "Receipt") -> None:
            bar.update(task, advance=1, description=f"Users ({receipt.traces:,} traces)")

        pruning.prune(store, receipt, users, show)


def send_samples(base: str, key: str, traces: int | None, owner: str | None = None) -> str | None:
    """Send sample traces, for the team `owner` if it is given, with a progress bar.

    *absent*: without `traces` a week of them. Returns the problem in a line, or None once all are stored.
    """
    from tracestore_cli import demo
    from tracestore_cli.posting import NotServed

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with progress_bar(console, *columns) as bar:
            task = bar.add_task("Sending sample traces", total=None)

            def show(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            count = demo.send(base, key, traces, show, owner)
    except NotServed as problem:
        return str(problem)
    console.print(f"Sent {count} sample traces.")
    return None


def _run_from_checkout(context: typer.Context) -> None:
    try:
        commands = checkout.load_commands(checkout.root())
    except checkout.NoCheckout as problem:
        fail(str(problem))
    commands(args=[context.command.name, *context.args], prog_name=context.find_root().command_path)


def _add_developer_commands() -> None:
    """Commands that pass on all of their arguments, `--help` too. Outside a checkout the help does not list them."""
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    is_hidden = checkout.root() is None
    for name, line in checkout.DEVELOPER_COMMANDS.items():
        app.command(name, help=line, context_settings=settings, hidden=is_hidden)(_run_from_checkout)


def main() -> None:
    """Run the console command."""
    app()


_add_developer_commands()
