"""The template as it would be deployed, in Docker: what `sam build` makes, served by `sam local start-api`.

Its DynamoDB is a container that the functions' network knows as `dynamodb`: the official image or, where that cannot
be had, moto on the functions' own image with this environment's packages. Both are in memory, gone when it stops.
"""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3

from dev import engines
from dev.dynamodb_local import answers, free_port
from dev.functions import local_environment
from dev.template import ROOT, Template

ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
RUNTIME_IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"
BUILD_IMAGE = f"public.ecr.aws/sam/build-python3.13:latest-{ARCHITECTURE}"
DYNAMODB_IMAGE = "amazon/dynamodb-local"
STORE = "dynamodb"
STORE_PORT = 8000
BUILT = ROOT / ".aws-sam" / "local"
"""Apart from what `sam deploy` uploads, which is built for another processor as often as not."""

_START_TIMEOUT_S = 120  # sam's first answer waits for an image with the layer
_PARAMETERS = ("--parameter-overrides", f"Architecture={ARCHITECTURE}")

Say = Callable[[str], None]


class CannotServe(Exception):
    """Something is missing or does not start. The message is one line with the remedy."""


def serve(port: int, jwt_secret: str, ready: Callable[[engines.Engine], None], say: Say = lambda _: None) -> None:
    """Build, serve on `port` of 127.0.0.1, call `ready` when requests are answered, and go on until sam ends.

    However it ends, its containers and its network are gone afterwards; so are those of an earlier run on this port
    that was killed.
    raises: CannotServe.
    """
    _require_docker()
    _require(RUNTIME_IMAGE, say)
    _build(say)
    template = Template()
    engines.pretend_credentials("")
    with _network(f"tracestore-{port}") as network, _store(network, say) as engine:
        engines.create_table(engine.endpoint, template)
        environment = local_environment(template, f"http://{STORE}:{STORE_PORT}", jwt_secret)
        with _sam(port, network, dict.fromkeys(template.functions, environment)) as sam:
            if not answers(f"http://127.0.0.1:{port}/healthz", lambda: sam.poll() is None, _START_TIMEOUT_S):
                raise CannotServe("sam local does not answer; what it says is above.")
            ready(engine)
            if sam.wait():
                raise CannotServe("sam local has failed; what it says is above.")


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What the docker command says; as if it had failed when there is none."""
    if shutil.which("docker") is None:
        return subprocess.CompletedProcess(arguments, 127, stdout="", stderr="There is no docker command.")
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def _require_docker() -> None:
    answer = docker("version", "--format", "{{.Server.Version}}")
    if answer.returncode:
        raise CannotServe(f"This needs Docker, running: {_last_line(answer.stderr)}")


def _require(image: str, say: Say) -> None:
    """Ensures that Docker has `image`. raises: CannotServe when it is neither there nor to be pulled."""
    if docker("image", "inspect", image).returncode == 0:
        return
    say(f"Pulling {image} (once)")
    answer = docker("pull", "--quiet", image)
    if answer.returncode:
        raise CannotServe(f"Docker cannot pull {image}: {_last_line(answer.stderr)}")


def _build(say: Say) -> None:
    container: tuple[str, ...] = ()
    if sys.version_info[:2] != (3, 13):
        try:
            _require(BUILD_IMAGE, say)
        except CannotServe as reason:
            raise CannotServe(f"Building needs Python 3.13: install it, then make clean. {reason}") from reason
        container = ("--use-container", "--skip-pull-image")
    say("Building with sam")
    command = [_sam_command(), "build", "--build-dir", str(BUILT), *_PARAMETERS, *container]
    # sam looks for the runtime's Python on the path, where a virtual environment that is not activated is not.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    built = subprocess.run(
        command, cwd=ROOT, env=_environment(PATH=path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if built.returncode:
        sys.stderr.buffer.write(built.stdout)
        raise CannotServe("sam build has failed; what it says is above.")


@contextlib.contextmanager
def _network(name: str) -> Iterator[str]:
    """A Docker network, removed on the way out with every container on it."""
    _remove_network(name)
    made = docker("network", "create", name)
    if made.returncode:
        raise CannotServe(f"Docker makes no network: {_last_line(made.stderr)}")
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
def _store(network: str, say: Say) -> Iterator[engines.Engine]:
    """A DynamoDB that answers, on a port of this machine and to the network as `dynamodb`. The network removes it."""
    port = free_port()
    run = ["run", "--detach", "--network", network, "--network-alias", STORE, "--name", f"{network}-{STORE}"]
    run += ["--publish", f"127.0.0.1:{port}:{STORE_PORT}"]
    try:
        _require(DYNAMODB_IMAGE, say)
    except CannotServe:
        name = "moto"
        say(f"Using moto, because {DYNAMODB_IMAGE} cannot be pulled")
        packages = Path(boto3.__file__).parent.parent
        run += ["--volume", f"{packages}:/packages:ro", "--env", "PYTHONPATH=/packages"]
        run += ["--entrypoint", "python3.13", RUNTIME_IMAGE, "-m", "moto.server", "--host", "0.0.0.0"]
        run += ["--port", str(STORE_PORT)]
    else:
        name = "DynamoDB Local"
        run += [DYNAMODB_IMAGE, "-jar", "DynamoDBLocal.jar", "-sharedDb", "-inMemory"]
    started = docker(*run)
    if started.returncode:
        raise CannotServe(f"The store does not start: {_last_line(started.stderr)}")
    container, endpoint = started.stdout.strip(), f"http://127.0.0.1:{port}"
    if not answers(endpoint, lambda: _runs(container), _START_TIMEOUT_S):
        raise CannotServe(f"The store, {name}, does not answer: {_last_line(docker('logs', container).stderr)}")
    yield engines.Engine(name, endpoint, keeps=False)


def _runs(container: str) -> bool:
    return docker("inspect", "--format", "{{.State.Running}}", container).stdout.strip() == "true"


@contextlib.contextmanager
def _sam(port: int, network: str, environment: dict[str, dict[str, str]]) -> Iterator[subprocess.Popen[bytes]]:
    """`sam local start-api`, which starts a container for each function that is called. The network removes those."""
    with tempfile.TemporaryDirectory() as scratch:
        variables = Path(scratch) / "environment.json"
        variables.write_text(json.dumps(environment))
        command = [_sam_command(), "local", "start-api", "--template", str(BUILT / "template.yaml"), *_PARAMETERS]
        command += ["--port", str(port), "--docker-network", network, "--env-vars", str(variables)]
        command += ["--skip-pull-image", "--warm-containers", "LAZY", "--no-watch"]
        # A session of its own, so that Ctrl-C goes to us alone. We kill it, since it would end with the tracebacks of
        # what it stops, and its containers go with the network.
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
    return (text.strip().splitlines() or ["it does not say why"])[-1]
