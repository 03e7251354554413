"""The documents agree with the code: routes, parameters, fields, keys, settings and links."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from dev.snippets import snippets
from dev.template import ROOT, Template
from tracestore.api.analytics.analytics_json import measures_json
from tracestore.api.analytics.parameters import ANALYTICS_PARAMETERS
from tracestore.api.lessons.lesson_json import call_json, lesson_json
from tracestore.api.lessons.parameters import LESSON_PARAMETERS
from tracestore.api.traces.annotations import annotation_json
from tracestore.api.traces.parameters import LIST_PARAMETERS
from tracestore.api.traces.trace_json import span_json, summary_json
from tracestore.domain.annotations import Annotation
from tracestore.domain.filters import METADATA_PREFIX, SCORE_PREFIX
from tracestore.domain.heads import Summary
from tracestore.domain.merge import Span
from tracestore.domain.spans import EARLIEST_NS, PAYLOAD_FIELDS, SpanFields
from tracestore.domain.stats import Aggregate
from tracestore.domain.usage import usage_of
from tracestore.ingest.native import Capture, parse_capture
from tracestore.ingest.secret_kinds import kinds
from tracestore.storage import keys
from tracestore.storage.model import Head

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SENDING = set((ROOT / "docs" / "sending").glob("*.md")) - {ROOT / "docs/sending/README.md"}
API = (ROOT / "docs" / "api.md").read_text()
DATA_MODEL = (ROOT / "docs" / "data-model.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
DECISIONS = (ROOT / "docs" / "decisions.md").read_text()
COMPARISON = (ROOT / "docs" / "comparison.md").read_text()

NOW_NS = 1_795_400_000 * 10**9  # 2026-11-23, a day after the examples

COUNTED_NS = 1_795_342_500 * 10**9
"""2026-11-22, 10:15."""

KEYS = {
    keys.user("user"),
    keys.USER,
    keys.trace("user", "trace"),
    keys.HEAD,
    keys.lesson_index(1_797_904_800),
    keys.message_alias("message"),
    keys.span_alias("span"),
    keys.annotation("span", "name", "id"),
    keys.segment("generation", "digest"),
    keys.compacted_segment("generation", "digest"),
    keys.payload_part("generation", "digest", 0),
    keys.delta_payload("generation", "digest", "base"),
    keys.medium("generation", "sha256"),
    keys.medium_part("generation", "sha256", 1),
    keys.job("job"),
    keys.by_jobs("user"),
    keys.deletion_records("user"),
    keys.deletion_record(1_795_312_800_000, "job"),
    *keys.counter(keys.user("user"), "measures", "15m", COUNTED_NS),
    *keys.counter(keys.user("user"), "measures", "hour", COUNTED_NS),
    *keys.counter(keys.user("user"), "measures", "day", COUNTED_NS),
    *keys.marginal_day(keys.user("user"), "service_name", COUNTED_NS),
    keys.gathered(keys.user("user")),
    keys.GATHERED,
    keys.CONVERSATION,
    keys.by_conversations(keys.user("user")),
    keys.activities(keys.user("user")),
    keys.activity(keys.activity_hour(COUNTED_NS), "shard#7-9#0"),
    keys.cursor_position(1_795_312_800 * 10**9, "conversation"),
    keys.dead_letters(keys.user("user")),
    keys.dead_letter("shard", 300),
    keys.cursor_position(1_795_312_800 * 10**9, "trace"),
    keys.by_time_shard("user", 0),
    keys.by_conversation("user", "conversation"),
    keys.by_message("user", "message"),
    keys.by_span("user", "span"),
    keys.by_lessons("user"),
    keys.by_lessons("user", 1),
    keys.by_lesson("user", "lesson"),
    keys.by_lesson_status("user", "pending"),
    keys.by_lesson_status("user", "pending", 1),
    keys.by_status("user", "error"),
    keys.by_status("user", "error", 1),
    keys.by_status("user", "pending"),
    keys.by_status("user", "pending", 1),
    keys.api_key("sha256"),
    keys.API_KEY,
    keys.user_keys("user"),
    keys.user_views("user"),
    keys.share("sha256"),
    keys.SHARE,
    keys.user_shares("user"),
    keys.trace_share("trace", "share"),
    *keys.SECRET,
}
"""Every key, with the ids that the document uses."""

PACKAGE_INDEXES = re.compile(r"index[-]url|find[-]links|pypi[.]org|pythonhosted[.]|registry[.]npmjs")
"""Addresses and options of package indexes. They belong to a machine's settings, not to the repository."""

