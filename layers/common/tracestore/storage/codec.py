"""JSON values to the bytes of one binary attribute and back: zstd, after a byte that names the format.

One packed attribute instead of thirty saves most of the time that botocore spends on an item, and zstd removes the text
that spans repeat.
"""

import json
import sys
import threading
from typing import Any, Final

from pydantic_core import to_json

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from tracestore.domain.errors import TracestoreError

_LEVEL: Final = 3

_FIELD_NAMES: Final = (
    b'{"c":1795312800000,"u":1795312800000,"k":["","x":["s":{"root_span_id":"","name":"agent.run","status":"success",'
    b'"start_ns":1795312800000000000,"end_ns":1795312800000000000,"span_count":1,"error_count":0,"usage":{'
    b'"llm_call_count":1,"input_tokens":1,"output_tokens":1,"total_tokens":1,"cached_input_tokens":0,'
    b'"cache_write_tokens":0,"reasoning_tokens":0,"cost_nano_usd":null},"conversation_id":null,"end_user_id":null,'
    b'"lesson_id":null,"values":{"operation_type":["agent","completion","embedding","tool_call"],"model_name":["gpt-4o-mini",'
    b'"claude-sonnet"],"model_provider":["anthropic","openai","google"],"span_name":["chat.completion","llm.completion","tool."],'
    b'"error_type":[""],"tool_name":[""],"service_name":["-service"],"message_id":[""]},"values_cut":[],"previews":["",["'
    b'[{"h":"","t":1795312800000,"r":0,"s":[[["io","iom",{"message_id":"","model_version":"","error_message":"","error_type":"",'
    b'"conversation_id":"","cost_nano_usd":1000,"end_ns":1795312800,"input_tokens":1,"model_name":"gpt-4o","model_provider":"openai",'
    b'"operation_type":"completion","output_tokens":1,"parent_span_id":"","service_name":"","span_id":"","span_name":"chat.completion",'
    b'"start_ns":1795312800,"status":"success","total_tokens":1}]]},'
    b'[{"input_data":{"messages":[{"role":"system","parts":[{"type":"text","text":"You are a helpful assistant."}]},'
    b'{"role":"assistant","parts":[{"type":"tool_call","id":"call_","name":"","arguments":{"type":"tool_result","id":"call_","result":"'
    b'"metadata":{"temperature":0.2,"max_tokens":1024},"output_data":{"messages":[{"role":"assistant","parts":[{"type":"text","text":"'
    b'{"role":"user","parts":[{"type":"text","text":"'
)
"""Text that every value contains: zstd starts with it as a dictionary, which halves small items. Stored bytes depend on
it: a change is a new format with a byte of its own, and the old one stays readable."""

_DICTIONARY: Final = zstd.ZstdDict(_FIELD_NAMES, is_raw=True)
_per_thread: Final = threading.local()
_PLAIN: Final = b"\x01"
_DELTA: Final = b"\x02"
_CHECKED: Final = {
    int(zstd.CompressionParameter.compression_level): _LEVEL,
    int(zstd.CompressionParameter.checksum_flag): 1,
}


class Unreadable(TracestoreError):
    """Stored bytes in a format that this version cannot read, as after a rollback."""

    code = "stored_format_unknown"


def pack(value: object) -> bytes:
    """The bytes of a JSON value."""
    return compress(encode(value))


def unpack(packed: bytes) -> Any:
    """The value that `pack` was given. *raises*: Unreadable."""
    return json.loads(decompress(packed))


def encode(value: object) -> bytes:
    """A JSON value as text."""
    return to_json(value)


def compress(text: bytes, base: bytes | None = None) -> bytes:
    """Compress `text`; with a `base`, delta-encoded against it, with a checksum that detects another base."""
    if base is None:
        compressor = _compressor()
        return _PLAIN + compressor.compress(text, compressor.FLUSH_FRAME)
    return _DELTA + zstd.compress(text, options=_CHECKED, zstd_dict=zstd.ZstdDict(base, is_raw=True))


def _compressor() -> zstd.ZstdCompressor:
    """This thread's compressor: creating one takes longer than compressing a small value."""
    if not hasattr(_per_thread, "compressor"):
        _per_thread.compressor = zstd.ZstdCompressor(_LEVEL, zstd_dict=_DICTIONARY)
    compressor: zstd.ZstdCompressor = _per_thread.compressor
    return compressor


def is_delta_encoded(packed: bytes) -> bool:
    """Whether reading this needs a delta base."""
    return packed[:1] == _DELTA


def decompress(packed: bytes, base: bytes | None = None) -> bytes:
    """The text that `compress` was given. *raises*: Unreadable."""
    if packed[:1] == _PLAIN:
        return zstd.decompress(packed[1:], zstd_dict=_DICTIONARY)
    if is_delta_encoded(packed) and base is not None:
        return zstd.decompress(packed[1:], zstd_dict=zstd.ZstdDict(base, is_raw=True))
    raise Unreadable("A stored item has a format that this version cannot read; deploy the version that wrote it.")
