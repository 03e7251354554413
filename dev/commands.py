"""The commands that run only in a checkout: the local server, `sam local` and the benchmarks."""

import contextlib
import importlib
import os
import shlex
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dev.demo_user import DEMO_USER, token_of
from tracestore_cli import tokens
from tracestore_cli.checkout import DEVELOPER_COMMANDS
from tracestore_cli.main import DataDir, JwtSecret, send_samples
from tracestore_cli.terminal import console, errors, fail

API_KEY_NAME = "tracestore dev"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
bench = typer.Typer(no_args_is_help=True, help=DEVELOPER_COMMANDS["bench"])
app.add_typer(bench, name="bench")

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _parameter(option: str, text: str, **limits: Any) -> Any:
    """An option that sets the template's parameter with the name of its argument: `jwt_issuer` sets JwtIssuer."""
    return typer.Option(option, help=text, rich_help_panel="Parameters of the deployment", **limits)


@app.command(help=DEVELOPER_COMMANDS["dev"])
def dev(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 for any free port.")] = 8000,
    demo: Annotated[bool, typer.Option(help="Load sample traces when the store is empty.")] = True,
    engine: Annotated[str, typer.Option(help="auto, moto or dynamodb-local.")] = "auto",
    dynamodb: Annotated[str | None, typer.Option(metavar="URL", help="Use a DynamoDB that is running already.")] = None,
    data_dir: DataDir = Path(".tracestore"),
    jwt_secret: JwtSecret = None,
    jwt_issuer: Annotated[str | None, _parameter("--issuer", "Issuer of your identity provider, as in iss.")] = None,
    jwt_audience: Annotated[str | None, _parameter("--audience", "Audience that tokens must name.")] = None,
    jwks_url: Annotated[
        str | None, _parameter("--jwks", "Address of the issuer's keys. Default: ISSUER/.well-known/jwks.json.")
    ] = None,
    jwt_owner_claim: Annotated[str | None, _parameter("--owner-claim", "Claim that names the user; else sub.")] = None,
    jwt_teams_claim: Annotated[
        str | None, _parameter("--teams-claim", "Claim that lists the teams that the user may act for; else groups.")
    ] = None,
    oidc_client_id: Annotated[
        str | None, _parameter("--oidc-client", "The page's client at the identity provider, to sign in there.")
    ] = None,
    oidc_scope: Annotated[str | None, _parameter("--oidc-scope", "What the page requests; else openid.")] = None,
    oidc_token: Annotated[
        str | None, _parameter("--oidc-token", "The token that the page sends: access or id; else access.")
    ] = None,
    oidc_connect_origins: Annotated[
        list[str] | None, _parameter("--oidc-origin", "Further origin of the identity provider; may be repeated.")
    ] = None,
    retention_days: Annotated[
        int | None, _parameter("--retention-days", "Days for which a trace is stored.", min=1, max=3650)
    ] = None,
    cors_origins: Annotated[
        list[str] | None, _parameter("--cors", "Origin whose pages may call the API; may be repeated.")
    ] = None,
    prices: Annotated[
        str | None, _parameter("--price-overlay", "JSON object of model and dollars per million tokens.")
    ] = None,
) -> None:
    """Serve the API on a local engine until the process is interrupted."""
    # Some modules read it when they are imported. Requests are shown by a log for people.
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
    from dev.engines import DataInUse, EngineName, EngineUnavailable
    from dev.local_settings import InvalidSettings, parameters_of
    from dev.template import Template

    if engine not in list(EngineName):
        raise typer.BadParameter("must be auto, moto or dynamodb-local", param_hint="--engine")
    parameters = parameters_of(context.params, Template())
    try:
        sock = _listen(port)
        with _interruptible():
            _serve(sock, demo, engine, dynamodb, data_dir, parameters, jwt_secret)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except EngineUnavailable as reason:
        fail(f"DynamoDB Local cannot run here: {reason}. Try --engine moto.")
    except DataInUse as reason:
        fail(f"Two servers cannot use one folder: {reason}. Stop that one, or choose another folder with --data-dir.")
    except InvalidSettings as reason:
        fail(str(reason))


