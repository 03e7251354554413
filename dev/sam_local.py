"""The template in its deployed form, in Docker: built by `sam build`, with functions run by `sam local start-lambda`.

HTTP and the table's stream are ours, as in `tracestore dev`: `sam local start-api` decodes every body as UTF-8, and SAM
delivers no streams. The DynamoDB is a container with the name `dynamodb` on the functions' network: the official image
or, if that cannot be pulled, moto on the functions' own image with the packages of this environment. Both lose their
data when they stop.
"""

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import httpx

from dev import docs_files, engines, page_files, server, streams
from dev.dynamodb_local import answers, free_port
from dev.functions import local_environment
from dev.page_files import PageUnavailable
from dev.remote_functions import CONTAINER_START_S, RemoteFunctions
from dev.template import ROOT, Template

ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
RUNTIME_IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"
BUILD_IMAGE = f"public.ecr.aws/sam/build-python3.13:latest-{ARCHITECTURE}"
DYNAMODB_IMAGE = "amazon/dynamodb-local"
STORE = "dynamodb"
STORE_PORT = 8000
BUILT = ROOT / ".aws-sam" / "local"
"""Separate from the build that `sam deploy` uploads, which may be for another processor."""

_START_TIMEOUT_S = 120
_PARAMETERS = ("--parameter-overrides", f"Architecture={ARCHITECTURE}")

Report = Callable[[str], None]
Ready = Callable[[engines.Engine, str], None]
"""Called with the engine and the address of the API."""


class CannotServe(Exception):
    """A requirement is missing or does not start. The message is one line with the remedy."""


def serve(
    sock: socket.socket,
    jwt_secret: str,
    ready: Ready,
    report: Report = lambda _: None,
    log: server.Log | None = None,
) -> None:
    """Build, serve on `sock`, call `ready` when the API responds, and return when sam ends.

    Its containers and its network are always removed, also those of an earlier run on this port that was killed.
    *raises*: CannotServe.
    """
    prepare(report)
    template = Template()
    engines.pretend_credentials("")
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(_network(f"tracestore-{sock.getsockname()[1]}"))
        engine = stack.enter_context(_store(network, report))
        engines.create_table(engine.endpoint, template)
        environment = local_environment(template, f"http://{STORE}:{STORE_PORT}", jwt_secret)
        port = free_port()
        sam = stack.enter_context(_sam(port, network, dict.fromkeys(template.functions, environment)))
        if not answers(f"http://127.0.0.1:{port}", lambda: sam.poll() is None, _START_TIMEOUT_S):
            raise CannotServe("sam local does not respond; its output is above.")
        functions = stack.enter_context(contextlib.closing(RemoteFunctions(template, f"http://127.0.0.1:{port}")))
        base = stack.enter_context(server.serving(template, sock, functions, log))
        # For its first call, sam builds an image with the layer.
        if not httpx.get(f"{base}/healthz", timeout=_START_TIMEOUT_S + CONTAINER_START_S).is_success:
            raise CannotServe("The functions do not run; the output of sam local is above.")
        stack.enter_context(streams.delivering(template, engine.endpoint, functions.invoke))
        ready(engine, base)
        if sam.wait():
            raise CannotServe("sam local has failed; its output is above.")


