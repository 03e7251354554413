"""The previews of a trace: the beginning of what it was asked and of its answer.

A span may state the input or output of the whole trace. Else they are the root's. A root without any content, such as
an HTTP request, has none: then they are the input of the first model call and the output of the last one. A root that
only log records report may lack one of the two: many agents record the prompt of a turn, and no reply. Where no call
has content, they are those of the first and the last span around the calls that has any.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from .heads import NO_PREVIEWS, Previews, first_value, root_of
from .merge import Span
from .previews import input_preview, output_preview
from .spans import digest_of

PreviewedField: TypeAlias = Literal["input_data", "output_data"]
PayloadReader: TypeAlias = Callable[[Span], tuple[Span, bool]]
"""A function that returns a span with its payload, and whether the payload is whole."""

_DIRECTIONS: Final[tuple[tuple[PreviewedField, str], ...]] = (
    ("input_data", "trace_input_preview"),
    ("output_data", "trace_output_preview"),
)


_AROUND_CALLS: Final = frozenset({"agent", "workflow", "chain", "other"})


class PreviewSource(NamedTuple):
    """The origin of a preview: a span, or a text that a span states. `name` changes whenever the preview may change.

    Only its payload shows whether a span that records report has an input or an output: `otherwise` is used if not.

    *absent*: None for `name` without a preview.
    """

    name: str | None
    span: Span | None = None
    text: str | None = None
    otherwise: Span | None = None


def previews_of(spans: Sequence[Span], read: PayloadReader | None = None, known: Previews = NO_PREVIEWS) -> Previews:
    """The previews of a trace with these spans, by start. `known` previews of the same sources are kept.

    Without `read`, the spans have their payloads. *absent*: where a payload is not whole, its preview names no source,
    so that the next writer derives it again.
    """
    texts: list[str | None] = []
    names: list[str | None] = []
    for (field, _), source, text, name in zip(
        _DIRECTIONS, preview_sources(spans), (known.input, known.output), known.source, strict=True
    ):
        is_whole = True
        if source.span is None:
            text = source.text
        elif source.name != name:
            text, is_whole = _preview(source.span, field, read)
            if text is None and is_whole and source.otherwise is not None:
                text, is_whole = _preview(source.otherwise, field, read)
        texts.append(text)
        names.append(source.name if is_whole else None)
    return Previews(texts[0], texts[1], (names[0], names[1]))


def _preview(span: Span, field: PreviewedField, read: PayloadReader | None) -> tuple[str | None, bool]:
    """The preview of a field of a span, and whether the payload that it was read from is whole."""
    span, is_whole = (span, True) if read is None else read(span)
    preview = input_preview if field == "input_data" else output_preview
    return preview(span.fields.get(field)), is_whole


def preview_sources(spans: Sequence[Span]) -> tuple[PreviewSource, PreviewSource]:
    """The sources of the previews of the input and of the output of a trace with these spans, by start."""
    root = root_of(spans)
    has_content = any(field in root.payload_from for field, _ in _DIRECTIONS)
    below: list[Span] = []
    after: list[Span] = []
    if not has_content or root.is_from_logs:
        calls = [span for span in spans if span.fields.get("operation_type") == "completion"]
        around = [s for s in spans if s is not root and s.fields.get("operation_type") in _AROUND_CALLS]
        below, after = [*calls, *around], [*calls[::-1], *around[::-1]]
    asked, answered = _DIRECTIONS
    return _source(root, spans, *asked, [root, *below]), _source(root, spans, *answered, [root, *after])


def _source(
    root: Span, spans: Sequence[Span], field: PreviewedField, stated: str, candidates: Sequence[Span]
) -> PreviewSource:
    """The source of one preview: what a span states about the trace, else the first candidate with content."""
    if (text := first_value(root, spans, stated)) is not None:
        return PreviewSource(digest_of(text.encode(errors="surrogatepass")), text=text)
    with_content = (span for span in candidates if field in span.payload_from)
    if (span := next(with_content, None)) is None:
        return PreviewSource(None)
    name = span.payload_from[field]
    if not span.is_from_logs or (otherwise := next(with_content, None)) is None:
        return PreviewSource(name, span)
    return PreviewSource(digest_of(f"{name}+{otherwise.payload_from[field]}".encode()), span, otherwise=otherwise)
