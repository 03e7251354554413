"""Counters against what is stored, on any deployment's table: what `tracestore audit` does.

Goes to DynamoDB itself, with the caller's AWS credentials: no route of the API tells what a counter should be.
"""

import time
from collections.abc import Callable
from typing import Final

from tracestore.domain.counters import ConversationOf
from tracestore.domain.times import NS_PER_DAY, format_time
from tracestore.storage.audit import MOVING_MS, Audit, Finding, audit, lasting, repair
from tracestore.storage.dynamo import client
from tracestore.storage.store import Store
from tracestore.storage.table import Deadline, Table

DAY_S: Final = 86_400


def store_of(table: str, endpoint: str | None, retention_days: int, time_shards: int) -> Store:
    """The store in a table, of a deployment with these parameters."""
    return Store(Table(client(endpoint), table), retention_days * DAY_S, time_shards)


def run(
    store: Store,
    user: str,
    days: int,
    *,
    mend: bool,
    tell: Callable[[str], None],
    moving_ms: int = MOVING_MS,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Audit the last `days` whole UTC days and today, tell what was found, repair what a second look finds as well.

    Returns whether all is right in the end. *raises* ValueError where that is longer than the retention.
    """
    deadline = Deadline(time_left_s=lambda: float("inf"))

    def look() -> Audit:
        now_ns = time.time_ns()
        from_ns = (now_ns // NS_PER_DAY - days) * NS_PER_DAY
        return audit(store, user, from_ns, now_ns, moving_ms=moving_ms, deadline=deadline)

    found = look()
    for line in told(found):
        tell(line)
    if found.is_clean or not mend:
        return found.is_clean
    tell(f"Looking again in {moving_ms // 60_000} minutes: what is still on its way to the counters is not wrong.")
    sleep(moving_ms / 1000)
    again = look()
    wrong = lasting(found, again)
    repaired = repair(store, user, wrong, deadline)
    tell(f"Repaired {repaired} of {len(again.findings)}.")
    return repaired == len(again.findings)


def told(found: Audit) -> list[str]:
    """What an audit found, in lines for people."""
    lines = [difference(finding) for finding in found.findings]
    lines.append(f"{found.counters} counters against {found.heads} traces: {len(found.findings) or 'none'} wrong.")
    if found.moving:
        lines.append(
            f"{len(found.moving)} counters belong to traces that have just changed: ask again in some minutes."
        )
    if found.quarantined:
        lines.append(f"{found.quarantined} changes of the last 30 days could not be counted by the rollup function.")
    return lines


def difference(finding: Finding) -> str:
    """One wrong counter in a line: what it is about, and what it holds and should hold."""
    target = finding.target
    if isinstance(target, ConversationOf):
        about = f"conversation {target.conversation_id}"
    else:
        about = f"{target.kind} of the {target.interval} from {format_time(target.start_ns)}"
    expected, actual = finding.expected.figures(), finding.actual.figures()
    parts = [
        f"{name} are {_shown(actual[name])} and should be {_shown(expected[name])}"
        for name in expected
        if expected[name] != actual[name]
    ]
    return f"{about}: {'; '.join(parts)}"


def _shown(figures: object) -> str:
    text = repr(figures)
    return text if len(text) <= 300 else f"{text[:300]}…"
