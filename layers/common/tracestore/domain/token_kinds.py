"""The kinds of tokens, and of uses with a fee, by the words of the names that clients give them.

Clients combine some thirty words freely, so a name is read by its words, in any order.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

WHOLES: Final = {"input": "input_tokens", "output": "output_tokens"}
"""The kinds that include other kinds, and the fields that count them."""

USES: Final = ("web_search", "storage_search", "social_search", "code_execution")
"""Uses with a fee of their own, priced per thousand."""

MODALITIES: Final = ("audio", "image", "video", "document")
LIFETIMES: Final = ("5m", "1h")

_WORDS: Final[dict[str, str]] = {
    word: meaning
    for meaning, words in {
        "input": "input prompt request",
        "output": "output completion candidates response answer prediction predictions accepted rejected",
        "cache": "cache cached",
        "write": "write writes written creation created create ephemeral",
        "reasoning": "reasoning thinking thoughts thought",
        "citation": "citation citations",
        "audio": "audio",
        "image": "image images",
        "video": "video",
        "document": "document documents",
        "5m": "5m 5min",
        "1h": "1h 1hour",
        "search": "search searches",
        "storage": "file storage",
        "social": "social x",
        "code": "code",
        "execution": "execution executions interpreter",
        "total": "total",
        "": "token tokens text count counts detail details usage read reads hit uncached standard base content tool "
        "use server requests queries query calls call number num of web ttl llm gen ai",
    }.items()
    for word in words.split()
}
"""The meaning of the words in names of kinds. A name with another word is not understood."""

_BETWEEN_WORDS: Final = r"[^a-zA-Z0-9]+|(?<=[a-z0-9])(?=[A-Z])"


class Kind(NamedTuple):
    """A kind of tokens, or a use. `lifetime` is of the cache; a `modality` of "" means text."""

    base: str
    lifetime: str = ""
    modality: str = ""

    @property
    def name(self) -> str:
        """The name in the price table, such as `cache_write_1h` or `input_audio`."""
        return "_".join(filter(None, self)) if self.lifetime or self.modality else self.base


class UnknownKind(Exception):
    """A call used something that is not known by its name."""


IGNORED: Final = Kind("total")
"""A sum of other kinds."""


@lru_cache(maxsize=512)
def kind_of(name: str) -> Kind:
    """The kind of tokens, or the use, that a client calls `name`. *raises*: UnknownKind."""
    words = {_WORDS.get(word.lower(), "?") for word in re.split(_BETWEEN_WORDS, name) if word}
    if "?" in words:
        raise UnknownKind
    if "search" in words:
        return Kind(next((f"{place}_search" for place in ("storage", "social") if place in words), "web_search"))
    if "execution" in words:
        return Kind("code_execution")
    if "total" in words:
        return IGNORED
    modality = next((modality for modality in MODALITIES if modality in words), "")
    lifetime = next((lifetime for lifetime in LIFETIMES if lifetime in words), "")
    if "write" in words or lifetime:
        return Kind("cache_write", lifetime, modality)
    for word, base in (("cache", "cached_input"), ("reasoning", "reasoning"), ("citation", "citation")):
        if word in words:
            return Kind(base, "", modality)
    for base in WHOLES:
        if base in words:
            return Kind(base, "", modality)
    raise UnknownKind
