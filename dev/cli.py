"""The `tracestore` command: what it takes and what it prints. The work is done elsewhere in this package."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from dev import tokens

DEMO_USER = "demo"

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__.split(":")[0]
)
bench = typer.Typer(no_args_is_help=True, help="Measure what the store costs and how fast it is, on this machine.")
app.add_typer(bench, name="bench")
console = Console(highlight=False, markup=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

DataDir = Annotated[Path, typer.Option(help="Where data and the secret for tokens stay between runs.")]
Base = Annotated[str, typer.Option(help="Address of the deployment, such as http://127.0.0.1:8000.")]
Key = Annotated[str, typer.Option(envvar="TRACESTORE_KEY", help="An API key with the scope ingest, or a JWT.")]
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command()
def dev(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes any that is free.")] = 8000,
    demo: Annotated[bool, typer.Option(help="Load sample traces when the store is empty.")] = True,
    engine: Annotated[str, typer.Option(help="auto, moto or dynamodb-local.")] = "auto",
    dynamodb: Annotated[str | None, typer.Option(metavar="URL", help="A DynamoDB that is already there.")] = None,
    data_dir: DataDir = Path(".tracestore"),
) -> None:
    """Serve the API on this machine, over a local DynamoDB."""
    from dev.engines import EngineName, EngineUnavailable

    if engine not in list(EngineName):
        raise typer.BadParameter("one of auto, moto, dynamodb-local", param_hint="--engine")
    try:
        sock = _listen(port)
        with _interruptible():
            _serve(sock, demo, engine, dynamodb, data_dir)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except EngineUnavailable as reason:
        _fail(f"DynamoDB Local cannot run here: {reason}. Try --engine moto.")


@app.command("sam-local")
def sam_local(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of 127.0.0.1.")] = 3000,
    data_dir: DataDir = Path(".tracestore"),
) -> None:
    """Serve what would be deployed, in Docker: built and run by AWS SAM."""
    from dev import sam_local as sam

    secret = tokens.local_secret(data_dir)
    key = tokens.token(DEMO_USER, secret)
    try:
        _listen(port).close()  # before building, which takes a while
        with _interruptible():
            base = f"http://127.0.0.1:{port}"
            sam.serve(port, secret, lambda engine: _introduce(base, key, engine, data_dir), console.print)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except sam.CannotServe as reason:
        _fail(str(reason))


@app.command()
def token(
    user: Annotated[str, typer.Option(help="Who its bearer is.")],
    expires: Annotated[str, typer.Option(help="For how long it is good: 90s, 15m, 12h, 1d.")] = "1d",
    data_dir: DataDir = Path(".tracestore"),
) -> None:
    """Print a JWT that the local server accepts."""
    if not user:
        raise typer.BadParameter("must not be empty", param_hint="--user")
    try:
        expires_in_s = tokens.duration_s(expires)
    except ValueError as reason:
        raise typer.BadParameter(str(reason), param_hint="--expires") from reason
    typer.echo(tokens.token(user, tokens.local_secret(data_dir), expires_in_s))


@app.command()
def demo(
    base: Base,
    key: Key,
    traces: Annotated[int | None, typer.Option(min=1, help="How many of the last day; a week when absent.")] = None,
) -> None:
    """Send sample traces to any deployment."""
    problem = _send_demo(base, key, traces)
    if problem:
        _fail(problem)


@app.command()
def export(
    base: Base,
    key: Annotated[str, typer.Option(envvar="TRACESTORE_KEY", help="An API key with the scope read, or a JWT.")],
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output when absent.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A filter of the trace list, such as status=error.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a file that was interrupted.")] = False,
) -> None:
    """Write traces to a file, one span a line, whole."""
    from dev import posting, transfer

    try:
        query = transfer.query_of(where or ())
    except ValueError as reason:
        raise typer.BadParameter(str(reason), param_hint="--where") from reason
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    try:
        with contextlib.ExitStack() as stack:
            stream = transfer.Stream(sys.stdout.buffer, query)
            sink = stack.enter_context(transfer.opened(file, query, resume=resume)) if file else stream
            deployment = stack.enter_context(posting.Deployment(base, key))
            bar = stack.enter_context(_bar(errors, *columns))
            task = bar.add_task("Exporting", total=None)

            def show(written: transfer.Written) -> None:
                told = f"{written.spans:,} spans of {written.traces:,} traces, {written.size / 1e6:,.1f} MB"
                bar.update(task, description=told, total=written.share and 1.0, completed=written.share or 0.0)

            written = transfer.export(deployment, sink, show)
    except transfer.Complete as said:
        errors.print(str(said))
        return
    except (transfer.FileProblem, posting.NotServed, OSError) as problem:
        _fail(str(problem))
    errors.print(f"Exported {written.spans:,} spans of {written.traces:,} traces, {written.size / 1e6:,.1f} MB.")
    if written.incomplete:
        _fail(f"Spans larger than any answer, which lack parts of their payload: {written.incomplete:,}.")


@app.command("import")
def import_(
    base: Base,
    key: Key,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An export, or lines of OTLP JSON.")],
) -> None:
    """Load the traces in a file. Doing so again changes nothing."""
    from dev import loading, posting

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    rejected: set[int] = set()

    def reject(line: int, reason: str) -> None:
        rejected.add(line)
        bar.console.print(f"line {line}: {reason}")

    try:
        with (
            _bar(errors, *columns) as bar,
            posting.Deployment(base, key) as deployment,
            bar.open(file, "rb", description="Importing") as lines,
        ):
            stored = loading.load(deployment, lines, reject)
    except (posting.NotServed, OSError) as problem:
        _fail(str(problem))
    errors.print(f"Imported {stored:,} lines.")
    if rejected:
        _fail(f"Lines that were not stored, or not all of what they hold: {len(rejected):,}.")


@app.command()
def audit(
    user: Annotated[str, typer.Option(help="Whose counters.")],
    table: Annotated[str, typer.Option(help="The deployment's table; your AWS credentials have to reach it.")],
    days: Annotated[int, typer.Option(min=0, help="How many days before today, in UTC.")] = 1,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what is wrong.")] = False,
    dynamodb: Annotated[str | None, typer.Option(metavar="URL", help="A DynamoDB that is not AWS's.")] = None,
    retention_days: Annotated[int, typer.Option(min=1, help="The stack's parameter RetentionDays.")] = 30,
    time_shards: Annotated[int, typer.Option(min=1, help="The stack's parameter TimeShards.")] = 1,
) -> None:
    """Compare what analytics count with what is stored, to the token and the nano-dollar."""
    from botocore.exceptions import BotoCoreError, ClientError

    from dev import audit as auditing
    from tracestore.domain.errors import Unavailable

    try:
        try:
            store = auditing.store_of(table, dynamodb, retention_days, time_shards)
        except ValueError as reason:
            raise typer.BadParameter(str(reason), param_hint="--dynamodb") from reason
        is_right = auditing.run(store, user, days, mend=repair, tell=console.print)
    except (BotoCoreError, ClientError) as problem:
        _fail(f"DynamoDB does not answer for the table {table}: {problem}")
    except Unavailable:
        _fail("DynamoDB is throttled or out of reach: try again, or check the address.")
    except ValueError as reason:
        raise typer.BadParameter(str(reason), param_hint="--days") from reason
    if not is_right:
        _fail("Some were still moving: repair again in some minutes." if repair else "Put it right with --repair.")


@bench.command("capacity", context_settings=_PASS_ON)
def bench_capacity(context: typer.Context) -> None:
    """Read and write units a span, beside a plain design's."""
    from dev.bench import capacity

    _delegate(capacity.main, context)


