"""The start and the first request of each function in Lambda's runtime emulator, against a bare boto3 function.

The functions and the layer are those of `sam build`, in containers of Lambda's image with the processor share of a
function with 1,024 MB. The bare function imports boto3, creates a DynamoDB client and returns; its layer is ours
without our package, so both have bytecode. Times vary with the machine. The ratio of two of one run is what counts.
"""

import json
import shutil
import statistics
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import httpx
import typer

from dev import sam_local
from dev.bench import report
from dev.bench.report import rated, table
from dev.dynamodb_local import free_port
from dev.template import Template

PROCESSOR: Final = 0.58
"""The share of a processor that 1,024 MB give; 1,769 MB are a whole one. *source*: Lambda developer guide, "Memory"."""

RATIOS: Final = {"CaptureFunction": 1.3, "QueryFunction": 1.4}
LAYER_MB: Final = 12.0

BARE: Final = "bare boto3"
_BARE_HANDLER: Final = """import boto3
client = boto3.Session().client("dynamodb", region_name="us-east-1")
def handler(event, context):
    return {"statusCode": 200}
"""
_START_S: Final = 30

Event: TypeAlias = dict[str, Any]

_EVENT: Final[Event] = {
    "version": "2.0",
    "headers": {},
    "requestContext": {"requestId": "a", "http": {"method": "GET"}},
}


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Starts of each function; the median counts.")] = 5,
    build: Annotated[bool, typer.Option("--build/--no-build", help="Build with sam first.")] = True,
) -> None:
    """The seconds from the start of a container to the first response of each function, and the size of the layer."""
    console = report.console()
    try:
        sam_local.prepare(console.print, build=build)
    except sam_local.CannotServe as reason:
        console.print(str(reason))
        raise typer.Exit(1) from reason
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch) / "bare"
        bare.mkdir()
        (bare / "bare_handler.py").write_text(_BARE_HANDLER)
        layer = Path(scratch) / "layer"
        shutil.copytree(sam_local.BUILT / "CommonLayer", layer, ignore=shutil.ignore_patterns("tracestore"))
        own = sam_local.BUILT / "CommonLayer"
        targets: list[tuple[str, Path, str, Path, Event]] = [(BARE, bare, "bare_handler.handler", layer, _EVENT)]
        targets += [
            (function.name, sam_local.BUILT / function.name, f"{function.file.stem}.handler", own, event)
            for function in Template().functions.values()
            if (event := _event_for(function.name)) is not None
        ]
        times: dict[str, list[float]] = {name: [] for name, *_ in targets}
        for _ in range(repeats):  # in turn, so that other load on the machine affects all
            for name, code, handler, mounted, event in targets:
                times[name].append(_started(code, handler, mounted, event))
    medians = {name: statistics.median(each) for name, each in times.items()}
    rows = table(f"Start and first request, {PROCESSOR} of a processor", "s", "× bare", "target")
    for name, took_s in medians.items():
        ratio = took_s / medians[BARE]
        most = RATIOS.get(name)
        rows.add_row(
            name, f"{took_s:.2f}", rated(ratio, most) if most else f"{ratio:.2f}", f"≤ {most}" if most else "–"
        )
    console.print(rows)
    size_mb = _zipped_bytes(sam_local.BUILT / "CommonLayer") / 1024**2
    console.print(f"The layer has {rated(size_mb, LAYER_MB)} MB zipped, target ≤ {LAYER_MB:.0f}.")


def _event_for(function: str) -> Event | None:
    """A request that the function refuses for want of a credential, or serves without one.

    *absent*: None for a function on the stream, whose start nobody waits for.
    """
    keys = [route.key for route in Template().routes if route.function == function]
    return {**_EVENT, "routeKey": keys[0]} if keys else None


def _started(code: Path, handler: str, layer: Path, event: Event) -> float:
    """Seconds from the call of the started emulator to the response: the emulator initializes at the first call."""
    with _container(code, handler, layer) as port:
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        began = time.perf_counter()
        response = httpx.post(url, content=json.dumps(event), timeout=_START_S)
        took_s = time.perf_counter() - began
        answer = response.json()
        assert "statusCode" in answer, answer
        return took_s


@contextmanager
def _container(code: Path, handler: str, layer: Path) -> Iterator[int]:
    port = free_port()
    run = ["run", "--detach", "--cpus", str(PROCESSOR), "--memory", "1024m", "--publish", f"127.0.0.1:{port}:8080"]
    run += ["--volume", f"{code}:/var/task:ro", "--volume", f"{layer}:/opt:ro"]
    for name, value in {"TABLE_NAME": "t", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        run += ["--env", f"{name}={value}"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        run += ["--env", f"{name}=local"]
    started = sam_local.docker(*run, sam_local.RUNTIME_IMAGE, handler)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        _await_emulator(port)
        yield port
    finally:
        sam_local.docker("rm", "--force", container)


def _await_emulator(port: int) -> None:
    """Wait until the emulator listens. It answers an unknown path, which starts no function."""
    deadline_s = time.monotonic() + _START_S
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=1)
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline_s, "the emulator does not start"
            time.sleep(0.05)


def _zipped_bytes(folder: Path) -> int:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
        return file.seek(0, 2)