@app.command("sam-local", help=DEVELOPER_COMMANDS["sam-local"])
def sam_local(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of 127.0.0.1.")] = 3000,
    data_dir: DataDir = Path(".tracestore"),
) -> None:
    """Serve the deployed form of the API in Docker until the process is interrupted."""
    from dev import engines
    from dev import sam_local as sam
    from dev.request_log import RequestLog

    secret = tokens.local_secret(data_dir)
    token = tokens.token(DEMO_USER, secret)
    requests = RequestLog(console.print)

    def introduce(engine: engines.Engine, base: str) -> None:
        _introduce(base, token, engine, data_dir, {})
        _introduce_exporters(base, token)
        requests.is_enabled = True

    try:
        with _interruptible(), _listen(port) as sock:
            sam.serve(sock, secret, introduce, console.print, requests.show)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except sam.CannotServe as reason:
        fail(str(reason))


BENCHMARKS = {
    "capacity": "Read and write units per span, compared with a naive design in the same run.",
    "ingest": "Spans per second through the local server, and processor time per step.",
    "analytics": "The cost of writing and reading counters, for few and for many spans.",
    "cost": "Dollars for a million spans by shape, and for a month, from measured units.",
    "coldstart": "The start and the first request of each function in Lambda's runtime emulator, in Docker.",
    "soak": "Minutes of traffic while a tenth of the requests to DynamoDB fail: nothing lost, doubled or miscounted.",
    "page": "The page in Chromium: times to the first row, script time, frames, heap and bytes.",
    "page-comparison": "The page next to that of Phoenix, which is installed elsewhere: times, bytes, interactions.",
    "peers": "The local server next to MLflow and Phoenix, which it installs: rates, processor time, latencies, sizes.",
}
"""The benchmarks, and what they measure. Each is the `main` of the module of `dev.bench` with its name."""


def _add_benchmark(name: str, text: str) -> None:
    @bench.command(name, help=text, context_settings=_PASS_ON)
    def run(context: typer.Context) -> None:
        os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "ERROR")  # some modules read it when they are imported
        module = importlib.import_module(f"dev.bench.{name.replace('-', '_')}")  # slow, so only the one that runs
        _delegate(module.main, context)


for _name, _text in BENCHMARKS.items():
    _add_benchmark(_name, _text)