@bench.command("ingest", context_settings=_PASS_ON)
def bench_ingest(context: typer.Context) -> None:
    """Spans a second through the local server, and where the processor's time goes."""
    from dev.bench import ingest

    _delegate(ingest.main, context)


@bench.command("analytics", context_settings=_PASS_ON)
def bench_analytics(context: typer.Context) -> None:
    """What counters cost to keep and to read, however many spans they tell of."""
    from dev.bench import analytics

    _delegate(analytics.main, context)


def main() -> None:
    """The console command."""
    app()


def _serve(sock: socket.socket, with_demo: bool, engine_name: str, endpoint: str | None, data_dir: Path) -> None:
    """Everything that `dev` starts, in order, until interrupted; stopped in the reverse order."""
    from dev import engines, server, streams
    from dev.functions import Functions, local_environment
    from dev.template import Template

    secret = tokens.local_secret(data_dir)
    key = tokens.token(DEMO_USER, secret)
    template = Template()
    with contextlib.ExitStack() as stack:
        stack.enter_context(sock)
        if endpoint:
            engine = engines.Engine("DynamoDB", endpoint, keeps=True)
        else:
            engine = stack.enter_context(engines.started(engine_name, data_dir=data_dir, say=console.print))
        engines.pretend_credentials(engine.endpoint)
        engines.create_table(engine.endpoint, template)
        # Before the handlers are loaded: some of it is read on import.
        log_level = os.environ.get("POWERTOOLS_LOG_LEVEL", "WARNING")
        os.environ.update(local_environment(template, engine.endpoint, secret) | {"POWERTOOLS_LOG_LEVEL": log_level})
        functions = Functions(template)
        functions.load()
        stack.enter_context(streams.delivering(template, engine.endpoint, functions.invoke))
        requests = _RequestLines()
        base = stack.enter_context(server.serving(template, sock, functions, requests.show))
        if with_demo and _is_empty(base, key):
            problem = _send_demo(base, key, None)
            if problem:
                errors.print(problem)
        _introduce(base, key, engine, data_dir)
        requests.wanted = True
        threading.Event().wait()


