"""An export and its import, through the real handlers, reproduce all traces, whatever interrupts them."""

import io
import json
import random
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import agents, otlp
from tests.api import Api, at, child, path_of, span
from tests.deploying import Fault, broken_every, busy, deployment_of
from tests.gateway import Call, User, new_user
from tests.integration.test_otlp_corpus import replay, requests_of
from tests.media import asking, image, part, sha256_of
from tests.otlp import new_id
from tests.unit.ingest.test_conventions import CASES
from tests.unit.test_demo import NOW
from tracestore.domain.stats import NO_STATS
from tracestore.http import wiring
from tracestore.storage.deadline import Deadline
from tracestore.storage.user_store import UserReader
from tracestore_cli import loading, transfer
from tracestore_cli.demo import day
from tracestore_cli.posting import NotServed

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

SET_BY_SERVER = {"id", "user_id", "created_at", "updated_at", "expires_at"}
MB = 1_000_000


def exported(call: Call, user: User, query: dict[str, str] | None = None, fault: Fault = lambda _: None) -> bytes:
    stream = io.BytesIO()
    with deployment_of(call, user, fault) as (deployment, _):
        transfer.export(deployment, transfer.Stream(stream, query or {}), lambda _: None)
    return stream.getvalue()


def loaded(call: Call, user: User, content: bytes, fault: Fault = lambda _: None) -> dict[int, str]:
    rejected: dict[int, str] = {}
    with deployment_of(call, user, fault) as (deployment, _):
        stored = loading.load(deployment, io.BytesIO(content), rejected.__setitem__)
    assert stored == sum(bool(line.strip()) for line in content.split(b"\n")) - len(rejected)
    return rejected


def reported(content: bytes) -> list[dict[str, Any]]:
    """The spans of an export without what the server sets."""
    spans = [json.loads(line) for line in content.splitlines()]
    return [{name: value for name, value in span.items() if name not in SET_BY_SERVER} for span in spans]


def differences(one: bytes, other: bytes) -> list[tuple[str, str, Any, Any]]:
    """The fields in which two exports of the same spans differ, whatever the order of their traces."""
    spans = [{f"{span['trace_id']}/{span['span_id']}": span for span in reported(content)} for content in (one, other)]
    annotated = [
        {
            annotation["name"]: annotation["value"]
            for span in each.values()
            for annotation in span.pop("annotations", ())
        }
        for each in spans
    ]
    assert spans[0].keys() == spans[1].keys()
    assert annotated[0] == annotated[1]
    return [
        (key, name, span.get(name), spans[1][key].get(name))
        for key, span in spans[0].items()
        for name in {**span, **spans[1][key]}
        if span.get(name) != spans[1][key].get(name)
    ]


def names(content: bytes) -> list[str]:
    return [f"{span['trace_id']}/{span['span_id']}" for span in reported(content)]


def user_of(api: Api) -> User:
    assert api.user
    return api.user


def send_samples(api: Api, count: int = 12) -> None:
    spans = [span for trace in day(NOW, count) for span in trace]
    for start in range(0, len(spans), 200):
        assert api.post({"spans": spans[start : start + 200]}).json["rejected"] == []


def test_imported_traces_equal_the_exported_ones(api: Api, call: Call) -> None:
    send_samples(api)
    api.send(
        span("a", end_time=at(1.23456), input_tokens=5, output_tokens=7, total_tokens=99, metadata={"n": 10**30}),
        child("skewed", "root", "a", end_time=at(3), duration_ms=9000.5),
        child("orphan", "never-came", "a", error_type="E", error_message="m", input_data=""),
        span("lesson", operation_type="lesson", lesson_id="7", status="success", output_data={"\u2028": 0.1}),
    )
    assert api.patch("root", "a", output_data=["changed"], model_name="gpt-4o").status == 200
    content, copy = exported(call, user_of(api)), new_user()
    assert loaded(call, copy, content) == {}
    assert reported(exported(call, copy)) == reported(content)
    assert Api(call, copy).page(view="summary", limit=1000)["traces"] != []


def test_recorded_exports_of_clients_and_agents_are_reproduced(api: Api, call: Call) -> None:
    for case in CASES:
        replay(api, requests_of(case))
    for session in agents.SESSIONS:
        replay(api, agents.requests_of(session))
    contradicting = {f"gen_ai.usage.{kind}_tokens": n for kind, n in (("input", 100), ("output", 50), ("total", 999))}
    model = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
    assert otlp.send(api, otlp.span(new_id(), values=model | contradicting)) == (0, "")
    content, copy = exported(call, user_of(api)), new_user()
    assert loaded(call, copy, content) == {}
    assert differences(content, exported(call, copy)) == []
    measured = [
        {
            trace["trace_id"]: (trace["cost_usd"], trace["total_tokens"], trace["llm_call_count"])
            for trace in page["traces"]
        }
        for page in (Api(call, user).page(view="summary", limit=1000) for user in (user_of(api), copy))
    ]
    assert measured[0] == measured[1]


