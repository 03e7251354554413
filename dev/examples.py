"""Run the programs in `examples/` offline and print the traces that they store.

The models are `dev.fake_model`. `make examples` runs all examples against a store in memory, and `ARGS="chat agent"`
runs only those two; each has a user of its own. `ARGS="--base http://127.0.0.1:8000"` runs them as the user `demo`
against the server of `make dev`, which keeps the traces and prints a token for that user.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from dev import fake_model, node
from dev.demo_user import DEMO_USER, replace_key
from dev.node import NodeUnavailable
from dev.template import ROOT
from tracestore_cli import tokens

TIMEOUT_S: Final = 120


class Example(NamedTuple):
    """A program in `examples/`: its command line, and the variables it needs in addition to those of all examples."""

    arguments: tuple[str, ...]
    folder: str = "."
    variables: Mapping[str, str] = {}


OPENAI_IS_DOWN: Final = {"OPENAI_BASE_URL": "{models}/failing/v1"}
BY_ENVIRONMENT: Final = {
    "TRACESTORE_LESSONS": '{"lessons:generate": {"lesson_id": "lesson_id"}}',
    "TRACESTORE_INSTRUMENT": "openai",
    "OTEL_SERVICE_NAME": "lesson-generator",
}
EXAMPLES: Final = {
    "chat": Example(("chat.py",)),
    "agent": Example(("agent.py",)),
    "lesson": Example(("lesson.py",), variables=OPENAI_IS_DOWN),
    "lesson_generator": Example(("start.py",), "lesson_generator", OPENAI_IS_DOWN),
    "lesson_generator_by_environment": Example(
        ("-m", "tracestore_client", "app.py"), "lesson_generator", BY_ENVIRONMENT
    ),
    "chat.ts": Example(("chat.ts",)),
    "agent.ts": Example(("agent.ts",)),
}
"""The examples by the names that the command accepts."""


def run(name: str, base: str, key: str, models: str) -> subprocess.CompletedProcess[str]:
    """Run an example against the store at `base` and the models at `models`, both without a trailing slash.

    *raises*: NodeUnavailable when the example needs Node and there is none; subprocess.TimeoutExpired when it takes
    more than 120 seconds.
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
        **{variable: value.replace("{models}", models) for variable, value in example.variables.items()},
    }
    is_typescript = example.arguments[0].endswith(".ts")
    command = node.find(node.OLDEST_FOR_TYPESCRIPT).node if is_typescript else (sys.executable,)
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
    """The address of models that respond immediately and always with the same answers."""
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
    """Run the named examples. The exit status is 1 when one of them failed or stored no trace."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[[], *EXAMPLES], metavar="NAME", help=", ".join(EXAMPLES))
    arguments.add_argument("--base", help="the address of a running store, such as that of `make dev`")
    arguments.add_argument(
        "--data-dir", default=Path(".tracestore"), type=Path, help="that store's directory, as for `tracestore dev`"
    )
    options = arguments.parse_args()
    has_failed = False
    with contextlib.ExitStack() as stack:
        models = stack.enter_context(fake_models())
        if options.base:
            base, secret = options.base.rstrip("/"), tokens.local_secret(options.data_dir)
        else:
            base, secret = stack.enter_context(_store()), _SECRET
        for name in options.names or EXAMPLES:
            user = DEMO_USER if options.base else f"example-{name}-{time.time_ns()}"
            has_failed |= not _run_and_print(name, user, base, secret, models)
        if options.base:
            print(f"\nThe traces are stored for the user {DEMO_USER}. `make dev` prints a token to read them.")
        else:
            print("\nThe traces are deleted now. To keep them, run `make dev` and use --base http://127.0.0.1:8000.")
    sys.exit(has_failed)


_SECRET: Final = "of a store that exists only while this command runs"


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


def _run_and_print(name: str, user: str, base: str, secret: str, models: str) -> bool:
    """Run one example as `user` and print the traces that began since. Return whether it succeeded."""
    print(f"\n{name}", flush=True)
    headers = {"authorization": f"Bearer {tokens.token(user, secret)}"}
    with httpx.Client(base_url=base, headers=headers, timeout=30) as api:
        key = replace_key(api, "examples", ["ingest"])
        began = datetime.now(UTC).isoformat()
        try:
            process = run(name, base, key, models)
        except NodeUnavailable as reason:
            print(f"  skipped: {reason}")
            return True
        print("".join(f"  > {line}\n" for line in (process.stdout + process.stderr).splitlines()), end="")
        query = {"order": "asc", "start_date": began}
        roots = api.get("/api/analytics/traces", params=query).raise_for_status().json()["traces"]
    for root in roots:
        print(f"  trace {root['trace_id']}")
        _print_tree(root, 2)
    return process.returncode == 0 and bool(roots)


def _print_tree(span: Mapping[str, Any], depth: int) -> None:
    fields = ("lesson_id", "model_provider", "model_name", "tool_name", "input_tokens", "output_tokens", "cost_usd")
    values = [f"{name}={span[name]}" for name in (*fields, "error_message") if span[name] is not None]
    print("  " * depth + " ".join((span["span_name"], f"({span['operation_type']}, {span['status']})", *values)))
    for child in span["children"]:
        _print_tree(child, depth + 1)


if __name__ == "__main__":
    main()
