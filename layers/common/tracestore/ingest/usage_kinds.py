"""Tokens with one meaning, whichever way a client counts.

Here `input_tokens` includes what was read from and written to a cache, and `output_tokens` includes reasoning. Most
conventions say so, too. Some clients report what a provider answered that counts these kinds apart; they are told by
arithmetic: by a kind that is larger than what it should be part of, or by a total that fits no other reading.
"""

from typing import Any, Final

_READINGS: Final = ((False, False), (True, False), (False, True), (True, True))
"""Whether cached input, and whether reasoning, stands beside and not within; what conventions say comes first."""

_KINDS: Final = ("input_tokens", "output_tokens")


def settle_usage(fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Makes the token counts in `fields` mean what they should.

    What had to change is told as it was sent in `metadata.usage_as_sent`; that a total fits no reading, so that
    the counts may mean something else, by `metadata.usage_ambiguous`.
    """
    cached = fields.get("cached_input_tokens", 0) + fields.get("cache_write_tokens", 0)
    reasoning = fields.get("reasoning_tokens", 0)
    if not cached and not reasoning:
        return
    sent: dict[str, int] = {kind: fields[kind] for kind in _KINDS if kind in fields}
    readings = [
        (input_tokens, output_tokens)
        for cached_apart, reasoning_apart in _READINGS
        if (input_tokens := sent.get("input_tokens", 0) + cached_apart * cached) >= cached
        and (output_tokens := sent.get("output_tokens", 0) + reasoning_apart * reasoning) >= reasoning
    ]
    total = fields.get("total_tokens")
    fitting = [reading for reading in readings if total in (None, sum(reading))]
    if not fitting:
        metadata["usage_ambiguous"] = True
    settled = (fitting or readings)[0]
    # What was not sent at all is not made up.
    changed = {kind: count for kind, count in zip(_KINDS, settled, strict=True) if sent.get(kind, count) != count}
    if changed:
        fields |= changed
        metadata["usage_as_sent"] = sent
