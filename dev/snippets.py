"""Runs the snippets of documents as they stand, and shows what the local server then has of them.

`python -m dev.snippets docs/sending/*.md`, while `make dev` serves. What a page has its readers install goes into a
folder of its own under `.tracestore/snippets`; what it has them export is exported; models are `dev.fake_model`.
Not part of the tests: what is installed is whatever the packages' registries hold that day.
"""

import argparse
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

from dev import fake_model, tokens
from dev.template import ROOT

SETTLED_S: Final = 2.0
"""How long after its last trace came a page may still send."""

STANDARD_EXPORTS: Final = """
export OTEL_EXPORTER_OTLP_ENDPOINT=$TRACESTORE_URL
export OTEL_EXPORTER_OTLP_HEADERS="x-api-key=$TRACESTORE_KEY"
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
"""
"""What the first page tells readers to set whose own page names nothing else."""


class Snippet(NamedTuple):
    """A program of a page, with what the page says before it."""

    language: str
    text: str
    install: str
    exports: str


def snippets(page: str) -> Iterator[Snippet]:
    """The programs of a page, in order."""
    install = exports = ""
    for language, text in re.findall(r"^```(sh|python|js)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if text.startswith(("pip install", "npm install")):
            install, exports = text.strip(), ""
        elif text.startswith("export"):
            exports = text
        elif language != "sh":
            yield Snippet(language, text, install, exports)


def main() -> None:
    """Run the pages that are named; ends with 1 when one of them sent nothing that is whole."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("pages", nargs="+", type=Path)
    arguments.add_argument("--base", default="http://127.0.0.1:8000")
    arguments.add_argument("--data-dir", default=Path(".tracestore"), type=Path, help="as for `tracestore dev`")
    given = arguments.parse_args()
    models = fake_model.server()
    threading.Thread(target=models.serve_forever, daemon=True).start()
    found_bad = False
    for page in given.pages:
        for number, snippet in enumerate(snippets(page.read_text())):
            user = f"{page.stem}-{number}-{time.time_ns()}"
            api = httpx.Client(
                base_url=given.base,
                headers={"authorization": f"Bearer {tokens.token(user, tokens.local_secret(given.data_dir))}"},
            )
            print(f"\n{page.stem}", flush=True)
            status = _run(snippet, given.data_dir.resolve() / "snippets", _environment(api, models.server_port))
            found_bad |= not _show(api) or status != 0
    sys.exit(found_bad)


def _environment(api: httpx.Client, models_port: int) -> dict[str, str]:
    key = api.post("/api/keys", json={"name": "snippets", "scopes": ["ingest"]}).raise_for_status().json()
    return {
        **os.environ,
        "TRACESTORE_URL": str(api.base_url).rstrip("/"),
        "TRACESTORE_KEY": key["data"]["secret"],
        "OPENAI_BASE_URL": f"http://127.0.0.1:{models_port}/v1",
        "OPENAI_API_KEY": "none",
    }


def _run(snippet: Snippet, folder: Path, environment: dict[str, str]) -> int:
    """Run a program where what it needs is installed; its exit status."""
    install_line = snippet.install.replace("path/to/tracestore", str(ROOT))
    home = folder / hashlib.sha256(install_line.encode()).hexdigest()[:12]
    if snippet.language == "python":
        uv, python = f"{sys.executable} -m uv", f"{home}/bin/python"
        install = f"{uv} venv -q --python {sys.executable} {home} && {uv} {install_line} -q --python {python}"
        command = f"{python} snippet.py"
    else:
        install = f"{install_line} --prefix {home}"  # else npm looks for a package further up
        command = "node snippet.mjs"
    if not home.exists():
        home.mkdir(parents=True)
        if subprocess.run(["bash", "-c", install], cwd=home, check=False).returncode:
            shutil.rmtree(home)
            return 1
    (home / ("snippet.py" if snippet.language == "python" else "snippet.mjs")).write_text(snippet.text)
    script = f"set -e\n{snippet.exports or STANDARD_EXPORTS}\n{command}"
    return subprocess.run(["bash", "-c", script], cwd=home, env=environment, check=False).returncode


def _show(api: httpx.Client) -> bool:
    """Print the traces that came; whether there are any, and each has its content and its cost."""
    time.sleep(SETTLED_S)
    listed = api.get("/api/analytics/traces", params={"view": "summary", "order": "asc"}).raise_for_status().json()
    whole = bool(listed["traces"])
    for summary in listed["traces"]:
        print(f"  {summary['trace_id']}")
        one = api.get(f"/api/analytics/traces/{summary['trace_id']}", params={"view": "outline"}).json()["trace"]
        for span in one["outline"]:
            print("    " + "  " * span["depth"] + _line(span))
        print(f"    {summary['input_preview']!r} → {summary['output_preview']!r}, {summary['cost_usd']} dollars")
        whole &= summary["status"] == "success" and None not in (summary["cost_usd"], summary["input_preview"])
    return whole


def _line(span: dict[str, Any]) -> str:
    fields = ("model_provider", "model_name", "tool_name", "input_tokens", "output_tokens", "cost_usd", "error_message")
    told = [f"{name}={span[name]}" for name in fields if name in span]
    return " ".join((span["span_name"], f"({span['operation_type']})", *told))


if __name__ == "__main__":
    main()
