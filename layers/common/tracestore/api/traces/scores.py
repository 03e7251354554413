"""Store scores as annotations: those that SDKs send, and the evaluations in exports."""

import json
import re
from collections.abc import Iterable
from typing import Final

from tracestore.domain.errors import Conflict, Invalid, NotFound
from tracestore.domain.spans import Json
from tracestore.http.errors import status_of
from tracestore.http.identity import Identity
from tracestore.ingest.annotations import parse_annotation
from tracestore.ingest.field_readers import identifier
from tracestore.ingest.redaction import Redactor
from tracestore.ingest.scores import Problem, Score
from tracestore.storage.user_store import UserWriter

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_CHARACTERS: Final = 64
_VALUE_CHARACTERS: Final = 512
_COMMENT_CHARACTERS: Final = 1_000
"""A comment is cut so that it has at most 4,096 bytes as JSON: an SDK cannot send a shorter one."""

_ID_CHARACTERS: Final = 128
_SOURCE: Final = "api"
_FORBIDDEN: Final = 403


def store_scores(
    target: UserWriter, masking: Redactor, caller: Identity, scores: Iterable[Score]
) -> tuple[list[str], list[Problem]]:
    """Store scores; returns the ids of those that are stored, and what was wrong with the others.

    *repeat*: changes nothing. *raises*: Unavailable; some may be stored then.
    """
    ids: list[str] = []
    problems: list[Problem] = []
    for score in scores:
        if "annotate" not in caller.scopes:
            problems.append(Problem(score.source, "This API key lacks the scope annotate.", _FORBIDDEN))
            continue
        try:
            ids.append(store_score(target, masking, score))
        except (Invalid, Conflict, NotFound) as error:
            problems.append(Problem(score.source, error.message, status_of(error)))
    return ids, problems


def store_score(target: UserWriter, masking: Redactor, score: Score) -> str:
    """Store one score as an annotation; returns its id.

    *raises*: Invalid for a value that no annotation can have; NotFound where the run has to be looked up and is absent;
    Conflict when its trace was deleted or has too many.
    """
    annotation = parse_annotation(
        _annotation_name(score.name),
        {
            "id": identifier(score.score_id, _ID_CHARACTERS),
            "value": _value(score.value, masking),
            "comment": _cut(score.comment, _COMMENT_CHARACTERS, masking) if score.comment else None,
            "source": score.made_by[:_ID_CHARACTERS] if score.made_by else None,
            "span_id": score.span_id,
        },
        default_source=_SOURCE,
        redactor=masking,
    )
    trace_id = score.trace_id or target.trace_of_span(score.span_id or "")
    return target.annotate(trace_id, annotation)[0].annotation_id


def _annotation_name(name: str) -> str:
    """The name of a score in the characters of annotations."""
    readable = _NOT_IN_NAMES.sub("_", name)[:_NAME_CHARACTERS]
    return readable if readable[:1].isalnum() else f"x{readable}"[:_NAME_CHARACTERS]


def _value(value: Json, masking: Redactor) -> Json:
    """A value as annotations have it: a container as JSON, None if it is empty, and a text cut to its limit."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False) if value else None
    return _cut(value, _VALUE_CHARACTERS, masking) if isinstance(value, str) else value


def _cut(text: str, most_characters: int, masking: Redactor) -> str:
    """The beginning of a text. Secrets are masked before: the beginning of one does not look like a secret."""
    return masking.redact_text(text)[:most_characters] if len(text) > most_characters else text
