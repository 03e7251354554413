"""Every key format of the table. No other module builds a key or takes one apart.

Partition keys of user data start with the user, in the table and in every index, so that IAM can confine a role to one
user. Ids are percent-encoded, which reserves `#` for the separators. An id that would be too long is replaced by its
hash.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from tracestore.domain.times import format_time

MAX_ID_BYTES: Final = 200
"""Keys end at 2,048 (partition) and 1,024 (sort) bytes, and 256 emoji would encode to 3,072."""

LAST_NS: Final = 10**19 - 1
"""In the year 2286. Times in keys have 19 digits; a time with more digits would sort before them."""

HEAD: Final = "H"
USER: Final = "P"
CORE_FROM, CORE_TO = "H", "T"
"""The sort keys of a trace's head, lesson index item, message aliases, annotations, span aliases, segments and
compacted segments lie between these two, in this order. No payload does."""

ANNOTATIONS_FROM, ANNOTATIONS_TO = "N#", "N$"
"""The sort keys of a trace's annotations lie between these two."""

ANNOTATION_KIND: Final = "N"

SEGMENT_KIND: Final = "S"
COMPACTED_KIND: Final = "SF"
PAYLOAD_KIND: Final = "X"
MEDIUM_KIND: Final = "Y"
WHOLE_TO: Final = "Y"
"""The sort keys of a trace from `CORE_FROM` to here include its payloads. Those of media come after it."""


class SortKey(NamedTuple):
    """A sort key of a trace's partition, taken apart. *absent*: empty where the kind has no such part."""

    kind: str
    generation: str = ""
    digest: str = ""
    part: str = ""


def parse(sk: str) -> SortKey:
    """The parts of a sort key of a trace's partition."""
    kind, *parts = sk.split("#", 3)
    return SortKey(kind, *parts) if kind in (SEGMENT_KIND, COMPACTED_KIND, PAYLOAD_KIND, MEDIUM_KIND) else SortKey(kind)


@lru_cache(maxsize=1_024)
def encode_id(text: str) -> str:
    """`text` in the form that keys use: at most 200 bytes of `A-Za-z0-9_.:-~%`, different for different texts."""
    encoded = quote(text, safe=":")
    if len(encoded) <= MAX_ID_BYTES:
        return encoded
    return "%%" + hashlib.sha256(text.encode()).hexdigest()  # "%%" never comes out of percent-encoding


def user(user_id: str) -> str:
    return f"U#{encode_id(user_id)}"


def user_id_of(user_pk: str) -> str | None:
    """The user id in a key that `user` made. *absent*: None where a hash is in the place of a long id."""
    encoded = user_pk.removeprefix("U#")
    return None if encoded.startswith("%%") else unquote(encoded)


def trace(user_id: str, trace_id: str) -> str:
    return f"{user(user_id)}#T#{encode_id(trace_id)}"


def segment(generation: str, digest: str) -> str:
    return f"S#{generation}#{digest}"


def compacted_segment(generation: str, digest: str) -> str:
    """A sort key after all segments, so that a paged read that misses a segment meets the compacted item with it."""
    return f"SF#{generation}#{digest}"


def payload_range(generation: str, digest: str) -> tuple[str, str]:
    """The first and the last possible sort key of a segment's payload."""
    prefix = f"X#{generation}#{digest}#"
    return prefix, prefix + "~"


FIRST_PART: Final = "0000"


def payload_part_name(index: int) -> str:
    """The last part of the sort key of payload part `index`."""
    return f"{index:04d}"


def payload_part(generation: str, digest: str, index: int) -> str:
    return f"X#{generation}#{digest}#{payload_part_name(index)}"


def delta_payload(generation: str, digest: str, base: str) -> str:
    """A sort key that names the delta base: two writers may encode one payload differently and must not mix items."""
    return f"X#{generation}#{digest}#{base}"


def medium(generation: str, sha256: str) -> str:
    """The sort key of the item that describes a medium. The parts of its content follow it."""
    return medium_part(generation, sha256, 0)


def medium_part(generation: str, sha256: str, index: int) -> str:
    """The sort key of part `index` of a medium's content, from 1 on."""
    return f"Y#{generation}#{sha256}#{payload_part_name(index)}"


def medium_range(generation: str, sha256: str) -> tuple[str, str]:
    """The first and the last possible sort key of a medium."""
    prefix = f"Y#{generation}#{sha256}#"
    return prefix, prefix + "~"