def _serve(
    sock: socket.socket,
    with_demo: bool,
    engine_name: str,
    endpoint: str | None,
    data_dir: Path,
    parameters: dict[str, str],
    jwt_secret: str | None,
) -> None:
    """Start all parts of `tracestore dev` in order, and wait to be interrupted. They stop in the reverse order."""
    from dev import engines, local_settings, server, streams
    from dev.functions import Functions, local_environment
    from dev.request_log import RequestLog
    from dev.template import Template

    template = Template(parameters=parameters)
    secret = jwt_secret or tokens.local_secret(data_dir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(sock)
        local_settings.check(parameters, local_environment(template, endpoint or "", secret))
        if endpoint:
            engine = engines.Engine("DynamoDB", endpoint, is_persistent=True)
        else:
            engine = stack.enter_context(engines.started(engine_name, data_dir=data_dir, report=console.print))
        engines.pretend_credentials(engine.endpoint)
        engines.create_table(engine.endpoint, template)
        environment = local_environment(template, engine.endpoint, secret)
        os.environ.update(environment)  # before the handlers are loaded, which read some variables on import
        has_page = _has_page()
        functions = Functions(template)
        functions.load()
        stack.enter_context(streams.delivering(template, engine.endpoint, functions.invoke))
        requests = RequestLog(console.print)
        base = stack.enter_context(server.serving(template, sock, functions, requests.show))
        token = token_of(DEMO_USER, environment)
        if with_demo and _is_empty(base, token) and (problem := send_samples(base, token, None)):
            errors.print(problem)
        _introduce(base, token, engine, data_dir, parameters, has_page=has_page)
        _introduce_exporters(base, token)
        requests.is_enabled = True
        threading.Event().wait()


def _has_page() -> bool:
    """Build the page, and print why that is not possible. The API is served all the same."""
    from dev import page_files

    try:
        page_files.build(console.print)
    except page_files.PageUnavailable as reason:
        errors.print(f"There is no page at /traces, since it cannot be built: {reason} The API works without it.")
        return False
    return True


def _introduce(
    base: str, token: str, engine: Any, data_dir: Path, parameters: Mapping[str, str], *, has_page: bool = True
) -> None:
    storage = f"stored in {data_dir}" if engine.is_persistent else "in memory"
    console.print(f"\ntracestore is at {base}, on {engine.name} at {engine.endpoint} ({storage}). Ctrl-C stops it.\n")
    if has_page:
        console.print(f"Read traces as the user {DEMO_USER} at:\n\n{base}/traces#token={token}\n")
    if "JwtIssuer" in parameters:
        claim = parameters.get("JwtOwnerClaim", "sub")
        console.print(
            f"It accepts tokens of {parameters['JwtIssuer']} for the audience {parameters['JwtAudience']}. "
            f"Their claim {claim} names the user. GET {base}/api/me shows it.\n"
        )
    if "CorsOrigins" in parameters:
        console.print(f"Pages of these origins may call it: {parameters['CorsOrigins']}\n")
    console.print(
        f"A token for the user {DEMO_USER}, valid for a day (more: {_token_command(parameters)}):\n\n{token}\n"
    )
    console.print(
        f"Try:\n\ncurl -H 'Authorization: Bearer {token}' '{base}/api/analytics/traces?view=summary&limit=5'\n"
    )


def _token_command(parameters: Mapping[str, str]) -> str:
    """The command that prints tokens for a server with these parameters."""
    options = {"JwtIssuer": "--issuer", "JwtAudience": "--audience", "JwtOwnerClaim": "--owner-claim"}
    given = [part for name, option in options.items() if name in parameters for part in (option, parameters[name])]
    return shlex.join(["tracestore", "token", "--user", "NAME", *given])


def _introduce_exporters(base: str, token: str) -> None:
    """Create the API key of this start, and print it with the variables of an OpenTelemetry exporter."""
    import httpx

    from dev.demo_user import NoKey, exporter_variables, replace_key

    headers = {"authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=base, headers=headers, timeout=30) as api:
            key = replace_key(api, API_KEY_NAME, ("ingest", "read", "annotate"))
    except NoKey as problem:
        errors.print(f"There is no API key for exporters: {problem}")
        return
    console.print(
        f"An API key of the user {DEMO_USER} to send, read and annotate, valid until the next start:\n\n{key}\n"
    )
    console.print("To send from an OpenTelemetry exporter, paste into its shell:\n")
    console.print("\n".join(exporter_variables(base, key)) + "\n")


def _is_empty(base: str, token: str) -> bool:
    import httpx

    query = {"view": "summary", "limit": "1"}
    response = httpx.get(
        f"{base}/api/analytics/traces", params=query, headers={"authorization": f"Bearer {token}"}, timeout=30
    )
    return response.is_success and not response.json()["traces"]


def _listen(port: int) -> socket.socket:
    from dev.server import listening

    try:
        return listening(port)
    except OSError as reason:
        fail(f"Port {port} cannot be used ({reason.strerror}). Choose another with --port.")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt once. Further signals do not interrupt the shutdown."""

    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    yield


def _delegate(function: Callable[..., Any], context: typer.Context) -> None:
    """Run another typer function as this command, with the remaining arguments."""
    inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    inner.command()(function)
    inner(args=context.args, prog_name=context.command_path)