MACHINE_PATHS = re.compile(r"(?<![\w.~}])/(?:tmp|work|home|root|Users)/")


def routes_of(text: str) -> set[str]:
    return set(re.findall(r"^#+ `([A-Z]+ /\S*)`$", text, re.MULTILINE))


def section(text: str, heading: str) -> str:
    """The text below a heading, which is given by its end, up to the next heading of any level."""
    return re.split(r"^#", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def request_to_copy(route: str) -> str:
    """The request with curl at the beginning of a route's section. *absent*: empty."""
    match = re.match(r"\n```sh\n(curl .*?)\n```\n", section(API, f"### `{route}`"), re.DOTALL)
    return match[1] if match else ""


def further_requests() -> list[str]:
    """The other requests with curl of all routes, which show what their parameters do."""
    first = {request_to_copy(route) for route in routes_of(API)}
    after_setup = API.split("\n## Spans\n", 1)[1]
    found = re.findall(r"\n```sh\n(curl .*?)\n```\n", after_setup, re.DOTALL)
    return [request for request in found if request not in first]


def tables(text: str, first: str) -> Iterator[list[str]]:
    """The rows of the tables whose first column is headed `first`, as their cells."""
    for table in re.findall(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n?)+)", text, re.MULTILINE):
        yield from ([cell.strip() for cell in row.strip("| ").split(" | ")] for row in table.strip().split("\n"))


def code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)  # within one line, since a fence would otherwise pair with later text


def examples() -> list[Any]:
    """The JSON examples in `docs/api.md`, parsed."""
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", API, re.DOTALL)]


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def a_span() -> Span:
    return Span({"span_id": "1", "start_ns": 0}, "pending", {}, 0, 0)


def a_call(status: str, **reported: Any) -> Span:
    request = {"model_name": "m", "input_data": {"prompt": "p"}, "metadata": {"temperature": 0, "max_tokens": 1}}
    received_ms = EARLIEST_NS // 10**6
    times = {"start_ns": EARLIEST_NS, "end_ns": EARLIEST_NS + 1}
    fields = {"span_id": "1", **times, "model_provider": "p", **request, **reported}
    return Span(
        cast(SpanFields, fields),
        status,
        dict.fromkeys(fields.keys() & {*PAYLOAD_FIELDS}, "0"),
        received_ms,
        received_ms,
    )


def a_head() -> Head:
    summary = Summary("1", "", "pending", 0, None, 1, 0, usage_of([], []), None, None, None)
    return Head(1, "0", 0, keys.cursor_position(0, "1"), 0, 0, summary=summary)


def parsed(body: str) -> Capture:
    return parse_capture(json.loads(body), now_ns=NOW_NS)


def test_every_route_of_the_template_is_documented_and_no_other() -> None:
    assert routes_of(API) == {route.key for route in Template().routes if route.key != "$default"}


@pytest.mark.parametrize("route", sorted(routes_of(API)))
def test_every_route_has_a_request_to_copy(route: str) -> None:
    request = request_to_copy(route)
    sent = next(iter(re.findall(r"-X ([A-Z]+) ", request)), "POST" if re.search(r"\s-d ", request) else "GET")
    (path,) = re.findall(r'"\$BASE(/[^"?]*)', request)
    one_segment = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.partition(" ")[2]))
    pattern = re.sub(r"\\{\w+\\\+\\}", ".+", one_segment)
    assert sent == route.partition(" ")[0]
    assert re.fullmatch(pattern, path)
    assert max(map(len, request.splitlines())) <= 120


def test_every_list_parameter_is_documented_and_no_other() -> None:
    rows = tables(section(API, "### `GET /api/analytics/traces`"), "parameter")
    documented = [name for row in rows for name in code(re.sub(r"\(.*\)", "", row[0]))]
    fixed = [name for name in documented if not name.startswith((METADATA_PREFIX, SCORE_PREFIX))]
    assert sorted(fixed) == sorted((*LIST_PARAMETERS, "order_by", "messages"))


def test_the_documented_span_has_the_fields_of_a_span() -> None:
    (span,) = (one["data"] for one in examples() if "span_name" in one.get("data", ()))
    assert set(span) == set(span_json("ada", "1", a_span(), 0))


def test_the_documented_summary_has_the_fields_of_a_summary() -> None:
    (summary,) = (one for one in examples() if "span_count" in one)
    assert set(summary) == set(summary_json("1", a_head()))


