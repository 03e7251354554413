"""Scores before they are validated, from the protocols of SDKs and from evaluations in exports."""

from typing import NamedTuple

from tracestore.domain.spans import Json


class Problem(NamedTuple):
    """The reason why a part of a request is not stored. `source` is the protocol's name of the part."""

    source: str
    message: str
    status: int = 400


class Score(NamedTuple):
    """A score of a trace or of a span, before it is validated. *absent*: a `trace_id` of None has to be looked up."""

    source: str
    trace_id: str | None
    span_id: str | None
    name: str
    score_id: str | None
    value: Json
    comment: str | None
    made_by: str | None = None