def prepare(report: Report = lambda _: None, *, build: bool = True) -> None:
    """Check that Docker runs and has Lambda's image, and build. *raises*: CannotServe."""
    _require_docker()
    _require(RUNTIME_IMAGE, report)
    if build:
        _build(report)


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The result of a docker command. *absent*: without docker, a failure with status 127."""
    if shutil.which("docker") is None:
        return subprocess.CompletedProcess(arguments, 127, stdout="", stderr="The docker command is not installed.")
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def _require_docker() -> None:
    version = docker("version", "--format", "{{.Server.Version}}")
    if version.returncode:
        raise CannotServe(f"Docker must be installed and running: {_last_line(version.stderr)}")


def _require(image: str, report: Report) -> None:
    """Ensure that Docker has `image`. *raises*: CannotServe when it cannot be pulled."""
    if docker("image", "inspect", image).returncode == 0:
        return
    report(f"Pulling {image} (once)")
    pulled = docker("pull", "--quiet", image)
    if pulled.returncode:
        raise CannotServe(f"Docker cannot pull {image}: {_last_line(pulled.stderr)}")


def _build(report: Report) -> None:
    container: tuple[str, ...] = ()
    if sys.version_info[:2] != (3, 13):
        try:
            _require(BUILD_IMAGE, report)
        except CannotServe as reason:
            raise CannotServe(f"The build needs Python 3.13: install it, then run `make clean`. {reason}") from reason
        container = ("--use-container", "--skip-pull-image", "--container-env-var", f"ARCHITECTURE={ARCHITECTURE}")
    docs_files.write()
    try:
        page_files.build(report)
    except PageUnavailable as reason:
        raise CannotServe(f"The page cannot be built: {reason}") from reason
    report("Building with sam")
    command = [_sam_command(), "build", "--build-dir", str(BUILT), *_PARAMETERS, *container]
    # sam looks for the runtime's Python on the path, which lacks this environment when it is not activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = _environment(PATH=path, ARCHITECTURE=ARCHITECTURE)  # for the Makefile of the layer
    built = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if built.returncode:
        sys.stderr.buffer.write(built.stdout)
        raise CannotServe("sam build has failed; its output is above.")


@contextlib.contextmanager
def _network(name: str) -> Iterator[str]:
    """Create a Docker network, and remove it with its containers at the end of the block."""
    _remove_network(name)
    created = docker("network", "create", name)
    if created.returncode:
        raise CannotServe(f"Docker cannot create a network: {_last_line(created.stderr)}")
    try:
        yield name
    finally:
        _remove_network(name)


def _remove_network(name: str) -> None:
    containers = docker("ps", "--all", "--quiet", "--filter", f"network={name}").stdout.split()
    if containers:
        docker("rm", "--force", "--volumes", *containers)
    docker("network", "rm", name)


@contextlib.contextmanager
def _store(network: str, report: Report) -> Iterator[engines.Engine]:
    """Start a DynamoDB on a port of this machine, and on the network as `dynamodb`. `_network` removes it."""
    port = free_port()
    run = ["run", "--detach", "--network", network, "--network-alias", STORE, "--name", f"{network}-{STORE}"]
    run += ["--publish", f"127.0.0.1:{port}:{STORE_PORT}"]
    try:
        _require(DYNAMODB_IMAGE, report)
    except CannotServe:
        name = "moto"
        report(f"Using moto, because {DYNAMODB_IMAGE} cannot be pulled")
        packages = Path(boto3.__file__).parent.parent
        run += ["--volume", f"{packages}:/packages:ro", "--env", "PYTHONPATH=/packages"]
        run += ["--entrypoint", "python3.13", RUNTIME_IMAGE, "-m", "moto.server", "--host", "0.0.0.0"]
        run += ["--port", str(STORE_PORT)]
    else:
        name = "DynamoDB Local"
        run += [DYNAMODB_IMAGE, "-jar", "DynamoDBLocal.jar", "-sharedDb", "-inMemory"]
    started = docker(*run)
    if started.returncode:
        raise CannotServe(f"The container of {name} does not start: {_last_line(started.stderr)}")
    container, endpoint = started.stdout.strip(), f"http://127.0.0.1:{port}"
    if not answers(endpoint, lambda: _runs(container), _START_TIMEOUT_S):
        raise CannotServe(f"{name} does not respond: {_last_line(docker('logs', container).stderr)}")
    yield engines.Engine(name, endpoint, is_persistent=False)


def _runs(container: str) -> bool:
    return docker("inspect", "--format", "{{.State.Running}}", container).stdout.strip() == "true"


@contextlib.contextmanager
def _sam(port: int, network: str, environment: dict[str, dict[str, str]]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `sam local start-lambda`. It starts a container for a function on its first call; `_network` removes them."""
    with tempfile.TemporaryDirectory() as scratch:
        variables = Path(scratch) / "environment.json"
        variables.write_text(json.dumps(environment))
        command = [_sam_command(), "local", "start-lambda", "--template", str(BUILT / "template.yaml"), *_PARAMETERS]
        command += ["--port", str(port), "--docker-network", network, "--env-vars", str(variables)]
        command += ["--skip-pull-image", "--warm-containers", "LAZY", "--no-watch"]
        # In a new session: Ctrl-C reaches only this process. sam is killed, since it prints tracebacks when it stops;
        # its containers are removed with the network.
        process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _sam_command() -> str:
    return str(Path(sys.executable).with_name("sam"))


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "SAM_CLI_TELEMETRY": "0", **more}


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no error message"])[-1]
