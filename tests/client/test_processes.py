"""Whole processes: exit, fork, start without code changes, and freeze as on Lambda."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tracestore_client as client
from dev.template import ROOT
from tests.client.conftest import Configure, Store
from tracestore_client import _lambda


def run(code: str | list[str], endpoint: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRACESTORE_"))},
        **{"TRACESTORE_ENDPOINT": endpoint, "TRACESTORE_API_KEY": "tsk_test", "PYTHONPATH": str(ROOT / "client/src")},
        **environment,
    }
    arguments = ["-c", code] if isinstance(code, str) else code
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=60
    )


SPAN_AND_CLOCK = """
import atexit, time, tracestore_client as client
client.configure(limits=client.Limits(exit_timeout_s=0.5))
with client.trace_lesson("lesson-1"):
    pass
began = time.monotonic()
atexit._run_exitfuncs()
print(time.monotonic() - began)
"""


def test_queued_spans_are_sent_at_exit(store: Store) -> None:
    process = run("import tracestore_client as c; c.configure(); c.trace('t').__enter__().end()", store.base)
    assert (process.returncode, process.stderr, len(store.requests)) == (0, "", 1)


def test_a_hanging_store_delays_the_exit_no_longer_than_the_timeout(hanging: str) -> None:
    process = run(SPAN_AND_CLOCK, hanging)
    assert process.returncode == 0, process.stderr
    assert float(process.stdout) < 0.5 + 1.5
    assert process.stderr.count("\n") == 1  # one log line, about the drops


def test_a_forked_child_sends_only_its_own_spans(store: Store) -> None:
    code = """
import os, warnings, tracestore_client as client
warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads, which this test does on purpose
client.configure(limits=client.Limits(interval_s=60))
client.trace("parent").__enter__().end()
child = os.fork()
if child == 0:
    client.trace("child").__enter__().end()
    client.flush(10)
    print("child", client.stats().sent, flush=True)
    os._exit(0)
os.waitpid(child, 0)
client.flush(10)
print("parent", client.stats().sent)
"""
    process = run(code, store.base)
    assert (process.stdout, process.stderr) == ("child 1\nparent 1\n", "")


LESSONS = "def generate(lesson_id):\n    return 'made'\n"
APP = "import sys\nfrom lessons import generate\nprint(generate('lesson-1'), sys.argv[1:])\n"
BY_NAME = {"TRACESTORE_LESSONS": '{"lessons:generate": "lesson_id"}'}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application without any tracing code."""
    (tmp_path / "lessons.py").write_text(LESSONS)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize("arguments", [["app.py", "-x"], ["-m", "app", "-x"]], ids=["program", "module"])
def test_a_program_can_be_traced_by_the_environment_alone(arguments: list[str], app: Path, store: Store) -> None:
    process = run(["-m", "tracestore_client", *arguments], store.base, app, **BY_NAME)
    assert (process.stdout, process.stderr, len(store.requests)) == ("made ['-x']\n", "", 1)


def test_importing_the_auto_module_is_enough(app: Path, store: Store) -> None:
    process = run(["-c", "import tracestore_client.auto, app"], store.base, app, **BY_NAME)
    assert (process.returncode, process.stderr, len(store.requests)) == (0, "", 1)


def test_a_lambda_function_can_be_traced_by_the_environment_alone(app: Path, store: Store) -> None:
    (app / "handlers.py").write_text(
        "from lessons import generate\n\ndef handle(event, context):\n    return generate(event['id'])\n"
    )
    code = """
import os
from tracestore_client.lambda_handler import handler
print(handler({"id": "lesson-1"}, None), flush=True)
os._exit(0)  # like a freeze: nothing more is sent
"""
    process = run(code, store.base, app, TRACESTORE_HANDLER="handlers.handle", **BY_NAME)
    assert (process.stdout, process.stderr, len(store.requests)) == ("made\n", "", 1)


def test_a_module_that_was_never_imported_is_logged_at_exit(app: Path, store: Store) -> None:
    process = run(["-c", "import tracestore_client.auto"], store.base, app, **BY_NAME)
    assert "lessons of lessons: the module was never imported" in process.stderr


def test_a_handler_returns_after_its_spans_are_sent(configure: Configure, store: Store) -> None:
    configure(store.base, limits=client.Limits(interval_s=60))

    @client.flush_after
    def handler(event: str, context: None) -> str:
        client.trace("t").__enter__().end()
        return event

    assert handler("done", None) == "done"
    assert client.stats().sent == 1


def test_an_async_handler_flushes_as_well(configure: Configure, store: Store) -> None:
    configure(store.base, limits=client.Limits(interval_s=60))

    @client.flush_after(timeout_s=5)
    async def handler() -> None:
        client.trace("t").__enter__().end()

    asyncio.run(handler())
    assert client.stats().sent == 1


def test_a_handler_waits_for_a_hanging_store_only_once(
    configure: Configure, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(hanging)
    monkeypatch.setattr(_lambda, "_last_timeout_s", None)

    @client.flush_after(timeout_s=0.2)
    def handler() -> None:
        client.trace("t").__enter__().end()

    took_s = []
    for _ in range(5):
        began = time.monotonic()
        handler()
        took_s.append(time.monotonic() - began)
    assert took_s[0] >= 0.2
    assert sum(took_s[1:]) < 0.2
