"""An export passes the stages of `ingest` in one direction, as `docs/architecture.md` describes them.

The calls between modules are recorded while recorded exports of real clients are read.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from dev.otlp_recordings import exports_of, recordings
from tracestore.ingest.log_fields import log_fields
from tracestore.ingest.otlp import WireFormat, read_logs, read_traces
from tracestore.ingest.sdk_agents import agents_batch
from tracestore.ingest.sdk_langfuse import langfuse_batch
from tracestore.ingest.sdk_langsmith import langsmith_batch, runs_of_batch
from tracestore.ingest.sdk_opik import written_spans
from tracestore.ingest.sdk_reports import Batch, report_fields
from tracestore.ingest.span_fields import spans_fields

ROOT = Path(__file__).parents[2]
CASES = recordings()
PACKAGE = "tracestore.ingest."

STAGES = ["opened", "reading", "usage", "content", "outcome"]
"""The stages after the decoders. `span_fields` calls them and adds what is left."""

MOST_MODULES = 10


class Trace(NamedTuple):
    """The modules of `ingest` that each module calls, the calls of `span_fields` in order, and the texts opened."""

    callers: dict[str, set[str]]
    stages: list[str]
    texts: list[str]


def traced(work: Callable[[], object]) -> Trace:
    """The calls between modules during `work`."""
    trace = Trace({}, [], [])

    def module_of(frame: FrameType | None) -> str:
        name = str(frame.f_globals.get("__name__")) if frame else ""
        return name.removeprefix(PACKAGE) if name.startswith(PACKAGE) else ""

    def record(frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or frame.f_code.co_filename == "<string>":  # the generated constructor of a dataclass
            return
        if frame.f_code.co_name == "_parse_json" and frame.f_globals["__name__"] == "tracestore.domain.json_values":
            trace.texts.append(frame.f_locals["text"])
        called, caller = module_of(frame), module_of(frame.f_back)
        if called and called != caller and frame.f_code.co_name != "<module>":
            trace.callers.setdefault(called, set()).add(caller)
            if caller == "span_fields":
                trace.stages.append(called)

    sys.setprofile(record)
    try:
        work()
    finally:
        sys.setprofile(None)
    return trace


def requests(case: Path, signal: str) -> Iterator[tuple[bytes, WireFormat]]:
    return ((export.body, export.encoding) for export in exports_of(case) if export.signal == signal)


def spans_of_case(case: Path) -> Iterator[tuple[Trace, int]]:
    for body, encoding in requests(case, "traces"):
        counts: list[int] = []
        yield traced(lambda: counts.append(len(spans_fields(read_traces(body, encoding).records)))), counts[0]  # noqa: B023


@pytest.mark.parametrize("case", CASES, ids=["/".join(case.parts[-2:]) for case in CASES])
def test_a_span_passes_each_stage_once_and_in_order(case: Path) -> None:
    for trace, span_count in spans_of_case(case):
        assert trace.stages == STAGES * span_count


@pytest.mark.parametrize("case", CASES, ids=["/".join(case.parts[-2:]) for case in CASES])
def test_each_module_on_the_way_is_entered_from_one_other(case: Path) -> None:
    traces = [trace for trace, _ in spans_of_case(case)]
    traces += [traced(lambda: log_fields(read_logs(*request).records)) for request in requests(case, "logs")]  # noqa: B023
    for trace in traces:
        assert {module: callers for module, callers in trace.callers.items() if len(callers) > 1} == {}
        assert len(trace.callers) <= MOST_MODULES


@pytest.mark.parametrize("case", CASES, ids=["/".join(case.parts[-2:]) for case in CASES])
def test_each_json_text_is_opened_once(case: Path) -> None:
    for trace, _ in spans_of_case(case):
        opened = Counter(id(text) for text in trace.texts if len(text) > 1)  # texts of one character are shared
        assert [text[:80] for text in trace.texts if opened[id(text)] > 1] == []


SDK_CASES: dict[str, Callable[[Any], Batch]] = {
    "langsmith/py01-chat/request-2.bin": lambda body: langsmith_batch(runs_of_batch(body), now_ns=2**62),
    "langfuse-ingestion/py2-chat/request-0.bin": lambda body: langfuse_batch(body, now_ns=2**62)[0],
    "openai-agents/py-tool-loop-responses/request-0.bin": lambda body: agents_batch(body, now_ns=2**62),
    "opik/js-chat/request-1.bin": lambda body: written_spans(body, now_ns=2**62),
}


@pytest.mark.parametrize("name", SDK_CASES)
def test_a_report_of_an_sdk_passes_the_same_stages(name: str) -> None:
    body = json.loads((ROOT / "tests/data/native" / name).read_bytes())
    counts: list[int] = []
    trace = traced(lambda: counts.append(len(report_fields(SDK_CASES[name](body).reports))))
    assert trace.stages == STAGES * counts[0]
    later = ["span_fields", *STAGES]
    assert {module: trace.callers[module] for module in later if len(trace.callers[module]) > 1} == {}
    assert trace.callers["span_fields"] == {"sdk_reports"}


def test_the_stages_are_described_in_their_order() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    section = text.partition("## How an OTLP export is read")[2].partition("\n## ")[0]
    described = re.findall(r"^- \*\*[^*]+\*\* \(`(\w+)\.py`", section, re.MULTILINE)
    assert [name for name in described if name in STAGES] == STAGES