def is_medium(sk: str) -> bool:
    """Whether it is an item of a medium."""
    return sk.startswith("Y#")


def is_payload(sk: str) -> bool:
    return sk.startswith("X#")


def is_segment(sk: str) -> bool:
    """Whether it is the core of a segment, by itself or compacted."""
    return sk.startswith(("S#", "SF#"))


def message_alias(message_id: str) -> str:
    return f"M#{encode_id(message_id)}"


def span_alias(span_id: str) -> str:
    return f"R#{encode_id(span_id)}"


def annotation(span_id: str | None, name: str, annotation_id: str) -> str:
    return f"N#{encode_id(span_id or '')}#{encode_id(name)}#{encode_id(annotation_id)}"


def lesson_index(expires_at_s: int) -> str:
    """A sort key that contains the expiry, so that no reader of an index fetches an item that TTL soon removes."""
    return f"L#{expires_at_s:010d}"


def job(job_id: str) -> str:
    return f"J#{job_id}"


def deletion_records(user_id: str) -> str:
    return f"{user(user_id)}#D"


def deletion_record(requested_ms: int, record_id: str) -> str:
    """A sort key in the order of the requests."""
    return f"{requested_ms:013d}#{record_id}"


def cursor_position(start_ns: int, trace_id: str) -> str:
    """A trace's sort key in every index: by start, then by id. Cursors of lists contain it."""
    return f"{_nanoseconds(start_ns)}#{encode_id(trace_id)}"


def start_ns_of(cursor_position: str) -> int:
    """The start in a cursor position, in nanoseconds."""
    return int(cursor_position.split("#", 1)[0])


def trace_id_at(cursor_position: str) -> str:
    """The trace id in a cursor position."""
    return cursor_position.partition("#")[2]


def before_time(start_ns: int) -> str:
    """A cursor position before every other at or after `start_ns`, and after every earlier one."""
    return _nanoseconds(min(start_ns, LAST_NS))