def stored_summaries(user: User, *trace_ids: str) -> dict[str, Any]:
    """What the heads of traces show and count, without the digests that previews come from."""
    heads = UserReader(wiring.store(), user.name, Deadline.never()).heads(trace_ids)
    return {
        trace_id: (
            replace(head.summary, stats=NO_STATS, previews=head.summary.previews._replace(source=(None, None))),
            head.summary.stats.rows,
            head.summary.stats.failures,
            head.summary.stats.marginals,
        )
        for trace_id, head in heads.items()
    }


def test_a_span_that_only_log_records_reported_is_reproduced_and_still_gives_way(api: Api, call: Call) -> None:
    trace_id, later = new_id(), new_id()
    for number, trace in enumerate((trace_id, trace_id, later)):
        record = otlp.message(trace, f"word {number}", after_ms=number, span_id=f"{number + 1:016x}")
        assert otlp.send(api, record, signal="logs") == (0, "")
    assert api.patch("0000000000000002", trace_id, model_name="gpt-4o").status == 200
    content, copy = exported(call, user_of(api)), new_user()
    assert [line["span_name"] for line in reported(content)] == [None] * 3
    assert loaded(call, copy, content) == {}
    assert reported(exported(call, copy)) == reported(content)
    assert stored_summaries(copy, trace_id, later) == stored_summaries(user_of(api), trace_id, later)
    for user in (user_of(api), copy):
        assert otlp.send(Api(call, user), otlp.span(later, span_id="0000000000000003")) == (0, "")
    assert stored_summaries(copy, later) == stored_summaries(user_of(api), later)
    assert Api(call, copy).span("0000000000000003", later)["span_name"] == "chat"


steps = st.lists(
    st.tuples(st.sampled_from(["native", "patch", "otlp", "logs", "lesson", "note"]), st.integers(0, 3)),
    min_size=4,
    max_size=10,
)


@given(steps, st.randoms(use_true_random=False))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_filled_by_all_routes_is_reproduced(call: Call, history: Any, noise: random.Random) -> None:
    user, copy = new_user(), new_user()
    api, trace_ids = Api(call, user), [new_id(), new_id()]
    lessons: set[str] = set()
    for kind, number in history:
        trace_id, span_id = noise.choice(trace_ids), f"{number + 1:016x}"
        reported_later = {"operation_type": "completion", "model_name": noise.choice(["gpt-4o", "unknown"])}
        if kind == "native":
            ended = noise.choice([{}, {"end_time": at(number + 1), "input_tokens": number, "output_tokens": 7}])
            failed = noise.choice([{}, {"error_type": "Timeout", "error_message": "late"}])
            parent = noise.choice([None, f"{noise.randint(1, 4):016x}"])
            api.send(span(trace_id, span_id, parent_span_id=parent, **reported_later, **ended, **failed))
        elif kind == "patch":
            assert api.patch(span_id, trace_id, **reported_later, output_data={"n": number}).status in (200, 404)
        elif kind == "otlp":
            assert otlp.send(api, otlp.span(trace_id, span_id=span_id)) == (0, "")
        elif kind == "logs":
            record = otlp.message(trace_id, f"word {number}", after_ms=number, span_id=span_id)
            assert otlp.send(api, record, signal="logs") == (0, "")
        elif kind == "lesson":
            body = {"lesson_id": f"l{number}", "request_data": {"n": number}}
            lessons.add(api("POST", "/api/traces", body=body).json["data"]["id"].replace("-", ""))
        else:
            path = f"{path_of(trace_id)}/annotations/score{number}"
            assert api("PUT", path, body={"value": number / 4}).status == 200
    content = exported(call, user)
    assert loaded(call, copy, content) == {}
    # A list is in the order of the traces' positions, which are the starts that arrived first.
    assert differences(exported(call, copy), content) == []
    stored = stored_summaries(user, *trace_ids, *lessons)
    for summaries in (stored, imported := stored_summaries(copy, *trace_ids, *lessons)):
        for trace_id, (summary, *stats) in summaries.items():
            annotations = replace(summary.annotations, updated_ms=0)
            summaries[trace_id] = (replace(summary, annotations=annotations), *stats)
    assert imported == stored


def test_large_payloads_are_reproduced(api: Api, call: Call) -> None:
    for number in range(3):
        assert api.post(span(span_id=f"s{number}", input_data=f'{number}"' * MB)).status == 201
    content, copy = exported(call, user_of(api)), new_user()
    assert loaded(call, copy, content) == {}
    assert reported(exported(call, copy)) == reported(content)


