"""The JSON of a span's fields, written once: it is searched for secrets, digested, and packed as it is."""

from typing import Final, NamedTuple

from pydantic_core import to_json

from .spans import PAYLOAD_FIELDS, SpanFields

KEPT_BYTES: Final = 8_000_000
"""Texts that a request keeps until they are packed. Those of larger requests are written again: memory is limited."""


_PAYLOAD_NAMES: Final = {name: b'"%b":' % name.encode() for name in PAYLOAD_FIELDS}
"""The payload fields as the names of members."""


class SpanText(NamedTuple):
    """The fields of a span as JSON.

    `whole` has all of them by name, so that the same fields in any order give the same text. `payload` has the payload
    fields in their own order. *absent*: it is `{}` without any.
    """

    whole: bytes
    payload: bytes


def span_text(fields: SpanFields) -> SpanText:
    """The JSON of the fields, each written once. *raises*: ValueError for a text that UTF-8 does not have."""
    whole: list[bytes] = []
    payload: dict[str, bytes] = {}
    core: dict[str, object] = {}
    for name, value in sorted(fields.items()):
        if name not in _PAYLOAD_NAMES:
            core[name] = value
            continue
        if core:
            whole.append(to_json(core)[1:-1])
            core = {}
        payload[name] = member = _PAYLOAD_NAMES[name] + to_json(value)
        whole.append(member)
    if core:
        whole.append(to_json(core)[1:-1])
    members = [payload[name] for name in PAYLOAD_FIELDS if name in payload]
    return SpanText(b"{%b}" % b",".join(whole), b"{%b}" % b",".join(members))


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
