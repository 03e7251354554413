"""Sends hostile exports to the real capture handler; prints the statuses, the peak memory and the CPU time as JSON.

Usage: python -m tests.mutating mutations COUNT SEED, python -m tests.mutating bombs, or python -m tests.mutating NAME
for one of `WORST_BODIES`. It runs in a process of its own, because the peak of memory is measured per process. The
DynamoDB client has no store: reads return nothing, and writes succeed.
"""

import base64
import gzip
import json
import logging
import multiprocessing
import os
import random
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from dev import engines
from dev.functions import Context, load_handler, local_environment
from dev.template import Template
from tests.dynamodb_server import serving, store_nothing
from tests.otlp import CONTENT_TYPES, START_NS, bomb, export, span
from tracestore_cli import tokens

CORPUS: Final = Path(__file__).parent / "data" / "otlp"
LARGEST: Final = 20_000
SECRET: Final = "a shared secret that is only good in tests"
MIB: Final = 1024 * 1024

Body = tuple[str, str, str, bytes]
"""Route, content type, content encoding, and the bytes."""


def originals() -> list[Body]:
    """The recorded exports up to `LARGEST`, each as recorded, and with its compression added or removed."""
    bodies = []
    for headers_file in sorted(CORPUS.glob("*/*/request-*.headers.json")):
        request = json.loads(headers_file.read_text())
        body = headers_file.with_name(headers_file.name.replace(".headers.json", ".bin")).read_bytes()
        content_type, packed = request["headers"]["content-type"], request["headers"].get("content-encoding", "")
        if len(body) <= LARGEST and request["path"].endswith(("/v1/traces", "/v1/logs")):
            bodies.append((f"POST {request['path']}", content_type, packed, body))
            plain = gzip.decompress(body) if packed else body
            other = ("", plain) if packed else ("gzip", gzip.compress(plain))
            bodies.append((f"POST {request['path']}", content_type, *other))
    return bodies


def mutated(original: Body, choose: random.Random) -> Body:
    """The request with a few random errors; in a compressed body, mostly in the decompressed content."""
    route, content_type, encoding, body = original
    if encoding and choose.random() < 0.7:
        return route, content_type, encoding, gzip.compress(_corrupted(gzip.decompress(body), choose), 1)
    if choose.random() < 0.05:
        content_type = choose.choice([*CONTENT_TYPES.values(), "text/plain"])
    if choose.random() < 0.05:
        encoding = choose.choice(["gzip", "", "deflate"])
    return route, content_type, encoding, _corrupted(body, choose)


