"""Print the tables for a constant dictionary of packed attributes: `python -m dev.dictionary`.

zstd counts the symbols of samples that are compressed with the dictionary's text. The samples are the packed attributes
of generated traces and of recorded exports of real clients. Other versions of zstd may count differently, so the tables
that `storage/dictionaries.py` contains are never made again: a new dictionary gets new ones.
"""

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from backports import zstd

from dev import workloads
from dev.otlp_recordings import exports_of, recordings
from tracestore.domain.spans import Json, SpanFields, SpanUpdate
from tracestore.domain.updates import span_update
from tracestore.ingest.native import parse_capture
from tracestore.ingest.otlp import read_traces
from tracestore.ingest.span_fields import spans_fields
from tracestore.storage.codec import decompress
from tracestore.storage.dictionaries import FIELD_NAMES_03
from tracestore.storage.formats.traces import pack_head, pack_segments
from tracestore.storage.recompute import first_head
from tracestore.storage.segments import segment_of
from tracestore.storage.store import Store

RECEIVED_MS: Final = 1_795_312_800_000
SAMPLE_BYTES: Final = 20_000
"""A longer value has tables of its own anyway."""

RECORDED_WEIGHT: Final = 3
"""There are fewer recorded traces than generated ones, and they are what users send."""

LEVEL: Final = 6

_SEED: Final = 1
"""Not that of the benchmarks, which would otherwise measure the samples."""


def main() -> None:
    """Print the tables in hexadecimal."""
    print("\n".join(textwrap.wrap(tables(FIELD_NAMES_03, samples()).hex(), 112)))


def tables(text: bytes, values: Iterable[bytes]) -> bytes:
    """The tables that precede `text` in a dictionary, by the symbols of these values."""
    kept = [value for value in values if len(value) <= SAMPLE_BYTES]
    most_bytes = len(text) + SAMPLE_BYTES
    dictionary = zstd.finalize_dict(zstd.ZstdDict(text, is_raw=True), kept, most_bytes, LEVEL)
    return dictionary.dict_content.removesuffix(text)


def samples() -> Iterator[bytes]:
    """The values that `TABLES_03` was made from."""
    generated = [
        *workloads.single_chats(100, seed=_SEED),
        *workloads.agents(40, turns=2, seed=_SEED),
        *workloads.agents(6, turns=20, seed=_SEED),
        *workloads.drip(turns=20, count=3, seed=_SEED),
    ]
    recorded = recordings()[::2]
    for request in generated:
        yield from _values(_native(request))
    for case in recorded:
        for value in _values(_exported(case)):
            yield from [value] * RECORDED_WEIGHT


def _native(request: list[dict[str, Any]]) -> Iterator[tuple[str, SpanFields]]:
    for _, trace_id, fields in parse_capture({"spans": cast(Json, request)}, now_ns=10**19).spans:
        yield trace_id, fields


def _exported(case: Path) -> Iterator[tuple[str, SpanFields]]:
    for export in exports_of(case):
        if export.signal == "traces":
            yield from spans_fields(read_traces(export.body, export.encoding).records)


def _values(spans: Iterable[tuple[str, SpanFields]]) -> Iterator[bytes]:
    """The packed values of these spans, as JSON: heads with and without a core, cores and payloads."""
    by_trace: dict[str, list[SpanUpdate]] = defaultdict(list)
    for trace_id, fields in spans:
        by_trace[trace_id].append(span_update(fields, received_ms=RECEIVED_MS))
    store = Store(cast(Any, None), 30 * 86_400, now_ms=lambda: RECEIVED_MS)
    for trace_id, updates in by_trace.items():
        segment = segment_of(updates)
        head = first_head(store, trace_id, segment)
        yield decompress(pack_head(replace(head, inline_segment=segment)))
        yield decompress(pack_head(head))
        yield decompress(pack_segments([segment]))
        if segment.text is not None:
            yield segment.text


if __name__ == "__main__":
    main()
