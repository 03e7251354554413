"""Run the snippets of documents unchanged and print the traces that the local server then contains.

Run `python -m dev.snippets docs/sending/*.md` while `make dev` runs. The packages of each page are installed in a
folder of their own in `.tracestore/snippets`, and the page's `export` lines are executed. The models are
`dev.fake_model`. A page with the configuration of an OpenTelemetry Collector needs its program `otelcol` in the PATH.
This is not part of the tests, because it installs the newest versions of the packages.
"""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from dev import fake_model
from dev.demo_user import replace_key
from dev.template import ROOT
from tracestore_cli import tokens

SETTLE_S: Final = 2.0
"""How long to wait, after a program has ended, for spans that arrive late."""

COLLECTOR_START_S: Final = 3.0
"""How long a Collector has to open its ports."""

STANDARD_EXPORTS: Final = """
export OTEL_EXPORTER_OTLP_ENDPOINT=$TRACESTORE_URL
export OTEL_EXPORTER_OTLP_HEADERS="x-api-key=$TRACESTORE_KEY"
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
"""
"""The variables for pages without `export` lines of their own, as docs/sending/README.md documents them."""


COMMANDS: Final = {"python": "python app.py", "js": "node app.mjs"}
"""The command that runs a program, unless its page states one."""


class Snippet(NamedTuple):
    """A program in a page, with the blocks that precede it: packages, `export` lines, Collector and command."""

    language: str
    text: str
    install: str
    exports: str
    collector: str
    command: str


def snippets(page: str) -> Iterator[Snippet]:
    """The programs in the text of a page, in order. The configuration of a Collector applies to all later ones."""
    install = exports = collector = command = ""
    for language, text in re.findall(r"^```(sh|python|js|yaml)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if text.startswith(("pip install", "npm install")):
            install, exports, command = text.strip(), "", ""
        elif text.startswith("export"):
            exports = text
        elif text.startswith("receivers:"):
            collector = text
        elif "opentelemetry-instrument python app.py" in text:
            command = text
        elif language in COMMANDS:
            yield Snippet(language, text, install, exports, collector, command or COMMANDS[language])


def main() -> None:
    """Run the named pages. The exit status is 1 when a program failed or a trace is missing or incomplete."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("pages", nargs="+", type=Path, help="documents with snippets")
    arguments.add_argument("--base", default="http://127.0.0.1:8000", help="the server's address")
    arguments.add_argument(
        "--data-dir", default=Path(".tracestore"), type=Path, help="the server's directory, as for `tracestore dev`"
    )
    options = arguments.parse_args()
    models = fake_model.server()
    threading.Thread(target=models.serve_forever, daemon=True).start()
    has_failed = False
    for page in options.pages:
        for number, snippet in enumerate(snippets(page.read_text())):
            user = f"{page.stem}-{number}-{time.time_ns()}"
            api = httpx.Client(
                base_url=options.base,
                headers={"authorization": f"Bearer {tokens.token(user, tokens.local_secret(options.data_dir))}"},
            )
            print(f"\n{page.stem}", flush=True)
            status = _run(snippet, options.data_dir.resolve() / "snippets", _environment(api, models.server_port))
            has_failed |= not _print_traces(api) or status != 0
    sys.exit(has_failed)


def _environment(api: httpx.Client, models_port: int) -> dict[str, str]:
    return {
        **os.environ,
        "TRACESTORE_URL": str(api.base_url).rstrip("/"),
        "TRACESTORE_KEY": replace_key(api, "snippets", ("ingest",)),
        "OPENAI_BASE_URL": f"http://127.0.0.1:{models_port}/v1",
        "OPENAI_API_BASE": f"http://127.0.0.1:{models_port}/v1",  # of LlamaIndex
        "OPENAI_API_KEY": "none",
        "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{models_port}",
        "GEMINI_API_KEY": "none",
    }


def _run(snippet: Snippet, folder: Path, environment: dict[str, str]) -> int:
    """Run a program where its packages are installed, installing them if necessary. Return its exit status."""
    install_line = snippet.install.replace("path/to/tracestore", str(ROOT))
    directory = folder / hashlib.sha256(install_line.encode()).hexdigest()[:12]
    if snippet.language == "python":
        uv, python = f"{sys.executable} -m uv", f"{directory}/bin/python"
        install = f"{uv} venv -q --python {sys.executable} {directory} && {uv} {install_line} -q --python {python}"
    else:
        install = f"{install_line} --prefix {directory}"  # otherwise npm searches parent directories for a package
    if not directory.exists():
        directory.mkdir(parents=True)
        if subprocess.run(["bash", "-c", install], cwd=directory, check=False).returncode:
            shutil.rmtree(directory)
            return 1
    if snippet.collector and not shutil.which("otelcol"):
        print("  This page needs the program otelcol, an OpenTelemetry Collector, in the PATH.", flush=True)
        return 1
    (directory / ("app.py" if snippet.language == "python" else "app.mjs")).write_text(snippet.text)
    script = f"set -e\n{snippet.exports or STANDARD_EXPORTS}\n{snippet.command}"
    own_programs = {**environment, "PATH": f"{directory}/bin{os.pathsep}{environment['PATH']}"}
    with _collector(snippet.collector, directory, environment):
        return subprocess.run(["bash", "-c", script], cwd=directory, env=own_programs, check=False).returncode


@contextlib.contextmanager
def _collector(configuration: str, directory: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run an OpenTelemetry Collector during the block. At its end, it sends what it has received, and stops.

    *absent*: nothing runs without a configuration.
    """
    if not configuration:
        yield
        return
    (directory / "collector.yaml").write_text(configuration)
    collector = subprocess.Popen(["otelcol", "--config", "collector.yaml"], cwd=directory, env=environment)
    time.sleep(COLLECTOR_START_S)
    try:
        yield
    finally:
        collector.terminate()
        collector.wait(timeout=30)


def _print_traces(api: httpx.Client) -> bool:
    """Print the stored traces. Return whether there is at least one, and each has its content and its cost."""
    time.sleep(SETTLE_S)
    response = api.get("/api/analytics/traces", params={"view": "summary", "order": "asc"}).raise_for_status().json()
    is_complete = bool(response["traces"])
    for summary in response["traces"]:
        print(f"  {summary['trace_id']}")
        trace = api.get(f"/api/analytics/traces/{summary['trace_id']}", params={"view": "outline"}).json()["trace"]
        for span in trace["outline"]:
            print("    " + "  " * span["depth"] + _line(span))
        print(f"    {summary['input_preview']!r} → {summary['output_preview']!r}, cost_usd={summary['cost_usd']}")
        is_complete &= summary["status"] == "success" and None not in (summary["cost_usd"], summary["input_preview"])
    return is_complete


def _line(span: dict[str, Any]) -> str:
    fields = ("model_provider", "model_name", "tool_name", "input_tokens", "output_tokens", "cost_usd", "error_message")
    values = [f"{name}={span[name]}" for name in fields if name in span]
    return " ".join((span["span_name"], f"({span['operation_type']})", *values))


if __name__ == "__main__":
    main()
