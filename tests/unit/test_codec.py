"""Values are unchanged by packing and unpacking."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import call, update
from tracestore.domain.spans import PAYLOAD_FIELDS, canonical_json
from tracestore.storage.codec import Unreadable, compress, decompress, is_delta_encoded, pack, unpack
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
