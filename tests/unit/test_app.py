"""The wrapper around handlers: deny by default, one error shape, one log line."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from tracestore.domain import errors
from tracestore.domain.errors import Detail, Invalid, TracestoreError, Unauthenticated, Unavailable
from tracestore.http.app import ANY, PUBLIC_ROUTES, App
from tracestore.http.errors import CODES, STATUSES
from tracestore.http.identity import Identity
from tracestore.http.request import Request
from tracestore.http.response import Response, json_response
from tracestore.http.wiring import reader, writer
from tracestore.storage.model import Share

READER = Identity("ada", "api_key", frozenset({"read"}))
USER = Identity("ada", "jwt", frozenset({"ingest", "read", "delete"}))
MEMBER = Identity("ada", "jwt", frozenset({"read"}), teams=("search",))
TEAMS_KEY = Identity("@team:search", "api_key", frozenset({"read"}), ("search",), "search", "k1")
ROUTE = "GET /things/{id}"


class Context:
    """The context that Lambda passes to a function."""

    aws_request_id = "lambda-1"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 12_345


class Bench:
    """An app with a given caller, and its log."""

    def __init__(self, caller: Identity | None = READER) -> None:
        self.caller = caller
        self.written = StringIO()
        self.app = App(self.identify, logger=Logger(service=f"test-{uuid4()}", stream=self.written), clock=lambda: 1.5)

    def identify(self, _headers: Mapping[str, str]) -> Identity:
        if self.caller is None:
            raise Unauthenticated("Send a credential.")
        return self.caller

    def serve(self, handler: Callable[[Request, Identity], Response], **guards: Any) -> None:
        self.app.route(ROUTE, **{"scope": "read", **guards})(handler)

    def call(self, route: str = ROUTE, **event: Any) -> dict[str, Any]:
        return self.app.handle({"routeKey": route, **event}, Context())

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]


def fine(_request: Request, _caller: Identity) -> Response:
    return json_response({"fine": True}, span_count=3)


def failing(error: Exception) -> Callable[[Request, Identity], Response]:
    def fail(_request: Request, _caller: Identity) -> Response:
        raise error

    return fail


def failure(response: dict[str, Any]) -> tuple[int, str]:
    content = json.loads(response["body"])
    assert content["success"] is False
    return response["statusCode"], content["error"]["code"]


def test_a_handler_serves_a_caller_with_the_scope() -> None:
    bench = Bench()
    bench.serve(fine)
    assert json.loads(bench.call()["body"]) == {"success": True, "fine": True}


SHARE = Share("s", "ada", "t", "g", payloads=False, created_ms=0, expires_at_s=1)
GUEST = Identity("@share:s", "share", frozenset(), share=SHARE)
TRACE_ROUTE = "GET /traces/{trace_id}"


def opened(caller: Identity, needs_payloads: bool, **event: Any) -> dict[str, Any]:
    """The response of a route that shares open, which returns the trace id of its path."""
    app = App(lambda _: caller, shared_routes={TRACE_ROUTE: needs_payloads})

    @app.route(TRACE_ROUTE, scope="read")
    def show(request: Request, _caller: Identity) -> Response:
        return json_response({"trace_id": request.path["trace_id"]})

    headers = {"authorization": "Bearer tss_x"}
    return app.handle({"routeKey": TRACE_ROUTE, "headers": headers, **event}, Context())


@pytest.mark.parametrize("scope", ["read", ANY])
def test_a_share_opens_no_route_that_is_not_listed(scope: str) -> None:
    bench = Bench(GUEST)
    bench.serve(failing(AssertionError("reached")), scope=scope)
    assert failure(bench.call()) == (403, "not_shared")


@pytest.mark.parametrize("sent", ["t", "-"])
def test_a_share_opens_a_listed_route_for_its_trace(sent: str) -> None:
    response = opened(GUEST, needs_payloads=False, pathParameters={"trace_id": sent})
    assert json.loads(response["body"])["trace_id"] == "t"
    assert response["headers"]["referrer-policy"] == "no-referrer"


def test_a_share_opens_no_other_trace() -> None:
    assert failure(opened(GUEST, needs_payloads=False, pathParameters={"trace_id": "u"})) == (404, "not_found")


@pytest.mark.parametrize(("payloads", "status"), [(False, 403), (True, 200)])
def test_a_route_and_a_search_may_need_a_share_with_payloads(payloads: bool, status: int) -> None:
    guest = replace(GUEST, share=replace(SHARE, payloads=payloads))
    path = {"trace_id": "t"}
    assert opened(guest, needs_payloads=True, pathParameters=path)["statusCode"] == status
    searching = opened(guest, needs_payloads=False, pathParameters=path, rawQueryString="search=x")
    assert searching["statusCode"] == status


def test_neither_reader_nor_writer_is_given_to_a_share() -> None:
    request = Request("GET /x", {}, {}, "", "", is_base64=False, now_ms=0, remaining_ms=lambda: 1_000)
    for of_caller in (reader, writer):
        with pytest.raises(errors.Forbidden) as refused:
            of_caller(request, GUEST)
        assert refused.value.code == "not_shared"


def test_a_caller_without_an_identity_does_not_reach_the_handler() -> None:
    bench = Bench(caller=None)
    bench.serve(failing(AssertionError("reached")))
    response = bench.call()
    assert failure(response) == (401, "unauthenticated")
    assert response["headers"]["www-authenticate"] == "Bearer"


def test_only_headers_are_read_before_the_caller_is_identified() -> None:
    bench = Bench(caller=None)
    bench.serve(fine)
    assert failure(bench.call(pathParameters=7, rawQueryString=7, body=7)) == (401, "unauthenticated")


def test_a_missing_scope_is_named() -> None:
    bench = Bench()
    bench.serve(fine, scope="delete")
    response = bench.call()
    assert failure(response) == (403, "missing_scope")
    assert "delete" in response["body"]


def test_a_route_may_accept_any_scope() -> None:
    bench = Bench(Identity("ada", "api_key", frozenset()))
    bench.serve(fine, scope=ANY)
    assert bench.call()["statusCode"] == 200


def test_an_api_key_is_refused_by_a_route_that_needs_a_jwt() -> None:
    bench = Bench()
    bench.serve(fine, scope=ANY, credential="jwt")
    assert failure(bench.call()) == (403, "jwt_required")


def test_a_jwt_is_accepted_by_a_route_that_needs_one() -> None:
    bench = Bench(USER)
    bench.serve(fine, scope=ANY, credential="jwt")
    assert bench.call()["statusCode"] == 200


@pytest.mark.parametrize("event", [{}, {"routeKey": "GET /other"}, {"routeKey": None}, {"routeKey": "$default"}])
def test_a_route_without_a_handler_is_not_found(event: dict[str, Any]) -> None:
    assert failure(Bench().app.handle(event, Context())) == (404, "route_not_found")


def test_a_public_route_needs_no_credential() -> None:
    bench = Bench(caller=None)
    bench.app.public("GET /healthz")(lambda _request: json_response({}))
    assert bench.call("GET /healthz")["statusCode"] == 200


def test_a_route_is_public_only_if_it_is_in_the_list() -> None:
    with pytest.raises(ValueError, match="PUBLIC_ROUTES"):
        Bench().app.public(ROUTE)


@pytest.mark.parametrize("route", PUBLIC_ROUTES)
def test_a_public_route_cannot_be_registered_with_a_scope(route: str) -> None:
    with pytest.raises(ValueError, match="PUBLIC_ROUTES"):
        Bench().app.route(route, scope=ANY)


def test_a_route_without_a_scope_cannot_be_registered() -> None:
    with pytest.raises(TypeError):
        Bench().app.route(ROUTE)  # type: ignore[call-arg]


def test_an_unknown_scope_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="scopes"):
        Bench().app.route(ROUTE, scope="write")


def test_a_route_has_one_handler() -> None:
    bench = Bench()
    bench.serve(fine)
    with pytest.raises(ValueError, match="already"):
        bench.serve(fine)


@pytest.mark.parametrize("error_class", [error_class for error_class in STATUSES if error_class is not TracestoreError])
def test_every_error_class_has_its_status(error_class: type[TracestoreError]) -> None:
    bench = Bench()
    bench.serve(failing(error_class("Sorry.")))
    assert failure(bench.call()) == (STATUSES[error_class], error_class.code)


def test_every_error_class_is_listed() -> None:
    classes = {
        error_class
        for error_class in vars(errors).values()
        if isinstance(error_class, type) and issubclass(error_class, TracestoreError)
    }
    assert classes == set(STATUSES)
    assert {error_class.code for error_class in classes} <= set(CODES)


def test_an_error_names_each_field_with_its_name_cut() -> None:
    bench = Bench()
    bench.serve(failing(Invalid("Two fields are wrong.", details=(Detail("f" * 100, "is unknown"),))))
    assert json.loads(bench.call()["body"]) == {
        "success": False,
        "error": {
            "code": "invalid_request",
            "message": "Two fields are wrong.",
            "details": [{"field": "f" * 64, "message": "is unknown"}],
        },
    }


def test_an_error_has_at_most_a_hundred_details() -> None:
    bench = Bench()
    bench.serve(failing(Invalid("All wrong.", details=(Detail("f", "is unknown"),) * 1_000)))
    assert len(json.loads(bench.call()["body"])["error"]["details"]) == 100


def test_an_unavailable_store_has_retry_after() -> None:
    bench = Bench()
    bench.serve(failing(Unavailable("Busy.", retry_after_s=7)))
    assert bench.call()["headers"]["retry-after"] == "7"


def test_an_unexpected_failure_reveals_nothing_to_the_caller() -> None:
    bench = Bench()
    bench.serve(failing(KeyError("a prompt")))
    response = bench.call()
    assert failure(response) == (500, "internal_error")
    assert "prompt" not in response["body"]


def test_an_unexpected_failure_is_logged_once_with_its_cause() -> None:
    bench = Bench()
    bench.serve(failing(KeyError("surprise")))
    bench.call()
    assert [line["exception_name"] for line in bench.lines if "exception" in line] == ["KeyError"]


def test_a_route_may_have_its_own_error_format() -> None:
    bench = Bench(caller=None)
    bench.serve(fine, errors=lambda error, headers: Response(418, f"{error.code} {headers['accept']}".encode()))
    response = bench.call(headers={"Accept": "tea"})
    assert (response["statusCode"], response["body"]) == (418, "unauthenticated tea")


def test_one_line_is_logged_per_request() -> None:
    bench = Bench()
    bench.serve(fine)
    bench.call()
    (line,) = bench.lines
    assert line.pop("duration_ms") >= 0
    assert {name: line[name] for name in ("route", "status", "user", "span_count")} == {
        "route": ROUTE,
        "status": 200,
        "user": "ada",
        "span_count": 3,
    }


def test_the_line_has_the_number_of_rejected_spans_where_there_are_any() -> None:
    bench = Bench()
    bench.serve(lambda *_: replace(json_response({}, span_count=2), rejected_count=1))
    bench.call()
    (line,) = bench.lines
    assert (line["span_count"], line["rejected_count"]) == (2, 1)


@pytest.mark.parametrize(
    ("caller", "headers", "logged"),
    [
        (USER, {}, ("ada", None, "ada")),
        (MEMBER, {}, ("ada", None, "ada")),
        (MEMBER, {"X-Tracestore-Owner": "search"}, ("ada", None, "@team:search")),
        (MEMBER, {"x-tracestore-owner": "ads"}, ("ada", None, None)),
        (TEAMS_KEY, {}, ("@team:search", "k1", "@team:search")),
    ],
)
def test_the_log_line_names_the_caller_and_the_owner(
    caller: Identity, headers: dict[str, str], logged: tuple[str | None, ...]
) -> None:
    bench = Bench(caller)
    bench.serve(fine)
    bench.call(headers=headers)
    (line,) = bench.lines
    assert (line["user"], line.get("key_id"), line.get("owner")) == logged


def test_a_handler_receives_the_owner_that_the_header_names() -> None:
    bench = Bench(MEMBER)
    bench.serve(lambda _, caller: json_response({"owner": caller.owner_id}))
    assert json.loads(bench.call(headers={"x-tracestore-owner": "search"})["body"])["owner"] == "@team:search"


def test_a_caller_that_may_not_act_for_the_owner_does_not_reach_the_handler() -> None:
    bench = Bench(MEMBER)
    bench.serve(failing(AssertionError("reached")))
    response = bench.call(headers={"x-tracestore-owner": "secret plans"})
    assert failure(response) == (403, "forbidden_owner")
    assert "secret" not in response["body"] + bench.written.getvalue()


def test_the_log_line_can_be_joined_to_the_access_log_and_to_lambdas_own_lines() -> None:
    bench = Bench()
    bench.serve(fine)
    bench.call(requestContext={"requestId": "gateway-1"})
    (line,) = bench.lines
    assert (line["request_id"], line["lambda_request_id"]) == ("gateway-1", "lambda-1")


def test_an_unexpected_failure_is_logged_with_the_request_ids() -> None:
    bench = Bench()
    bench.serve(failing(KeyError("surprise")))
    bench.call(requestContext={"requestId": "gateway-1"})
    (failed,) = (line for line in bench.lines if "exception" in line)
    assert (failed["request_id"], failed["lambda_request_id"]) == ("gateway-1", "lambda-1")


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": {}}])
def test_an_event_without_a_request_id_is_served(event: dict[str, Any]) -> None:
    bench = Bench()
    bench.serve(fine)
    assert bench.call(**event)["statusCode"] == 200
    assert "request_id" not in bench.lines[0]


def test_the_log_contains_no_text_of_the_caller() -> None:
    bench = Bench()
    bench.serve(failing(Invalid("No.")))
    bench.call(
        pathParameters={"id": "sesame"},
        rawQueryString="search=sesame",
        rawPath="/things/sesame",
        body="sesame",
        headers={"authorization": "sesame", "user-agent": "sesame"},
    )
    assert "sesame" not in bench.written.getvalue()


def test_a_handler_receives_the_time_and_the_remaining_time() -> None:
    bench = Bench()
    bench.serve(lambda request, _caller: json_response({"now": request.now_ms, "left": request.remaining_ms()}))
    assert json.loads(bench.call()["body"]) == {"success": True, "now": 1500, "left": 12_345}