def test_the_documented_annotation_has_the_fields_of_an_annotation() -> None:
    (annotation,) = (one["data"] for one in examples() if "is_waiting" in one.get("data", ()))
    assert set(annotation) == set(annotation_json("1", Annotation("n", "1", 1, "s"), a_head()))


def test_every_parameter_of_lessons_is_documented_and_no_other() -> None:
    rows = tables(section(API, "### `GET /api/traces`"), "lesson parameter")
    assert sorted(name for row in rows for name in code(row[0])) == sorted(LESSON_PARAMETERS)


def test_the_documented_lesson_has_the_fields_of_a_lesson() -> None:
    (lesson,) = (one["data"] for one in examples() if "llm_calls" in one.get("data", ()))
    assert set(lesson) == set(lesson_json("1", a_head(), [a_span()]))
    failed, succeeded = lesson["llm_calls"]
    assert (keys_of(failed), keys_of(succeeded)) == (
        keys_of(call_json(a_call("error", error_message="e"))),
        keys_of(call_json(a_call("success", output_data="o", input_tokens=1, output_tokens=1))),
    )


def keys_of(value: Any) -> Any:
    return {name: keys_of(below) for name, below in value.items()} if isinstance(value, dict) else None


def test_every_parameter_of_analytics_is_documented_and_no_other() -> None:
    rows = tables(section(API, "## Analytics"), "common parameter")
    assert sorted(name for row in rows for name in code(row[0])) == sorted(ANALYTICS_PARAMETERS)


def test_the_documented_measures_have_the_fields_of_an_aggregate() -> None:
    (measures,) = (one for one in examples() if "latency_ms" in one)
    assert {name: keys_of(value) for name, value in measures.items()} == {
        name: keys_of(value) for name, value in measures_json(Aggregate()).items()
    }


def test_the_documented_batch_is_answered_as_documented() -> None:
    (body,) = (one for one in examples() if "spans" in one)
    (answer,) = (one for one in examples() if "rejected" in one)
    sent = parsed(json.dumps(body))
    assert [one["span_id"] for one in answer["data"]] == [fields["span_id"] for _, _, fields in sent.spans]
    assert answer["rejected"] == [
        {"index": bad.index, "code": bad.code, "message": bad.message} for bad in sent.rejected
    ]


def test_the_span_in_the_readme_is_accepted() -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'\n", (ROOT / "README.md").read_text(), re.DOTALL)
    assert parsed(re.sub(r"'\$\(date [^)]*\)'", "2026-11-22T10:00:00Z", body)).single


