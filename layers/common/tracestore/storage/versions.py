"""Versions of a trace: a short text that names the segments which an answer was made from.

The content of an answer follows from the segments that were read, the deleted spans, and the code and the prices that
it was derived with. A version names all of these, so that a later request can derive the earlier content again and
compare it with the present one. No earlier content is stored.

A trace may have thousands of segments, and the order of their arrival is stored only in milliseconds of several clocks.
A version therefore names its newest segments one by one, and the others by a time up to which it has all of them. The
sum over the names of all its segments proves that the right ones were found. It also identifies a single segment that
arrived later with an earlier time: the sum is then too large by exactly its name.

A version consists of digests of content. A reader that may not see all of it is given versions with a secret `key`:
with plain digests, it could find out hidden values by guessing them. The owner's versions have no key.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from .model import LiveHead, Segment, StoredTrace
from .store import Scope

LISTED: Final = 64
"""Segments named one by one: as many as busy writers have under way while a reader reads. A version has at most 314
characters then, which fit into a query."""

VERSION_PATTERN: Final = r"[A-Za-z0-9_-]{1,512}"
"""The text of a version, also of a later format."""

_FORMAT: Final = b"\x01"
_TAG_BYTES: Final = 12
_BASIS_BYTES: Final = 8
_NAME_BYTES: Final = 8
_TIME_BYTES: Final = 6
_PREFIX_BYTES: Final = 3
"""Of a listed name. Where two segments have the same prefix, the sum decides."""

_SUMS: Final = 1 << (8 * _NAME_BYTES)


@dataclass(frozen=True, slots=True)
class Version:
    """A version as a caller sent it.

    `tag` names the version of the head that was read, `basis` everything else except the segments, `total` the sum of
    the names of the segments. The segments are those up to `last`, a time of arrival and a name, and the `listed` ones.
    """

    tag: bytes
    basis: bytes
    total: int
    last: tuple[int, int]
    listed: frozenset[bytes]

    def segments_of(self, stored: StoredTrace, basis: bytes, key: bytes = b"") -> list[Segment] | None:
        """The segments of `stored` that this version names. *absent*: None where they are not all stored any more, or
        the content followed from another `basis`."""
        if self.basis != basis:
            return None
        found = {
            name: segment
            for (received_ms, name), segment in _by_order(stored.segments.values(), key)
            if (received_ms, name) <= self.last or _prefix(name) in self.listed
        }
        excess = (sum(found) - self.total) % _SUMS
        if excess:
            if excess not in found:
                return None
            del found[excess]
        return list(found.values())


def name_of(segment: Segment, key: bytes = b"") -> int:
    """The name of a segment with its time of arrival: a repeated first request may store the same with another one."""
    text = f"{segment.digest}@{segment.received_ms}"
    return int.from_bytes(blake2b(text.encode(), digest_size=_NAME_BYTES, key=key).digest(), "big")


def sum_of(segments: Iterable[Segment]) -> int:
    """The sum of the names of segments, in any order."""
    return sum(map(name_of, segments)) % _SUMS


def basis_of(scope: Scope, trace_id: str, head: LiveHead, key: bytes = b"") -> bytes:
    """The digest of everything that a trace's content follows from except its segments."""
    names = (scope.user_id, trace_id, head.generation, scope.store.derivation(), *sorted(head.deleted))
    return blake2b("\n".join(names).encode(errors="surrogatepass"), digest_size=_BASIS_BYTES, key=key).digest()


def tag_of(scope: Scope, trace_id: str, head: LiveHead, key: bytes = b"") -> bytes:
    """The digest of a trace's content, found from its head alone: every acknowledged change changes it."""
    named = basis_of(scope, trace_id, head, key) + str(head.version).encode()
    return blake2b(named, digest_size=_TAG_BYTES, key=key).digest()


def version_text(tag: bytes, basis: bytes, segments: Iterable[Segment], key: bytes = b"") -> str:
    """The version of the content that was made from these segments, as a text."""
    ordered = [order for order, _ in _by_order(segments, key)]
    earlier, listed = ordered[:-LISTED], ordered[-LISTED:]
    received_ms, name = earlier[-1] if earlier else (0, 0)
    total = sum(name for _, name in ordered) % _SUMS
    packed = (
        _FORMAT
        + tag
        + basis
        + total.to_bytes(_NAME_BYTES, "big")
        + received_ms.to_bytes(_TIME_BYTES, "big")
        + name.to_bytes(_NAME_BYTES, "big")
        + b"".join(_prefix(name) for _, name in listed)
    )
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def parse_version(text: str) -> Version | None:
    """The version with this text. *absent*: None for a text of another format, which a later release may have sent.

    *raises*: ValueError, with the remedy, for a text that cannot be a version.
    """
    if re.fullmatch(VERSION_PATTERN, text) is None:
        raise ValueError("must be the version of an earlier response")
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("must be the version of an earlier response") from None
    sizes = (len(_FORMAT), _TAG_BYTES, _BASIS_BYTES, _NAME_BYTES, _TIME_BYTES, _NAME_BYTES)
    if packed[:1] != _FORMAT or len(packed) < sum(sizes):
        return None
    parts = []
    for size in sizes:
        parts.append(packed[:size])
        packed = packed[size:]
    _, tag, basis, total, received_ms, name = parts
    listed = frozenset(packed[start : start + _PREFIX_BYTES] for start in range(0, len(packed), _PREFIX_BYTES))
    last = int.from_bytes(received_ms, "big"), int.from_bytes(name, "big")
    return Version(tag, basis, int.from_bytes(total, "big"), last, listed)


def _by_order(segments: Iterable[Segment], key: bytes) -> list[tuple[tuple[int, int], Segment]]:
    """Segments by their time of arrival and their name."""
    ordered = [((segment.received_ms, name_of(segment, key)), segment) for segment in segments]
    return sorted(ordered, key=lambda entry: entry[0])


def _prefix(name: int) -> bytes:
    return name.to_bytes(_NAME_BYTES, "big")[:_PREFIX_BYTES]