def test_media_are_reproduced(api: Api, call: Call) -> None:
    photos = [image(MB, seed=number) for number in range(6)]
    for number in range(6):
        api.send(span(span_id=f"s{number}", input_data=asking(*map(part, photos[max(0, number - 2) : number + 1]))))
    content, copy = exported(call, user_of(api)), new_user()
    assert loaded(call, copy, content) == {}
    assert reported(exported(call, copy)) == reported(content)
    for photo in photos:
        path = f"{path_of('t')}/media/{sha256_of(photo)}"
        assert Api(call, copy)("GET", path).body == photo


def test_a_second_import_changes_nothing(api: Api, call: Call) -> None:
    send_samples(api, 3)
    content, copy = exported(call, user_of(api)), new_user()
    loaded(call, copy, content)
    before = exported(call, copy)
    assert loaded(call, copy, content) == {}
    assert exported(call, copy) == before


def test_filters_choose_what_is_exported(api: Api, call: Call) -> None:
    api.send(span("a", conversation_id="c"), span("b"))
    assert names(exported(call, user_of(api), {"conversation_id": "c"})) == ["a/root"]


def test_requests_are_retried_after_busy_responses_and_lost_connections(api: Api, call: Call) -> None:
    def lost() -> httpx.Response:
        raise httpx.ReadTimeout("too late")

    send_samples(api, 4)
    content, copy = exported(call, user_of(api), fault=broken_every(2, busy)), new_user()
    assert content == exported(call, user_of(api), fault=broken_every(2, lost))
    assert loaded(call, copy, content, broken_every(2, busy)) == {}
    assert names(exported(call, copy)) == names(content)


def test_invalid_lines_are_reported_by_number_and_the_rest_is_stored(call: Call, user: User) -> None:
    good = [json.dumps(span(f"t{n}")).encode() for n in range(4)]
    bad = [
        b"{",
        b"[1]",
        b"{}",
        json.dumps(span("no start", start_time=None)).encode(),
        b'{"trace_id":"t","span_id":NaN}',
    ]
    content = b"\n".join([*good[:2], *bad, b"", *good[2:]])
    rejected = loaded(call, user, content)
    assert rejected == {
        3: "is not JSON",
        4: "is neither a span nor an OTLP export of spans or logs",
        5: "is neither a span nor an OTLP export of spans or logs",
        6: "trace_id must have 1 to 128 characters, only ASCII letters, digits and _ . : -, and begin with a letter or "
        "digit; start_time is required.",
        7: rejected[7],
    }
    assert sorted(names(exported(call, user))) == [f"t{n}/root" for n in range(4)]


def test_lines_of_otlp_are_imported(call: Call, user: User) -> None:
    def line(trace: int, count: int, text: str) -> bytes:
        spans = [
            {
                "traceId": f"{trace:032x}",
                "spanId": f"{number + 1:016x}",
                "name": "n",
                "startTimeUnixNano": str(10**18 + number),
                "endTimeUnixNano": str(10**18 + number),
                "attributes": [{"key": "input.value", "value": {"stringValue": text}}],
            }
            for number in range(count)
        ]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": f"service {trace}"}}]}
        return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()

    too_much = line(3, 15, "x" * 200_000)
    content = b"\n".join([line(1, 3, "a"), line(2, 2, "b"), too_much, json.dumps(span("native")).encode(), b"{}"])
    assert list(loaded(call, user, content)) == [5]
    services = [span["service_name"] for span in reported(exported(call, user))]
    assert sorted(filter(None, services)) == ["service 1"] * 3 + ["service 2"] * 2 + ["service 3"] * 15


def test_the_invalid_line_among_many_of_otlp_is_found(call: Call, user: User) -> None:
    def line(span_id: str) -> bytes:
        times = {"startTimeUnixNano": str(10**18), "endTimeUnixNano": str(10**18)}
        record = {"traceId": "ab" * 16, "spanId": span_id, "name": "n", **times}
        return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [record]}]}]}).encode()

    lines = [line(f"{number + 1:016x}") for number in range(9)]
    lines[4] = line("0" * 16)
    lines[7] = b'{"resourceSpans":[{"scopeSpans":7}]}'
    assert list(loaded(call, user, b"\n".join(lines))) == [5, 8]
    assert len(names(exported(call, user))) == 7


def test_an_import_ends_when_the_deployment_stays_busy(call: Call, user: User) -> None:
    with (
        deployment_of(call, user, lambda _: busy()) as (deployment, seen),
        pytest.raises(NotServed, match="503"),
    ):
        loading.load(deployment, [json.dumps(span()).encode()], lambda *_: None)
    assert seen.pauses_s == [0.5, 1, 2, 4, 8, 10, 10]