def _introduce(base: str, key: str, engine: Any, data_dir: Path) -> None:
    kept = f"kept in {data_dir}" if engine.keeps else "in memory"
    console.print(f"\ntracestore is at {base}, on {engine.name} at {engine.endpoint} ({kept}). Ctrl-C stops it.\n")
    console.print(f"A token for the user {DEMO_USER}, good for a day (more: tracestore token --user NAME):\n\n{key}\n")
    console.print(f"Try:\n\ncurl -H 'Authorization: Bearer {key}' '{base}/api/analytics/traces?view=summary&limit=5'\n")


class _RequestLines:
    """One line for each request, once `wanted`: the sample traces' own would tear the progress bar."""

    def __init__(self) -> None:
        self.wanted = False

    def show(self, request: Any, answer: Any, took_ms: float) -> None:
        if self.wanted:
            console.print(
                f"{time.strftime('%H:%M:%S')} {answer.status} {request.method} {request.path} {took_ms:.0f} ms"
            )


def _is_empty(base: str, key: str) -> bool:
    import httpx

    query = {"view": "summary", "limit": "1"}
    answer = httpx.get(
        f"{base}/api/analytics/traces", params=query, headers={"authorization": f"Bearer {key}"}, timeout=30
    )
    return answer.is_success and not answer.json()["traces"]


def _send_demo(base: str, key: str, traces: int | None) -> str | None:
    """Send sample traces, with a bar; the problem in a line when the deployment did not take them."""
    from dev import demo as samples
    from dev.posting import NotServed

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with _bar(console, *columns) as bar:
            task = bar.add_task("Sending sample traces", total=None)
            sent = samples.send(base, key, traces, lambda done, total: bar.update(task, completed=done, total=total))
    except NotServed as problem:
        return str(problem)
    console.print(f"Sent {sent} sample traces.")
    return None


def _bar(shown_on: Console, *columns: ProgressColumn) -> Progress:
    """A progress bar that leaves nothing behind, and none in a file or a log, where it would leave empty lines."""
    return Progress(*columns, console=shown_on, transient=True, disable=not shown_on.is_terminal)


def _listen(port: int) -> socket.socket:
    from dev.server import listening

    try:
        return listening(port)
    except OSError as reason:
        _fail(f"Port {port} cannot be used ({reason.strerror}). Choose another with --port.")


def _fail(line: str) -> NoReturn:
    errors.print(line)
    raise typer.Exit(1)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, once: what is being stopped by then is not interrupted again."""

    def interrupt(*_: object) -> None:
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, signal.SIG_IGN)
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, interrupt)
    yield


def _delegate(function: Callable[..., Any], context: typer.Context) -> None:
    """Run another typer function as this command, with the arguments that are left."""
    inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    inner.command()(function)
    inner(args=context.args, prog_name=context.command_path)


if __name__ == "__main__":
    main()
