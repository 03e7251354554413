"""`make sam-local`: what `sam build` made, served by `sam local start-api` over a DynamoDB on the same Docker network.

The store is DynamoDB's official image or, where no registry can be reached, moto inside the Lambda base image, with the
packages of this environment. Needs Docker, and Python 3.13 here because the layer is built for it.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dev import engines, tokens
from dev.dynamodb_local import free_port
from dev.functions import local_environment
from dev.template import ROOT, Template

NETWORK = "tracestore"
STORE = "dynamodb"  # the container's name, and so its host name on the network
OFFICIAL_IMAGE = "amazon/dynamodb-local"
START_TIMEOUT_S = 60


def serve(
    port: int = 3000, data_dir: Annotated[Path, typer.Option(help="Where the secret is.")] = Path(".tracestore")
) -> None:
    """Build, start the store and serve until interrupted."""
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    build = ["make", "build", f"ARGS=--parameter-overrides Architecture={architecture}"]
    if subprocess.run(build, cwd=ROOT, check=False).returncode:
        raise typer.Exit(1)
    secret = tokens.local_secret(data_dir)
    template = Template()
    base_image = f"public.ecr.aws/lambda/python:3.13-{architecture}"
    engines.pretend_credentials("")
    with _network(), _store(base_image) as endpoint, tempfile.TemporaryDirectory() as scratch:
        _await(endpoint)
        engines.create_table(endpoint, template)
        environment = local_environment(template, f"http://{STORE}:8000", secret)
        variables = Path(scratch) / "env.json"
        variables.write_text(json.dumps(dict.fromkeys(template.functions, environment)))
        _introduce(port, tokens.token("demo", secret))
        pull = ["--skip-pull-image"] if _has_image(base_image) else []
        command = [str(Path(sys.executable).with_name("sam")), "local", "start-api", "--port", str(port), *pull]
        command += ["--docker-network", NETWORK, "--env-vars", str(variables), "--warm-containers", "LAZY"]
        command += ["--parameter-overrides", f"Architecture={architecture}"]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            code = process.wait()
        except KeyboardInterrupt:  # sam has had it too, and is stopping its containers
            code = 0
            process.wait()
    raise typer.Exit(code)


def _introduce(port: int, token: str) -> None:
    base = f"http://127.0.0.1:{port}"
    print(f"\nA token for the user demo, good for a day:\n\n{token}\n")
    print(f"Once sam says that it runs:\n\ncurl -H 'Authorization: Bearer {token}' '{base}/api/me'\n", flush=True)


@contextlib.contextmanager
def _network() -> Iterator[None]:
    made = _docker("network", "create", NETWORK).returncode == 0
    try:
        yield
    finally:
        if made:
            _docker("network", "rm", NETWORK)


@contextlib.contextmanager
def _store(base_image: str) -> Iterator[str]:
    """The address, from this machine, of a store that the network knows as `dynamodb`; removed on the way out."""
    port = free_port()
    run = ["run", "--detach", "--rm", "--name", STORE, "--network", NETWORK, "--publish", f"127.0.0.1:{port}:8000"]
    if _has_image(OFFICIAL_IMAGE) or _docker("pull", OFFICIAL_IMAGE).returncode == 0:
        started = _docker(*run, OFFICIAL_IMAGE, "-jar", "DynamoDBLocal.jar", "-sharedDb", "-inMemory")
    else:
        print("The official image cannot be pulled, so the store is moto.", flush=True)
        packages = Path(boto3.__file__).parent.parent
        run += ["--volume", f"{packages}:/packages:ro", "--env", "PYTHONPATH=/packages"]
        command = ["-m", "moto.server", "--host", "0.0.0.0", "--port", "8000"]
        started = _docker(*run, "--entrypoint", "/var/lang/bin/python3.13", base_image, *command)
    if started.returncode:
        print(f"The store does not start: {started.stderr.strip()}", file=sys.stderr)
        raise typer.Exit(1)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        _docker("stop", "--time", "3", STORE)


def _await(endpoint: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}))
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            client.list_tables()
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def _has_image(image: str) -> bool:
    return _docker("image", "inspect", image).returncode == 0


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DOCKER_CLI_HINTS": "false"}
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError:
        print("This needs Docker.", file=sys.stderr)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(serve)
