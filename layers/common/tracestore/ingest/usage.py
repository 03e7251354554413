"""Give token counts one meaning, whichever way a client counts.

In a span, `input_tokens` includes the tokens read from and written to a cache, and `output_tokens` includes reasoning.
Most conventions define them the same way. Some clients pass on the counts of a provider that reports these kinds
separately. Arithmetic detects them: a part is larger than the count that should include it, or the total fits no other
interpretation.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from tracestore.domain.spans import Json

_INTERPRETATIONS: Final = ((False, False), (True, False), (False, True), (True, True))
"""Whether cached input and whether reasoning is counted separately. The conventions' own definition comes first."""

_KINDS: Final = ("input_tokens", "output_tokens")


class Usage(NamedTuple):
    """The token counts that replace those sent, and what metadata keeps about them.

    `usage_as_sent` contains the counts as they were sent. `usage_ambiguous` marks a total that fits no interpretation:
    the counts may mean something else.
    """

    fields: dict[str, int]
    metadata: dict[str, Json]


def read_usage(fields: Mapping[str, Any]) -> Usage:
    """The token counts in `fields` such that input and output include their parts."""
    cached = fields.get("cached_input_tokens", 0) + fields.get("cache_write_tokens", 0)
    reasoning = fields.get("reasoning_tokens", 0)
    if not cached and not reasoning:
        return Usage({}, {})
    sent: dict[str, int] = {kind: fields[kind] for kind in _KINDS if kind in fields}
    interpretations = [
        (input_tokens, output_tokens)
        for cached_apart, reasoning_apart in _INTERPRETATIONS
        if (input_tokens := sent.get("input_tokens", 0) + cached_apart * cached) >= cached
        and (output_tokens := sent.get("output_tokens", 0) + reasoning_apart * reasoning) >= reasoning
    ]
    total = fields.get("total_tokens")
    consistent = [counts for counts in interpretations if total in (None, sum(counts))]
    metadata: dict[str, Json] = {} if consistent else {"usage_ambiguous": True}
    normalized = (consistent or interpretations)[0]
    # A count that was not sent is not invented.
    changed = {kind: count for kind, count in zip(_KINDS, normalized, strict=True) if sent.get(kind, count) != count}
    if changed:
        metadata["usage_as_sent"] = cast(Json, sent)
    return Usage(changed, metadata)
