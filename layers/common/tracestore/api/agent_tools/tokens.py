"""The number of tokens that a text takes in the context of a model, estimated without a vocabulary.

Vocabularies differ between models and take megabytes, so a rule by kinds of characters stands in for them. It was
measured against the vocabularies cl100k_base and o200k_base: English, code, JSON, ids, base64 and numbers take at most
as many tokens as estimated, and so do texts in fifteen other scripts; only Ethiopic takes a third more in the older of
the two. Four characters a token, the usual rule, is less than half of what ids and Chinese take.
"""

import json
import math
import re
from typing import Any, Final, NamedTuple

_PIECE: Final = re.compile(r"[A-Za-z0-9]+|[^\x00-\x7f]+|[!-/:-@\[-`{-~]|[\x00-\x1f]+")
"""Words, text beyond ASCII, punctuation and line ends. Blanks cost nothing: they are part of the word after them."""

_WORD_LETTERS: Final = 20
"""A longer word is none of a language: vocabularies have few pieces of it."""

_LETTERS_PER_TOKEN: Final = 4
_RANDOM_PER_TOKEN: Final = 1.3
_PUNCTUATION_TOKENS: Final = 0.65

_BYTES_PER_TOKEN: Final = 1.35
"""Of scripts beyond ASCII. Ethiopic, Hebrew and Georgian come this close; Cyrillic takes a quarter."""

_EAST_ASIAN: Final = re.compile("[\u3000-\u9fff\uac00-\ud7af]")
_EAST_ASIAN_TOKENS: Final = 1.6

_BEYOND_PLANE_TOKENS: Final = 3.2
"""Emoji and other characters of four bytes take up to three tokens."""

_GAP: Final = " … "


class CutText(NamedTuple):
    """A text without its middle part, and the number of characters that were left out."""

    text: str
    left_out: int


def tokens_of(text: str) -> int:
    """The estimated number of tokens of a text."""
    return math.ceil(sum(_cost(match[0]) for match in _PIECE.finditer(text)))


def json_text(value: Any) -> str:
    """Compact JSON, as answers contain it."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_tokens(value: Any) -> int:
    """The estimated number of tokens of a value as JSON."""
    return tokens_of(json_text(value))


def cut_text(text: str, tokens: int) -> CutText:
    """A text that takes at most `tokens` as a JSON string: its first and last part when it does not fit.

    *absent*: an empty text when there is room for nothing.
    """
    # A token has at most some 20 characters (blanks apart), so that a text of megabytes is never measured whole.
    kept = min(len(text), 24 * max(tokens, 0))
    if kept == len(text) and json_tokens(text) <= tokens:
        return CutText(text, 0)
    low = 0
    while low < kept:  # the most characters that fit
        middle = (low + kept + 1) // 2
        if json_tokens(_ends(text, middle)) <= tokens:
            low = middle
        else:
            kept = middle - 1
    return CutText(_ends(text, low), len(text) - low)


def _ends(text: str, characters: int) -> str:
    """The first and the last characters of a text, as many together."""
    if characters == 0:
        return ""
    last = characters // 2
    return f"{text[: characters - last]}{_GAP}{text[len(text) - last :]}"


def _cost(piece: str) -> float:
    first = piece[0]
    if first > "\x7f":
        beyond_plane = sum(character > "\uffff" for character in piece)
        east_asian = len(_EAST_ASIAN.findall(piece))
        other_bytes = len(piece.encode()) - 4 * beyond_plane - 3 * east_asian
        exceptional = beyond_plane * _BEYOND_PLANE_TOKENS + east_asian * _EAST_ASIAN_TOKENS
        return exceptional + other_bytes / _BYTES_PER_TOKEN
    if not first.isalnum():
        return len(piece) * _PUNCTUATION_TOKENS
    is_word = piece.isalpha() and len(piece) <= _WORD_LETTERS
    return max(1.0, len(piece) / _LETTERS_PER_TOKEN) if is_word else len(piece) / _RANDOM_PER_TOKEN
