"""Turn evaluations of model calls into scores of what they evaluated: the events `gen_ai.evaluation.result`.

Such an event is one of the evaluated span, or a log record that names the span, or only its trace.
*source*: OpenTelemetry semantic conventions for generative AI, "Event: gen_ai.evaluation.result".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tracestore.domain.json_values import parse_container
from tracestore.domain.spans import Json

from .field_readers import label, number
from .otlp import Attributes, OtlpLog, OtlpSpan
from .scores import Problem, Score

EVALUATION_EVENT: Final = "gen_ai.evaluation.result"

_NAME: Final = "gen_ai.evaluation.name"
_VALUE: Final = "gen_ai.evaluation.score.value"
_LABEL: Final = "gen_ai.evaluation.score.label"
_EXPLANATION: Final = "gen_ai.evaluation.explanation"
_LABEL_ID: Final = "label"
"""The id of the score with the label of an evaluation that has a number too."""

_NO_RESULT: Final = f"An evaluation must have a {_NAME}, and a {_VALUE} or a {_LABEL}."


@dataclass(slots=True)
class Evaluations:
    """The scores in the evaluations of an export, and what is wrong with the other evaluations."""

    scores: list[Score] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def evaluations_in_spans(spans: Iterable[OtlpSpan]) -> Evaluations:
    """The scores in the events of spans. The sources are the names of the evaluations' events."""
    found = Evaluations()
    for span in spans:
        for event in span.events:
            if event.name == EVALUATION_EVENT:
                _add(found, event.name, event.attributes, span.trace_id, span.span_id)
    return found


def evaluations_in_logs(records: Iterable[OtlpLog]) -> tuple[Evaluations, list[OtlpLog]]:
    """The scores in log records, and the records that are no evaluations. The sources are indexes of the records.

    An evaluation that names no trace is left out: it cannot be found what it is about.
    """
    found, others = Evaluations(), []
    for index, record in enumerate(records):
        if EVALUATION_EVENT not in (record.event_name, record.attributes.get("event.name")):
            others.append(record)
        elif record.trace_id:
            body = parse_container(record.body)
            attributes = {**body, **record.attributes} if isinstance(body, dict) else record.attributes
            _add(found, f"records[{index}]", attributes, record.trace_id, record.span_id)
    return found, others


def _add(found: Evaluations, source: str, attributes: Attributes, trace_id: str, span_id: str) -> None:
    """Add an evaluation: its number, and its label as a second score of the same name."""
    name, comment = label(attributes.get(_NAME)), _text(attributes.get(_EXPLANATION))
    value, text = number(attributes.get(_VALUE)), _text(attributes.get(_LABEL))
    if name is None or (value is None and text is None):
        found.problems.append(Problem(source, _NO_RESULT))
        return
    if value is not None:
        found.scores.append(Score(source, trace_id, span_id or None, name, None, value, comment))
    if text is not None:
        text_id, text_comment = (None, comment) if value is None else (_LABEL_ID, None)
        found.scores.append(Score(source, trace_id, span_id or None, name, text_id, text, text_comment))


def _text(value: Json) -> str | None:
    """A text in full: it is cut after its secrets are masked. *absent*: None for an empty one or any other value."""
    return value or None if isinstance(value, str) else None
