"""Recorded exports of real clients in OTLP, decompressed as the function that receives them does it."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from dev.template import ROOT
from tracestore.ingest.otlp import WireFormat, wire_format

CORPUS: Final = ROOT / "tests" / "data" / "otlp"


class RecordedExport(NamedTuple):
    """One request: `traces`, `logs`, `metrics` or `scores`, with its decompressed body and its encoding."""

    signal: str
    body: bytes
    encoding: WireFormat


def recordings() -> list[Path]:
    """The folders of the recordings, by client and case."""
    return sorted(path.parent for path in CORPUS.glob("*/*/expected.json"))


def expected_of(case: Path) -> dict[str, Any]:
    """The values that a recording is known to contain, with its requests and the versions of its packages."""
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    return expected


def exports_of(case: Path) -> Iterator[RecordedExport]:
    """The exports of a recording, in the order in which they were sent."""
    for request in expected_of(case)["requests"]:
        body = (case / request["file"]).read_bytes()
        encoding = wire_format(request["content_type"])
        assert encoding is not None, f"{case.name}: {request['content_type']} is no encoding of OTLP"
        yield RecordedExport(
            request["signal"], gzip.decompress(body) if request["content_encoding"] == "gzip" else body, encoding
        )
