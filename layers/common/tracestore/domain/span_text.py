"""The JSON of a span's fields, written once: it is searched for secrets, digested, and packed as it is."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple, cast

from pydantic_core import to_json

from .spans import PAYLOAD_FIELDS, SpanFields

KEPT_BYTES: Final = 8_000_000
"""Texts that a request keeps until they are packed. Those of larger requests are written again: memory is limited."""


_PAYLOAD_NAMES: Final = {name: b'"%b":' % name.encode() for name in PAYLOAD_FIELDS}
"""The payload fields as the names of members."""


class SpanText(NamedTuple):
    """The fields of a span as JSON.

    `whole` has all of them by name, so that the same fields in any order give the same text. `payload` has the
    `payload_fields`, in their own order. *absent*: it is `{}` without any.
    """

    whole: bytes
    payload: bytes
    payload_fields: tuple[str, ...]


def span_text(fields: SpanFields) -> SpanText:
    """The JSON of the fields, each written once. *raises*: ValueError for a text that UTF-8 does not have."""
    runs, payload_fields = _layout(tuple(fields))
    whole: list[bytes] = []
    payload: dict[str, bytes] = {}
    values = cast(Mapping[str, object], fields)
    for run in runs:
        if type(run) is str:
            payload[run] = text = _PAYLOAD_NAMES[run] + to_json(values[run])
        else:
            text = to_json({name: values[name] for name in run})[1:-1]
        whole.append(text)
    members = [payload[name] for name in payload_fields]
    return SpanText(b"{%b}" % b",".join(whole), b"{%b}" % b",".join(members), payload_fields)


@lru_cache(maxsize=1_024)
def _layout(names: tuple[str, ...]) -> tuple[tuple[str | tuple[str, ...], ...], tuple[str, ...]]:
    """The order of fields in a text: each payload field, and each run of other fields, by name; and the payload fields.

    Spans of one kind have the same fields, in the same order.
    """
    runs = [
        run
        for is_payload, group in groupby(sorted(names), key=_PAYLOAD_NAMES.__contains__)
        for run in (group if is_payload else [tuple(group)])
    ]
    return tuple(runs), tuple(name for name in PAYLOAD_FIELDS if name in names)


class SpanTexts:
    """The texts of the spans of one request, from the search for secrets until they are packed.

    A text belongs to one object: the fields may not change as long as it is kept.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[SpanFields, SpanText]] = {}
        self._room = KEPT_BYTES

    def write(self, fields: SpanFields) -> SpanText:
        """The text of a span, kept for `take`. *raises*: as `span_text`."""
        text = span_text(fields)
        self._room -= len(text.whole) + len(text.payload)
        if self._room >= 0:
            self._kept[id(fields)] = fields, text
        return text

    def take(self, fields: SpanFields) -> SpanText:
        """The text of a span, which is kept no longer; written now if it was not kept. *raises*: as `span_text`."""
        kept, text = self._kept.pop(id(fields), (None, None))
        return text if text is not None and kept is fields else span_text(fields)