def test_every_key_is_documented_and_no_other() -> None:
    text = section(DATA_MODEL, "## Keys")
    cells = [cell for row in (*tables(text, "item"), *tables(text, "index")) for cell in row[1:3]]
    assert {key for cell in cells for key in code(cell)} == KEYS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_has_a_target(document: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", sorted(SENDING), ids=lambda path: path.stem)
def test_every_page_of_sending_has_snippets_that_can_be_run(page: Path) -> None:
    found = list(snippets(page.read_text()))
    assert found
    assert all(snippet.install for snippet in found)
    for snippet in found:
        if snippet.language == "python":
            compile(snippet.text, page.name, "exec")


def test_every_page_of_sending_is_listed() -> None:
    index = (ROOT / "docs/sending/README.md").read_text()
    assert {path.name for path in SENDING} <= set(re.findall(r"\]\(([^)\s]+)\)", index))


@pytest.mark.parametrize(
    "name", ["layers/common/requirements.in", "cli/requirements.in", "requirements-dev.in", "requirements-viewer.in"]
)
def test_every_dependency_has_its_reason(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and line[0] not in "#-"]
    needed = {re.split(r"[;<>=~ ]", re.sub(r"\[(?!crypto).*\]", "", line))[0] for line in lines}
    assert needed <= set(code(section(DECISIONS, "These dependencies")))


def test_every_parameter_and_variable_is_documented() -> None:
    template = Template()
    settings = {*template.body["Parameters"], *template.environment}
    assert settings - set(code(DEPLOY)) == set()


def test_the_readme_states_the_cost_of_counting_as_the_architecture_does() -> None:
    assert counting_units((ROOT / "README.md").read_text()) == counting_units(ARCHITECTURE)


def test_the_dollars_follow_from_the_measured_write_units() -> None:
    readme = section((ROOT / "README.md").read_text(), "## Cost")
    units = dict(re.findall(r"^\| ([^|]+) \| ([0-9.]+) \|", readme, re.MULTILINE))
    cost = section(DEPLOY, "## Cost")
    (dollars,) = re.findall(r"^\| DynamoDB, \$0\.625 per million write units \| (.*) \|$", cost, re.MULTILINE)
    per_request = ", a trace per request"
    workloads = ("single chats", f"agents of 5 spans{per_request}", f"agents of 41 spans{per_request}")
    assert dollars.split(" | ") == [f"${float(units[name]) * 0.625:.2f}" for name in workloads]
    assert f"(${counting_units(ARCHITECTURE) * 0.625:.2f} per million spans in large batches)" in cost


def test_the_bill_of_the_page_has_the_units_and_prices_of_the_documents() -> None:
    source = (ROOT / "web/src/bill/estimate.ts").read_text()
    number = {name: float(value) for name, value in re.findall(r"(\w+): ([0-9.]+),? ?(?://.*)?(?=\n|,| })", source)}
    readme = section((ROOT / "README.md").read_text(), "## Cost")
    units = dict(re.findall(r"^\| ([^|]+) \| ([0-9.]+) \|", readme, re.MULTILINE))
    per_request = ", a trace per request"
    for name, spans in (
        ("single chats", 1),
        (f"agents of 5 spans{per_request}", 5),
        (f"agents of 41 spans{per_request}", 41),
    ):
        estimated = number["perTrace"] / spans + number["perSpan"]
        assert estimated == pytest.approx(float(units[name]), rel=0.06), name
    assert number["countingPerSpan"] == counting_units(ARCHITECTURE)
    cost = section(DEPLOY, "## Cost")
    assert f"${number['perMillionWriteUnits']} per million write units" in cost
    gateway, function = re.findall(r"API Gateway, \$([0-9.]+) per million requests, and Lambda, \$([0-9.]+)", cost)[0]
    assert number["perMillionRequests"] == float(gateway) + float(function)
    assert f"by the gigabyte and month (${number['perGigabyteMonth']})" in cost


def test_the_comparison_states_the_dollars_of_the_deployment() -> None:
    cost = section(DEPLOY, "## Cost")
    parts = [re.findall(rf"^\| {name}[^|]*\|(.*)\|$", cost, re.MULTILINE)[0] for name in ("DynamoDB", "API Gateway")]
    dynamodb, requests = ([float(number) for number in re.findall(r"\$([0-9.]+)", part)] for part in parts)
    counting = round(counting_units(ARCHITECTURE) * 0.625, 2)
    sums = [f"${first + second + counting:.2f}" for first, second in zip(dynamodb[1:], requests[1:], strict=True)]
    (row,) = re.findall(r"^\| tracestore, in us-east-1 \| (.*?) \| \[", COMPARISON, re.MULTILINE)
    assert row.split(" | ") == sums


def test_every_source_of_the_comparison_is_named_and_used() -> None:
    text, sources = COMPARISON.split("## Sources\n")
    numbered = re.findall(r"^(\d+)\. ((?:.+\n)+?)(?=\d+\. |\Z)", sources, re.MULTILINE)
    assert [int(number) for number, _ in numbered] == list(range(1, len(numbered) + 1))
    assert all("<https://" in entry for _, entry in numbered)
    assert set(re.findall(r"\[(\d+)\](?!\()", text)) == {number for number, _ in numbered}
    assert re.search(r"read on 20\d\d-\d\d-\d\d", sources)


def counting_units(text: str) -> float:
    """The write units a span that a document states for counting in large batches."""
    (units,) = re.findall(r"[Cc]ounting\S* (?:for analytics adds|costs) ([0-9.]+)\s+write\s+units", text)
    return float(units)


def tracked_texts() -> Iterator[tuple[str, str]]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            yield name, (ROOT / name).read_bytes().decode(errors="replace")


@pytest.mark.parametrize("pattern", [PACKAGE_INDEXES, MACHINE_PATHS], ids=["package indexes", "paths"])
def test_no_file_contains_details_of_a_development_machine(pattern: re.Pattern[str]) -> None:
    found = {name: match[0] for name, text in tracked_texts() if (match := pattern.search(text))}
    assert found == {}


def test_the_documents_name_the_provider_of_each_kind() -> None:
    section = API[API.index("## Redaction and retention") : API.index("## Errors")]
    missing = {name for kind in kinds() for name in re.split(r", | and ", kind.provider) if name not in section}
    assert not missing - {"any issuer", "others"}
