"""A code review assistant: fetches a diff, looks up the code around it, writes its findings; once on a huge diff."""

from datetime import datetime
from random import Random
from typing import Final

from tracestore_cli.samples import Trace
from tracestore_cli.samples.trace_writer import TraceWriter, call, message

_SYSTEM: Final = (
    "You review pull requests. Report only what would hurt in production: wrong results, lost data, races, leaks, "
    "broken compatibility. For each finding name the file and line, say what happens and propose the smallest fix. If "
    "there is nothing, say so in one sentence. Style is the formatter's business."
)
_REVIEWS: Final = (
    (
        "Retry failed webhook deliveries",
        "billing/webhooks.py",
        "@@ -41,9 +41,14 @@ def deliver(event: Event) -> None:\n"
        "-    response = session.post(event.url, json=event.body)\n"
        "-    response.raise_for_status()\n"
        "+    for attempt in range(5):\n"
        "+        response = session.post(event.url, json=event.body)\n"
        "+        if response.ok:\n"
        "+            return\n"
        "+        time.sleep(2**attempt)\n",
        "**billing/webhooks.py:42**: a 4xx answer is retried like a 5xx, so a receiver that rejects the event gets it "
        "five times and the worker sleeps 31 s on each. Retry on 429 and 5xx only.\n\n**billing/webhooks.py:46**: "
        "after the fifth failure the function returns as if it had worked and the event is lost. Raise, or put it "
        "back on the queue.",
    ),
    (
        "Cache exchange rates",
        "pricing/rates.py",
        "@@ -12,4 +12,10 @@\n"
        "+_cache: dict[str, Decimal] = {}\n"
        "+\n"
        " def rate(currency: str) -> Decimal:\n"
        "-    return fetch_rate(currency)\n"
        "+    if currency not in _cache:\n"
        "+        _cache[currency] = fetch_rate(currency)\n"
        "+    return _cache[currency]\n",
        "**pricing/rates.py:16**: entries never expire, so a process that runs for a week sells at last week's rate. "
        "Keep the time with the rate and fetch again after 15 minutes. Nothing else.",
    ),
    (
        "Show the last login in the account page",
        "web/account/profile.tsx",
        "@@ -77,6 +77,7 @@ export function Profile({ user }: Props) {\n"
        "   <dd>{user.email}</dd>\n"
        "+  <dd>{new Date(user.lastLogin).toLocaleString()}</dd>\n"
        "   <dt>Plan</dt>\n",
        "**web/account/profile.tsx:78**: `lastLogin` is null for people who have never signed in, and the page then "
        "shows “1.1.1970”. Leave the row out in that case.",
    ),
    ("Bump linters", "pyproject.toml", '@@ -30 +30 @@\n-  "ruff==0.6.9",\n+  "ruff==0.7.1",\n', "Nothing to report."),
)


def review(rng: Random, start: datetime) -> list[Trace]:
    """A diff, the code around it, the findings, and a comment on the pull request."""
    title, path, diff, findings = rng.choice(_REVIEWS)
    number = rng.randint(1_800, 2_400)
    writer = _writer(rng, start, number)
    with writer.step("review.pull_request", "workflow", input_data={"pull_request": number, "title": title}) as root:
        _fetch(writer, number, diff)
        writer.embedding(f"{title}\n{path}")
        around = [{"path": path, "lines": "1-40", "score": 0.91}, {"path": f"tests/test_{number}.py", "score": 0.77}]
        writer.retrieval(f"{title} {path}", around, index="code-main")
        messages = [message("system", _SYSTEM), message("user", f"{title}\n\n```diff\n{diff}```")]
        writer.completion("claude-sonnet-4-5", messages, message("assistant", findings), metadata={"thinking": True})
        writer.tool(
            "post_comment", {"pull_request": number, "body": findings}, {"comment_id": rng.getrandbits(30)}, 320
        )
        root["output_data"] = {"findings": findings}
    return [writer.spans]


