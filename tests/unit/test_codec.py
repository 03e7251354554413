"""Values are unchanged by packing and unpacking."""

import json
from hashlib import blake2b
from typing import Any

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import call, update
from tracestore.domain.spans import PAYLOAD_FIELDS, canonical_json
from tracestore.storage.codec import Unreadable, compress, decode, decompress, encode, is_delta_encoded, pack, unpack
from tracestore.storage.dictionaries import FIELD_NAMES_01, FIELD_NAMES_03, TABLES_03
from tracestore.storage.formats.traces import segment_document
from tracestore.storage.segments import open_payloads, segment_of

json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**40), 10**40),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
        st.sampled_from(["\x00", "🙂", "e\u0301", "\u2028", '"\\', "\ufffd"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=20,
)


VALUE = {
    "span_id": "call",
    "operation_type": "completion",
    "model_name": "gpt-4o-mini",
    "status": "success",
    "output_preview": "On its way.",
    "fingerprint": "AAAAAAAAAAA",
}
BASE = b"base text " * 20 + encode(VALUE)[:60]
STORED = {
    "01": "0128b52ffd2099050200f87b223a224f6e20697473207761792e222c2266696e6765727072692241227d0a00b8c5be98ed3c976c5f93"
    "c592390149720793640ee4080c7664010b0c7105",
    "02": "0228b52ffd24999d0200f2441118a0a56de067bfec2ef23fe15d9aa0822efe6b9d0d27a818068517b773a252752911f0f28170165946"
    "92c6edeb70704a0f6ee5de3d847a6fdfe6c3fb724c0c18016158d32d0300c5b7e00916e54bca0a32dc907c",
    "03": "0328b52ffd20993d0100787b4f6e20697473207761792e41227d08f0f8c6ea6fb6bd73d49ef005a16d28b2b043f6580d57",
}
"""`VALUE` as every format stored it. None is ever edited: items are readable for ever."""


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_a_value_is_read_in_every_format_that_was_ever_stored(stored: str) -> None:
    packed = bytes.fromhex(stored)
    assert decompress(packed, BASE if is_delta_encoded(packed) else None) == encode(VALUE)


def test_a_value_is_written_in_the_newest_formats() -> None:
    assert pack(VALUE)[:1].hex() == max(STORED)
    assert compress(encode(VALUE), BASE)[:1].hex() == "02"


@pytest.mark.parametrize(
    ("dictionary", "digest"),
    [
        (FIELD_NAMES_01, "c8cfb879084c5707a836605566276aff"),
        (TABLES_03 + FIELD_NAMES_03, "09a7b27c4a28045ba6e615ecec1eb13c"),
    ],
    ids=["01", "03"],
)
def test_no_dictionary_is_ever_edited(dictionary: bytes, digest: str) -> None:
    """Without its dictionary byte by byte, no stored item of the format is readable. A change is another format."""
    assert blake2b(dictionary, digest_size=16).hexdigest() == digest


@given(json_values)
@settings(max_examples=150, deadline=None)
def test_an_unpacked_value_equals_the_packed_one(value: Any) -> None:
    unpacked = unpack(pack(value))
    assert canonical_json(unpacked) == canonical_json(value)
    assert repr(unpacked) == repr(value)


@pytest.mark.parametrize("value", [1e22, 5e-324, 1.7976931348623157e308, 0.1, -0.0, 2**53 + 1, 10**400, 1, 1.0, True])
def test_numbers_keep_their_value_and_their_type(value: float) -> None:
    assert repr(unpack(pack(value))) == repr(value)


def test_a_large_value_is_unpacked_whole() -> None:
    value = {"text": "Zürich 🙂 " * 400_000}
    assert unpack(pack(value)) == value


@given(st.binary(min_size=8, max_size=3000), st.binary(max_size=3000))
@settings(max_examples=100, deadline=None)
def test_a_delta_encoded_payload_is_read_with_its_base(base: bytes, more: bytes) -> None:
    packed = compress(base + more, base)
    assert is_delta_encoded(packed)
    assert decompress(packed, base) == base + more


def test_a_delta_encoded_payload_is_unreadable_without_its_base() -> None:
    with pytest.raises(Unreadable):
        decompress(compress(b"text", b"base text"))


@pytest.mark.parametrize("stored", [b"", b"\x00", b"\x09 from a later version"])
def test_an_unknown_format_byte_is_reported_as_unreadable(stored: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(stored)


def test_payloads_in_a_cycle_of_delta_bases_stay_unopened() -> None:
    """No writer stores a cycle; reading a cycle must still terminate."""
    first, second = (segment_of([update(call(name, input_data="x" * 900))]) for name in "ab")
    assert first.text is not None
    assert second.text is not None
    cycle = {
        segment.digest: type(segment)(
            segment.digest, segment.updates, compress(segment.text or b"", b"x" * 9), None, base
        )
        for segment, base in ((first, second.digest), (second, first.digest))
    }
    open_payloads(cycle)
    assert all(segment.text is None for segment in cycle.values())


def test_every_payload_field_has_a_flag_of_its_own() -> None:
    payload: dict[str, Any] = {field: ["x"] for field in PAYLOAD_FIELDS} | {"log_messages": [[1, 0, "input", {}]]}
    segment = segment_of([update(call("a", None, **payload))])
    ((_, flags, core),) = segment_document(segment)["s"]
    assert len(set(flags)) == len(PAYLOAD_FIELDS)
    assert not set(PAYLOAD_FIELDS) & core.keys()


@pytest.mark.parametrize("text", [b'"\\ud800"', b"[" * 500 + b"]" * 500, b"123456789012345678901234567890", b"1e16"])
def test_what_the_fast_decoder_refuses_or_might_round_is_read_like_json(text: bytes) -> None:
    assert decode(text) == json.loads(text)


def test_a_frame_that_was_cut_off_is_never_read_as_a_shorter_text() -> None:
    packed = compress(b"a text that is compressed" * 50)
    with pytest.raises(zstd.ZstdError):
        decompress(packed[:-1])
