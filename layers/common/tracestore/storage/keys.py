"""Every key format of the table. Nothing else in the code builds or takes apart a key.

Partition keys of user data start with the user, in the table and in every index, so that IAM can confine a role to one
user. Ids are percent-encoded, which keeps `#` for the separators; an id that would be too long is replaced by its hash.
"""

import hashlib
from typing import Final
from urllib.parse import quote

from tracestore.domain.times import format_time

MAX_ID_BYTES: Final = 200
"""Keys end at 2,048 (partition) and 1,024 (sort) bytes, and 256 emoji would encode to 3,072."""

LAST_NS: Final = 10**19 - 1
"""In the year 2286: times in keys have 19 digits, and a time with more would sort before them."""

HEAD: Final = "H"
USER: Final = "P"
CORE_FROM, CORE_TO = "H", "T"
"""Head, lens, aliases, segments and folds of a trace, without any payload, lie between these two sort keys, in this
order."""


def encode_id(text: str) -> str:
    """`text` as it stands in a key: at most 200 bytes of `A-Za-z0-9_.:-~%`, different for different texts."""
    encoded = quote(text, safe=":")
    if len(encoded) <= MAX_ID_BYTES:
        return encoded
    return "%%" + hashlib.sha256(text.encode()).hexdigest()  # "%%" never comes out of percent-encoding


def user(user_id: str) -> str:
    return f"U#{encode_id(user_id)}"


def trace(user_id: str, trace_id: str) -> str:
    return f"{user(user_id)}#T#{encode_id(trace_id)}"


def segment(generation: str, digest: str) -> str:
    return f"S#{generation}#{digest}"


def compacted_segment(generation: str, digest: str) -> str:
    """Sorts behind all segments, so that a paged read that meets a segment's absence meets the fold that took it in."""
    return f"SF#{generation}#{digest}"


def payload_of(generation: str, digest: str) -> str:
    return f"X#{generation}#{digest}#"


def payload_part(generation: str, digest: str, part: int) -> str:
    return f"{payload_of(generation, digest)}{part:04d}"


def delta_payload(generation: str, digest: str, base: str) -> str:
    """Says what it takes to read it, so that two who pack one payload differently do not mix what they store."""
    return f"{payload_of(generation, digest)}{base}"


def is_payload(sk: str) -> bool:
    return sk.startswith("X#")


def segment_named(sk: str) -> tuple[str, str] | None:
    """The generation and digest of the segment that an item is of; None for items of another kind, and for folds."""
    kind, *names = sk.split("#")
    return (names[0], names[1]) if kind in ("S", "X") else None


def is_segment(sk: str) -> bool:
    """Whether it is a segment's light part, by itself or folded."""
    return sk.startswith(("S#", "SF#"))


def message_alias(message_id: str) -> str:
    return f"M#{encode_id(message_id)}"


def lesson_index(expires_at_s: int) -> str:
    """Tells when it expires: a filter sees it in every index, and nobody has to read what TTL is about to remove."""
    return f"L#{expires_at_s:010d}"


def job(job_id: str) -> str:
    return f"J#{job_id}"


def position(start_ns: int, trace_id: str) -> str:
    """A trace's place in every index: by start, then by id."""
    return f"{_nanoseconds(start_ns)}#{encode_id(trace_id)}"


def position_time(position: str) -> int:
    """The start in a position, in nanoseconds."""
    return int(position.split("#", 1)[0])


def before_time(start_ns: int) -> str:
    """Sorts before every position at or after `start_ns` and behind every earlier one."""
    return _nanoseconds(min(start_ns, LAST_NS))


def by_time(user_id: str, trace_id: str, shards: int) -> str:
    digest = hashlib.blake2b(trace_id.encode(), digest_size=4).digest()
    return by_time_shard(user_id, int.from_bytes(digest, "big") % shards)


def by_time_shard(user_id: str, shard: int) -> str:
    return f"{user(user_id)}#W#{shard}"


def by_conversation(user_id: str, conversation_id: str) -> str:
    return conversation(user(user_id), conversation_id)


def by_message(user_id: str, message_id: str) -> str:
    return f"{user(user_id)}#M#{encode_id(message_id)}"


def by_status(user_id: str, status: str) -> str:
    return f"{user(user_id)}#S#{status}"


def by_lessons(user_id: str) -> str:
    return f"{user(user_id)}#L"


def by_lesson(user_id: str, lesson_id: str) -> str:
    return f"{user(user_id)}#L#{encode_id(lesson_id)}"


def by_lesson_status(user_id: str, status: str) -> str:
    return f"{user(user_id)}#LS#{status}"


def user_of(trace_pk: str) -> str:
    """The user's part of a trace's partition key, as `user` made it."""
    return trace_pk.partition("#T#")[0]


def counter(user_pk: str, kind: str, interval: str, start_ns: int) -> tuple[str, str]:
    """Counters by the start of their bucket: a day's quarters of an hour together, a month's hours, a year's days."""
    start = format_time(start_ns)
    period, bucket = {
        "15m": (start[:10], start[11:16]),
        "hour": (start[:7], start[8:13]),
        "day": (start[:4], start[5:10]),
    }[interval]
    return f"{user_pk}#R#{kind}#{interval}#{period}", bucket


CONVERSATION: Final = "C"


def conversation(user_pk: str, conversation_id: str) -> str:
    return f"{user_pk}#C#{encode_id(conversation_id)}"


def by_conversations(user_pk: str) -> str:
    return f"{user_pk}#CW"


def dead_letters(user_pk: str) -> str:
    return f"{user_pk}#Q"


def dead_letter(shard: str, sequence: int) -> str:
    return f"{shard}#{sequence}"


def api_key(sha256: str) -> str:
    return f"K#{sha256}"


API_KEY: Final = "K"


def user_keys(user_id: str) -> str:
    return f"{user(user_id)}#K"


SECRET: Final = ("K#cursor", "K")
"""Where the deployment keeps the secret that signs cursors: no user's data."""


def _nanoseconds(start_ns: int) -> str:
    """19 digits, which last until 2286; a later time, which only a query can name, comes behind all others."""
    return f"{min(start_ns, 10**19 - 1):019d}"


def trace_id_of(trace_pk: str) -> str:
    """The trace id in a partition key. Trace ids are 128 characters that need no encoding."""
    return trace_pk.rpartition("#T#")[2]