def time_shard(trace_id: str, shards: int) -> int:
    """The shard of a trace, of the partitions that would be too busy as one."""
    digest = hashlib.blake2b(trace_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % shards


def by_time(user_id: str, trace_id: str, shards: int) -> str:
    return by_time_shard(user_id, time_shard(trace_id, shards))


def by_time_shard(user_id: str, shard: int) -> str:
    return f"{user(user_id)}#W#{shard}"


_TIME_SHARD: Final = re.compile(r"(U#[^#]*)#W#([0-9]+)")


def time_shard_of(partition: str) -> tuple[str, int] | None:
    """The user's part and the number of a time shard. *absent*: None for any other partition of an index."""
    shard = _TIME_SHARD.fullmatch(partition)
    return (shard[1], int(shard[2])) if shard else None


def by_jobs(user_id: str) -> str:
    return f"{user(user_id)}#JW"


_JOBS: Final = re.compile(r"(U#[^#]*)#JW")


def user_with_jobs(partition: str) -> str | None:
    """The user's part of a partition of jobs. *absent*: None for any other partition of an index."""
    jobs = _JOBS.fullmatch(partition)
    return jobs[1] if jobs else None


def by_conversation(user_id: str, conversation_id: str) -> str:
    return conversation(user(user_id), conversation_id)


def by_message(user_id: str, message_id: str) -> str:
    return f"{user(user_id)}#M#{encode_id(message_id)}"


def by_span(user_id: str, span_id: str) -> str:
    return f"{user(user_id)}#A#{encode_id(span_id)}"


def by_status(user_id: str, status: str, shard: int = 0) -> str:
    return _shard_of(f"{user(user_id)}#S#{status}", shard)


def by_lessons(user_id: str, shard: int = 0) -> str:
    return _shard_of(f"{user(user_id)}#L", shard)


def by_lesson(user_id: str, lesson_id: str) -> str:
    return f"{user(user_id)}#L#{encode_id(lesson_id)}"


def by_lesson_status(user_id: str, status: str, shard: int = 0) -> str:
    return _shard_of(f"{user(user_id)}#LS#{status}", shard)


def _shard_of(partition: str, shard: int) -> str:
    """The name of a shard. Shard 0 has the name that it had when it was the only one."""
    return f"{partition}#{shard}" if shard else partition


def user_of(trace_pk: str) -> str:
    """The user's part of a trace's partition key, as `user` made it."""
    return trace_pk.partition("#T#")[0]


def counter(user_pk: str, kind: str, interval: str, start_ns: int) -> tuple[str, str]:
    """A counter's keys, by the start of its bucket: a partition has the quarters of a day, the hours of a month, or the
    days of a year."""
    start = format_time(start_ns)
    period, bucket = {
        "15m": (start[:10], start[11:16]),
        "hour": (start[:7], start[8:13]),
        "day": (start[:4], start[5:10]),
    }[interval]
    return f"{user_pk}#R#{kind}#{interval}#{period}", bucket


def marginal_day(user_pk: str, name: str, start_ns: int) -> tuple[str, str]:
    """The keys of the hours of one marginal on one day, by the start of the day: a partition has the days of a year."""
    start = format_time(start_ns)
    return f"{user_pk}#R#marginal#{name}#{start[:4]}", start[5:10]


GATHERED: Final = "G"


def gathered(user_pk: str) -> str:
    return f"{user_pk}#R#gathered"


CONVERSATION: Final = "C"


def conversation(user_pk: str, conversation_id: str) -> str:
    return f"{user_pk}#C#{encode_id(conversation_id)}"


INDEX_OF_CONVERSATIONS: Final = "by_time"


def by_conversations(user_pk: str) -> str:
    return f"{user_pk}#CW"


def activities(user_pk: str) -> str:
    return f"{user_pk}#CA"


def activity(hour: str, batch_name: str) -> str:
    return f"{hour}#{batch_name}"


def activity_hour(last_ns: int) -> str:
    """The hour of a time, in the sort keys of activity items: 7 digits, as many as the latest cursor position has."""
    return f"{int(_nanoseconds(min(last_ns, LAST_NS))) // (3_600 * 10**9):07d}"


def hour_of_activity(sk: str) -> str:
    return sk.partition("#")[0]


def dead_letters(user_pk: str) -> str:
    return f"{user_pk}#Q"


def dead_letter(shard: str, sequence: int) -> str:
    return f"{shard}#{sequence}"


def api_key(sha256: str) -> str:
    return f"K#{sha256}"


API_KEY: Final = "K"


def share(sha256: str) -> str:
    return f"SH#{sha256}"


SHARE: Final = "SH"

_CREDENTIAL_PARTITION: Final = re.compile(r"(?:K|SH)#[0-9a-f]{64}")


def is_credential(pk: str) -> bool:
    """Whether this is the partition key of an API key or a share under the hash of its secret."""
    return _CREDENTIAL_PARTITION.fullmatch(pk) is not None


def kind_of(user_id: str, pk: str, sk: str) -> str:
    """The kind of an item of this user, as a receipt for people names it."""
    if is_credential(pk):
        return "shares" if pk.startswith("SH#") else "api_keys"
    partition = pk.removeprefix(user(user_id)).partition("#")[2].partition("#")[0]
    if partition == "T":
        return "traces" if sk == HEAD else "parts_of_traces"
    if partition == "":
        return "jobs" if sk.startswith("J#") else "pending_deletions"
    return _KINDS[partition]


_KINDS: Final = {
    "C": "conversations",
    "CA": "conversations",
    "D": "deletion_records",
    "K": "api_keys",
    "Q": "dead_letters",
    "R": "counters",
    "SH": "shares",
    "V": "views",
}
"""Kinds of items by the part of a partition key that follows the user."""


def user_keys(user_id: str) -> str:
    return f"{user(user_id)}#K"


def user_shares(user_id: str) -> str:
    return f"{user(user_id)}#SH"


def trace_share(trace_id: str, share_id: str) -> str:
    return f"{encode_id(trace_id)}#{share_id}"


def user_views(user_id: str) -> str:
    return f"{user(user_id)}#V"


SECRET: Final = ("K#cursor", "K")
"""The item with the deployment's secret that signs cursors. It belongs to no user."""


def _nanoseconds(start_ns: int) -> str:
    """19 digits, which suffice until 2286. A later time, which only a query can contain, sorts after all others."""
    return f"{min(start_ns, LAST_NS):019d}"


def trace_id_of(trace_pk: str) -> str:
    """The trace id in a partition key. A trace id has at most 128 characters, which need no encoding."""
    return trace_pk.rpartition("#T#")[2]