def huge_review(rng: Random, start: datetime) -> list[Trace]:
    """A generated client of 300 KB goes to the model in one prompt."""
    number = rng.randint(1_800, 2_400)
    writer = _writer(rng, start, number)
    diff = _generated_diff(rng, 300_000)
    findings = (
        "Of the 300 KB almost everything is generated and consistent. One thing matters: `timeout_ms` became optional "
        "in `Transfer`, and `Transfer.send` still passes it on unchecked, so a missing value now means no timeout at "
        "all."
    )
    title = "Regenerate the payments client"
    with writer.step("review.pull_request", "workflow", input_data={"pull_request": number, "title": title}) as root:
        _fetch(writer, number, diff[:400] + "…")
        messages = [message("system", _SYSTEM), message("user", f"{title}\n\n```diff\n{diff}```")]
        writer.completion("gemini-2.5-pro", messages, message("assistant", findings), ms=41_000)
        root["output_data"] = {"findings": findings}
    return [writer.spans]


def context_too_long(rng: Random, start: datetime) -> list[Trace]:
    """A diff that no longer fits the model: the provider refuses it at once."""
    number = rng.randint(1_800, 2_400)
    writer = _writer(rng, start, number)
    refusal = {
        "error_type": "BadRequestError",
        "error_message": "400: the prompt is 143,210 tokens long, this model takes at most 128,000",
    }
    title = "Vendor the icon set"
    with writer.step("review.pull_request", "workflow", input_data={"pull_request": number, "title": title}) as root:
        _fetch(writer, number, "@@ -0,0 +1,18211 @@ …")
        messages = [message("system", _SYSTEM), message("user", f"{title}\n\n(diff of 18,211 lines)")]
        writer.completion("gpt-4o", messages, None, ms=210, metadata={"http_status": 400}, **refusal)
        root.update(refusal)
    return [writer.spans]


def orphan(rng: Random, start: datetime) -> list[Trace]:
    """Two spans whose parent never arrives: the worker was killed before it could export it."""
    title, _, diff, _ = _REVIEWS[0]
    writer = _writer(rng, start, 2_187)
    with writer.step("review.pull_request", "workflow"):
        messages = [message("system", _SYSTEM), message("user", f"{title}\n\n```diff\n{diff}```")]
        request = message("assistant", "I need the caller.", call("call_7", "read_file", {"path": "billing/worker.py"}))
        writer.completion("claude-sonnet-4-5", messages, request)
        writer.tool("read_file", {"path": "billing/worker.py"}, {"lines": 212, "truncated": False}, 40)
    return [writer.spans[1:]]


def _writer(rng: Random, start: datetime, number: int) -> TraceWriter:
    return TraceWriter(
        rng,
        start,
        service="review-assistant",
        conversation_id=f"northwind/shop#{number}",
        end_user_id=rng.choice(("mira", "tomasz", "adaeze", "kenji")),
    )


def _fetch(writer: TraceWriter, number: int, diff: str) -> None:
    writer.leaf(
        "GET /repos/northwind/shop/pulls/{number}",
        "http",
        240,
        input_data={"number": number, "accept": "application/vnd.github.diff"},
        output_data={"status": 200, "diff": diff},
    )


def _generated_diff(rng: Random, size: int) -> str:
    lines: list[str] = []
    length = 0
    while length < size:
        noun = rng.choice(("Transfer", "Refund", "Mandate", "Payout", "Dispute", "Balance", "Card", "Merchant"))
        field = rng.choice(("amount", "currency", "timeout_ms", "created_at", "reference", "risk_score", "country"))
        kind = rng.choice(("string", "number", "boolean", "string | null", "ReadonlyArray<string>"))
        mark = rng.choice("++- ")
        lines.append(f"{mark}  /** {noun} {rng.randint(100, 999)} */ {field}{rng.choice(('', '?'))}: {kind};")
        length += len(lines[-1]) + 1
    return "\n".join(lines)[:size]