def _corrupted(body: bytes, choose: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(choose.choice([1, 1, 2, 5])):
        index = choose.randrange(len(changed) + 1)
        kind = choose.randrange(7)
        if kind == 0 and index < len(changed):
            changed[index] ^= 1 << choose.randrange(8)
        elif kind == 1:
            del changed[index:]
        elif kind == 2:
            changed[index:index] = b"\xff\xff\xff\xff\x7f"  # a length of gigabytes
        elif kind == 3:
            changed[index : index + 9] = choose.randbytes(9)
        elif kind == 4:
            changed[index:index] = changed[choose.randrange(len(changed) + 1) :][:300]
        elif kind == 5:
            changed[index:index] = choose.choice([b"[", b'{"a":', b"\x2a\x80\x01", b"[{'a': "]) * choose.choice(
                [90, 3_000]
            )
        else:
            changed[index : index + 1] = choose.choice(
                [b"\0", b'"', b"\\ud800", b"1e999", b"-", b"\xc3", b"null", b"\n"]
            )
    return bytes(changed)


def bombs() -> Iterator[Body]:
    """Requests of a few hundred kilobytes that decompress to tens of megabytes; decoded, some would take gigabytes."""
    start, end = export(span("ab" * 16, values={"input.value": "<>"})).split(b"<>")
    values = b'"}}, {"key": "k", "value": {"arrayValue": {"values": ['
    for before, filling, after, size in (
        (start, "😀".encode(), end, 60 * MIB),
        (start, "😀".encode() + b"a" * MIB + b'"}}, {"key": "k", "value": {"stringValue": "', end, 39 * MIB),
        (start + values, b'{"intValue":1000},', b"{}]}" + end[1:], 60 * MIB),
        (start + values, b'{"intValue":1000},', b"{}]}" + end[1:], 13 * MIB),
        (b'{"resourceSpans": [], "x": [', b"1000,", b"0]}", 60 * MIB),
        (b'{"resourceSpans": [], "x": [', b"1.5,", b"0]}", 11 * MIB),
    ):
        yield _packed("json", bomb(before, filling, after, size))
    wide = "😀".encode()
    for content in (
        _field(1, wide + b"a" * 4_190_000),
        _field(1, b"\x01" * 4_190_000),
        _field(1, b"[" + b"{}," * 1_300_000 + b"0]"),
        _field(1, b"[" + b"{}," * 100_000 + b'"' + b"a" * 3_800_000 + b'"]'),
        _field(5, b"\x0a\x00" * 2_000_000),
        _field(5, b"\x0a\x03\x18\xe8\x07" * 200_000),
    ):
        attribute = _field(9, _field(1, b"input.value") + _field(2, content))
        times = b"".join(bytes([number << 3 | 1]) + START_NS.to_bytes(8, "little") for number in (7, 8))
        encoded_span = _field(2, _field(1, b"\1" * 16) + _field(2, b"\2" * 8) + times + attribute)
        yield _packed("protobuf", gzip.compress(_field(1, _field(2, encoded_span * 14)), 1))


_SPANS: Final = "POST /api/analytics/traces"
_SPAN: Final = b'{"trace_id": "t", "span_id": "%d", "span_name": "s", "start_time": "2026-11-22T10:00:00Z"'


def _repeated(before: bytes, filling: bytes, after: bytes, size: int) -> Body:
    return _json(_SPANS, before + filling * ((size - len(before) - len(after)) // len(filling)) + after)


def _in_spans(value: bytes, spans: int = 1_000) -> Body:
    texts = (_SPAN % number + b', "metadata": ' + value + b"}" for number in range(spans))
    return _json(_SPANS, b'{"spans": [' + b",".join(texts) + b"]}")


def _json(route: str, body: bytes) -> Body:
    return route, CONTENT_TYPES["json"], "gzip", gzip.compress(body, 1)


_NESTED: Final = b'{"a":' * 90 + b"0" + b"}" * 90
_KEYS: Final = b"{" + b",".join(b'"%d":[]' % number for number in range(485)) + b"}"
_MIB_OF_TEXT: Final = b'"' + b"word " * 209_000 + b'"'
_FULL: Final = 32 * MIB

WORST_BODIES: Final[dict[str, Callable[[], Body]]] = {
    "empty lists": lambda: _repeated(b'{"spans": [', b"[],", b"[]]}", _FULL),
    "the most empty lists": lambda: _repeated(b'{"spans": [', b"[],", b"[]]}", 1_490_000),
    "numbers": lambda: _repeated(b'{"x": [', b"1.5,", b"0]}", 3_900_000),
    "half a pair in numbers": lambda: _repeated(b'{"x": ["\\ud800",', b"1.5,", b"0]}", 3_900_000),
    "strings": lambda: _repeated(b'{"x": [', b'"ab",', b"0]}", 4_900_000),
    "strings without delimiters": lambda: _repeated(b"", b'""', b"", _FULL),
    "backslashes": lambda: _repeated(b'["', b"\\\\", b'"]' + b"," * 1_000_001, _FULL),
    "objects in each other": lambda: _in_spans(b"[" + b",".join([_NESTED] * 10) + b"]"),
    "many keys in each span": lambda: _in_spans(_KEYS),
    "long texts": lambda: _in_spans(_MIB_OF_TEXT, 31),
    "long texts with an emoji": lambda: _in_spans(_MIB_OF_TEXT[:-1] + "\U0001f600".encode() + b'"', 31),
    "unknown fields": lambda: _json(
        _SPANS, _SPAN % 1 + b"".join(b', "%d": 0' % number for number in range(990_000)) + b"}"
    ),
    "unknown fields in each span": lambda: _json(
        _SPANS,
        b'{"spans": ['
        + b",".join(
            _SPAN % number + b"".join(b', "%d": 0' % field for field in range(990)) + b"}" for number in range(1_000)
        )
        + b"]}",
    ),
}
"""The largest bodies that pass, and some just beyond the limits, of each kind that takes much memory or time."""


def _packed(encoding: str, body: bytes) -> Body:
    return "POST /v1/traces", CONTENT_TYPES[encoding], "gzip", body


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    length, written = len(content), bytearray([number << 3 | 2])
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((*written, length)) + content


def capture_handler() -> Callable[[Body], int]:
    """A function that calls the real handler with a request and returns the status."""
    engines.pretend_credentials("")
    template = Template()
    os.environ.update(local_environment(template, _store_of_nothing(), SECRET))
    function = next(function for function in template.functions.values() if function.file.stem == "capture_handler")
    handler = load_handler(function)
    from tracestore.http import telemetry

    telemetry.logger.setLevel(logging.CRITICAL)
    credential = f"Bearer {tokens.token('somebody', SECRET)}"

    def call(body: Body) -> int:
        route, content_type, encoding, content = body
        sent = {"content-type": content_type, "content-encoding": encoding, "authorization": credential}
        event = {
            "routeKey": route,
            "headers": sent,
            "isBase64Encoded": True,
            "body": base64.b64encode(content).decode(),
        }
        status: int = handler(event, Context(function.name, function.memory_mb, function.timeout_s))["statusCode"]
        return status

    return call


def _store_of_nothing() -> str:
    """The address of a DynamoDB in a process of its own, which ends with this one."""
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.Process(target=_serve_nothing, args=(theirs,), daemon=True).start()
    return str(ours.recv())


def _serve_nothing(parent: Connection) -> None:
    with serving(store_nothing) as address:
        parent.send(address)
        threading.Event().wait()


def most_memory_mb() -> float:
    """The peak memory of this process.

    On Linux, `getrusage` includes the memory of the parent process, which here has run a thousand tests.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000  # macOS counts bytes


def main(command: str, *numbers: str) -> None:
    """Run a command of the module's usage."""
    call = capture_handler()
    bodies = bombs() if command == "bombs" else iter([WORST_BODIES[command]()] if command in WORST_BODIES else [])
    if command == "mutations":
        count, seed = map(int, numbers)
        choose, recorded = random.Random(seed), originals()
        bodies = (mutated(choose.choice(recorded), choose) for _ in range(count))
    started, statuses, peak_mb = processor_s(), Counter[int](), 0.0
    for body in bodies:
        if command == "bombs":  # each by itself: what the allocator keeps of one would count as the memory of the next
            status, used_mb = _in_a_child(call, body)
            statuses[status] += 1
            peak_mb = max(peak_mb, used_mb)
        else:
            statuses[call(body)] += 1
    peak_mb = max(peak_mb, most_memory_mb())
    print(json.dumps({"statuses": statuses, "peak_mb": peak_mb, "cpu_s": processor_s() - started}))


def processor_s() -> float:
    """The processor time of this process and of its children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def _in_a_child(call: Callable[[Body], int], body: Body) -> tuple[int, float]:
    """The status of a request and the peak memory of the process that handled it."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=lambda: theirs.send((call(body), most_memory_mb())), daemon=True
    )
    child.start()
    status, used_mb = ours.recv()
    child.join()
    return int(status), float(used_mb)


if __name__ == "__main__":
    main(*sys.argv[1:])
