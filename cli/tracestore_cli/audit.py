"""Compare the counters of a deployment with its stored traces, for `tracestore audit`.

It reads DynamoDB directly, with the caller's AWS credentials: no route of the API returns the expected counters.
"""

import time
from collections.abc import Callable, Sequence

from tracestore.domain.buckets import ConversationTarget
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS, format_time
from tracestore.storage.audit import MOVING_MS, Audit, Finding, audit, confirmed, discard_copies, repair
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

    A repair audits twice. It corrects the counters that were wrong in the same way both times, and discards copies that
    differed from their hours both times. Returns whether all of them are correct in the end.
    *raises*: ValueError when the period is longer than the retention.
    """

    def look(user: str) -> Audit:
        now_ns = store.now_ms() * NS_PER_MS
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
    findings = repaired = outdated = discarded = 0
    for user, first in wrong.items():
        second = look(user)
        scope = store.scope(user, Deadline.never())
        outdated_days = first.outdated_days & second.outdated_days
        findings, outdated = findings + len(second.findings), outdated + len(second.outdated_days)
        repaired += repair(scope, confirmed(first, second))
        discard_copies(scope, outdated_days)
        discarded += len(outdated_days)
    report(f"Repaired {repaired} of {findings} counters.")
    if outdated:
        report(
            f"Discarded the copies of {discarded} of {outdated} days: their hours are read until they are copied again."
        )
    return (repaired, discarded) == (findings, outdated)


def report_lines(result: Audit) -> list[str]:
    """The result of an audit, in lines for people."""
    lines = [difference(finding) for finding in result.findings]
    lines.append(
        f"Compared {result.counters} counters with {result.heads} traces: {len(result.findings) or 'none'} wrong."
    )
    if result.outdated_days:
        days = ", ".join(format_time(day * NS_PER_DAY)[:10] for day in sorted(result.outdated_days))
        lines.append(f"The copied marginals of these days differ from their hours: {days}.")
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
