"""Compare the counters of a deployment with its stored traces, for `tracestore audit`.

It reads DynamoDB directly, with the caller's AWS credentials: no route of the API returns the expected counters.
"""

import time
from collections.abc import Callable, Sequence

from tracestore.domain.buckets import ConversationTarget
from tracestore.domain.times import NS_PER_DAY, format_time
from tracestore.storage.audit import MOVING_MS, Audit, Finding, audit, confirmed, repair
from tracestore.storage.deadline import Deadline
from tracestore.storage.store import Store


def run(
    store: Store,
    users: Sequence[str],
    days: int,
    *,
    should_repair: bool,
    report: Callable[[str], None],
    moving_ms: int = MOVING_MS,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Audit today and the `days` UTC days before it, of each user, report the result, and repair if `should_repair`.

    A repair audits twice and corrects the counters that were wrong in the same way both times. Returns whether all
    counters are correct in the end. *raises*: ValueError when the period is longer than the retention.
    """

    def look(user: str) -> Audit:
        now_ns = time.time_ns()
        from_ns = (now_ns // NS_PER_DAY - days) * NS_PER_DAY
        return audit(store.scope(user, Deadline.never()), from_ns, now_ns, moving_ms=moving_ms)

    wrong: dict[str, Audit] = {}
    for user in users:
        first = look(user)
        for line in report_lines(first):
            report(line if len(users) == 1 else f"{user}: {line}")
        if not first.is_clean:
            wrong[user] = first
    if not wrong or not should_repair:
        return not wrong
    report(f"Comparing again in {moving_ms // 60_000} minutes: recent changes may not be counted yet.")
    sleep(moving_ms / 1000)
    findings = repaired = 0
    for user, first in wrong.items():
        second = look(user)
        findings += len(second.findings)
        repaired += repair(store.scope(user, Deadline.never()), confirmed(first, second))
    report(f"Repaired {repaired} of {findings} counters.")
    return repaired == findings


def report_lines(result: Audit) -> list[str]:
    """The result of an audit, in lines for people."""
    lines = [difference(finding) for finding in result.findings]
    lines.append(
        f"Compared {result.counters} counters with {result.heads} traces: {len(result.findings) or 'none'} wrong."
    )
    if result.moving:
        lines.append(f"{len(result.moving)} counters include traces that just changed: audit again in some minutes.")
    if result.dead_letters:
        lines.append(f"{result.dead_letters} dead letters: changes of the last 30 days that could not be counted.")
    return lines


def difference(finding: Finding) -> str:
    """One wrong counter in a line: its target, and its stored and expected totals."""
    target = finding.target
    if isinstance(target, ConversationTarget):
        subject = f"conversation {target.conversation_id}"
    else:
        subject = f"{target.kind} of the {target.interval} from {format_time(target.start_ns)}"
    expected, actual = finding.expected.totals(), finding.actual.totals()
    differences = [
        f"{name} is {_shortened(actual.get(name))} instead of {_shortened(expected.get(name))}"
        for name in dict.fromkeys([*expected, *actual])
        if expected.get(name) != actual.get(name)
    ]
    return f"{subject}: {'; '.join(differences)}"


def _shortened(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
