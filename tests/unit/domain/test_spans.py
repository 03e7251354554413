"""Identifiers of spans."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.spans import span_uuid

NAMESPACE = UUID("a5d0c35e-2a5a-5f0c-9f6e-6d3f5b0c7e11")
names = st.text(st.characters(codec="utf-8"), max_size=40)


@given(names, names, names)
def test_the_id_of_a_span_is_a_uuid_of_its_user_trace_and_span(user_id: str, trace_id: str, span_id: str) -> None:
    assert span_uuid(user_id, trace_id, span_id) == str(uuid5(NAMESPACE, f"{user_id}\n{trace_id}\n{span_id}"))
