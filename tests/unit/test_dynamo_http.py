"""Our DynamoDB client meets each failure of a network and a server, and signs requests as botocore does."""

import json
import random
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from tests.dynamodb_server import Received, Scripted, failing, serving
from tracestore.domain.errors import Unavailable
from tracestore.storage import connections, dynamo_http
from tracestore.storage.aws_credentials import (
    ContainerEndpoint,
    Credentials,
    RenewedCredentials,
    credential_source,
)
from tracestore.storage.connections import Connections
from tracestore.storage.dynamo import RequestFailed, Unreachable
from tracestore.storage.dynamo_http import HttpSender, dynamodb_posts
from tracestore.storage.signed_posts import RetryBudget
from tracestore.storage.signing import signed_headers

CREDENTIALS = Credentials("AKID", "secret", "token")


class Server:
    """A DynamoDB with a list of responses; the last one is repeated. It records what arrives."""

    def __init__(self, *responses: Scripted) -> None:
        self._responses = list(responses)
        self.received: list[Received] = []

    def __call__(self, received: Received) -> Scripted:
        """The next response."""
        self.received.append(received)
        return self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]


@contextmanager
def sending(
    server: Callable[[Received], Scripted], pauses: list[float] | None = None, **options: Any
) -> Iterator[HttpSender]:
    """A client of this server, which records its pauses in place of waiting."""
    with serving(server) as address:
        kept = Connections(address)
        waiting = [] if pauses is None else pauses
        posts = dynamodb_posts(kept, "eu-west-1", sleep=waiting.append, jitter=random.Random(1), **options)
        yield HttpSender(posts, lambda: CREDENTIALS)
        kept.close()


OK = Scripted()
BUSY = failing("ThrottlingException")


@given(
    body=st.binary(max_size=200),
    operation=st.sampled_from(["PutItem", "Query"]),
    token=st.one_of(st.none(), st.text("abc/+=", min_size=1)),
)
def test_a_signature_is_that_of_botocore(body: bytes, operation: str, token: str | None) -> None:
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "host": "dynamodb.eu-west-1.amazonaws.com",
        "x-amz-target": f"DynamoDB_20120810.{operation}",
    }
    signed = signed_headers(
        headers, body, Credentials("AKID", "s+/=", token), region="eu-west-1", service="dynamodb", now_s=time.time()
    )
    request = AWSRequest("POST", f"https://{headers['host']}/", dict(headers), body)
    request.context["timestamp"] = signed["x-amz-date"]
    request.headers["X-Amz-Date"] = signed["x-amz-date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    auth = SigV4Auth(BotocoreCredentials("AKID", "s+/=", token), "dynamodb", "eu-west-1")
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert signed["authorization"].endswith(f"Signature={signature}")
    assert auth.scope(request) in signed["authorization"]


def test_bytes_travel_as_base64_in_both_directions() -> None:
    item = {
        "B": {"B": b"\x00\xff"},
        "set": {"BS": [b"a", b"b"]},
        "map": {"M": {"B": {"S": "a text under the name B"}, "inner": {"L": [{"B": b"x"}]}}},
        "n": {"N": "1"},
    }
    server = Server(Scripted(b'{"Item": %s}'))
    with sending(lambda received: Scripted(received.body)) as send:
        assert send("PutItem", {"Item": item}) == {"Item": item}
    with sending(server), pytest.raises(TypeError, match="object"):
        dynamo_http._body("PutItem", {"Item": object()})


STORED: Final = {"pk": {"S": "U#ada"}, "packed": {"B": b"\x00\xff"}}
DELETED: Final = {"DeleteRequest": {"Key": {"pk": {"S": "U#ada"}}}}


@pytest.mark.parametrize(
    "response",
    [
        {"Attributes": STORED},
        {"Items": [STORED, STORED], "Count": 2, "LastEvaluatedKey": {"pk": {"S": "B"}}},
        {"Responses": {"t": [STORED]}, "UnprocessedKeys": {"t": {"Keys": [{"pk": {"S": "B"}}]}}},
        {"UnprocessedItems": {"t": [{"PutRequest": {"Item": STORED}}, DELETED]}},
        {"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}},
    ],
    ids=["attributes", "items", "batch", "unprocessed", "none"],
)
def test_every_response_with_items_has_their_bytes(response: dict[str, Any]) -> None:
    body = json.dumps(response, default=lambda content: b64encode(content).decode()).encode()
    with sending(Server(Scripted(body))) as send:
        assert send("Query", {}) == response


@pytest.mark.parametrize(
    "failure",
    [
        BUSY,
        failing("ProvisionedThroughputExceededException"),
        failing("InternalServerError", 500),
        Scripted(b"<html>Bad gateway</html>", 502),
        Scripted(b'{"Items": []}', is_cut=True),
        Scripted(b"{}", headers={"x-amz-crc32": "1"}),
    ],
    ids=["throttled", "exceeded", "internal", "proxy", "cut", "checksum"],
)
def test_a_failure_that_may_pass_is_retried(failure: Scripted) -> None:
    server, pauses = Server(failure, failure, OK), list[float]()
    with sending(server, pauses) as send:
        assert send("PutItem", {"TableName": "t"}) == {}
    assert [received.json for received in server.received] == [{"TableName": "t"}] * 3
    assert 0 <= pauses[0] <= 0.05
    assert 0 <= pauses[1] <= 0.1


def test_a_failure_that_stays_is_raised_after_three_attempts() -> None:
    server = Server(BUSY)
    with sending(server) as send, pytest.raises(RequestFailed) as raised:
        send("PutItem", {})
    assert (raised.value.code, raised.value.status, len(server.received)) == ("ThrottlingException", 400, 3)
    server = Server(Scripted(b"{}", is_cut=True))
    with sending(server) as send, pytest.raises(Unreachable):
        send("PutItem", {})
    assert len(server.received) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        failing("ConditionalCheckFailedException"),
        failing("ValidationException"),
        failing("AccessDeniedException"),
        failing("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "ThrottlingError"}]),
    ],
    ids=["condition", "invalid", "denied", "cancelled"],
)
def test_a_refusal_is_raised_at_once(refusal: Scripted) -> None:
    server = Server(refusal)
    with sending(server) as send, pytest.raises(RequestFailed) as raised:
        send("PutItem", {})
    assert len(server.received) == 1
    assert raised.value.code in json.loads(refusal.body)["__type"]
    assert raised.value.reasons == (("None", "ThrottlingError") if b"Reasons" in refusal.body else ())


def test_retry_after_is_the_least_pause_up_to_a_second() -> None:
    pauses = list[float]()
    responses = [Scripted(b"{}", 503, {"retry-after": value}) for value in ("0.7", "60")]
    with sending(Server(*responses, OK), pauses) as send:
        send("PutItem", {})
    assert pauses == [0.7, 1.0]


def test_a_store_that_fails_all_requests_does_not_receive_three_times_as_many() -> None:
    server = Server(failing("InternalServerError", 500))
    with sending(server) as send:
        for _ in range(200):
            with pytest.raises(RequestFailed):
                send("Query", {})
    assert len(server.received) == 200 + 100


def test_successes_refill_the_budget_of_retries() -> None:
    budget = RetryBudget(tokens=4)
    assert not budget.take()
    budget.give(1)
    assert budget.take()
    budget.give(10_000)
    assert budget.tokens == 500


def test_a_transaction_has_one_token_in_all_attempts_and_another_one_next_time() -> None:
    server = Server(BUSY, OK)
    with sending(server) as send:
        send("TransactWriteItems", {"TransactItems": []})
        send("TransactWriteItems", {"TransactItems": []})
    first, repeated, second = (received.json["ClientRequestToken"] for received in server.received)
    assert first == repeated != second


def test_a_clock_that_is_wrong_is_set_by_the_servers() -> None:
    now_s = time.time()

    statuses = []

    def skewed(received: Received) -> Scripted:
        sent = time.strptime(received.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        late_s = abs(time.mktime(sent) - time.timezone - now_s)
        refusal = failing("InvalidSignatureException", headers={"date": formatdate(now_s, usegmt=True)})
        response = OK if late_s < 300 else refusal
        statuses.append(response.status)
        return response

    with sending(skewed, now_s=lambda: now_s - 3600) as send:
        send("GetItem", {})
        send("GetItem", {})
    assert statuses == [400, 200, 200]


def test_a_refused_signature_of_a_right_clock_is_raised() -> None:
    server = Server(failing("InvalidSignatureException", headers={"date": formatdate(usegmt=True)}))
    with sending(server) as send, pytest.raises(RequestFailed, match="InvalidSignature"):
        send("GetItem", {})
    assert len(server.received) == 1


def test_a_connection_is_used_again() -> None:
    server = Server(OK, Scripted(b'{"a": 1}', is_chunked=True), OK)
    with sending(server) as send:
        for _ in range(4):
            send("GetItem", {})
    assert len({received.client_port for received in server.received}) == 1


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    """A server closes the connections of a function while the function is frozen."""
    server, pauses = Server(Scripted(is_last=True), OK), list[float]()
    with sending(server, pauses) as send:
        send("GetItem", {})
        (idle,) = send.posts.connections._idle
        while not idle.is_readable():
            time.sleep(0.01)
        send("GetItem", {})
    assert len({received.client_port for received in server.received}) == 2
    assert pauses == [], "the second request needed no retry"


def test_a_server_that_says_so_closes_the_connection() -> None:
    server = Server(Scripted(headers={"connection": "close"}))
    with sending(server) as send:
        send("GetItem", {})
        send("GetItem", {})
    assert len({received.client_port for received in server.received}) == 2


def test_threads_have_connections_of_their_own_and_16_are_kept() -> None:
    together = Barrier(20)

    def wait(_: Received) -> Scripted:
        together.wait(10)
        return OK

    with sending(wait) as send, ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: send("GetItem", {}), range(20))) == [{}] * 20
        assert len(send.posts.connections._idle) == 16


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nname: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "version", "status", "no length", "bad length", "cut", "bad chunk", "headers", "long line"],
)
def test_a_response_that_is_not_http_is_an_error_of_the_connection(raw: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        connection = connections._Connection(ours)
        with pytest.raises(OSError, match="response"):
            connection.post({"host": "x"}, b"{}")
        connection.close()


def test_a_server_that_does_not_answer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_TIMEOUT_S", 0.05)

    def slow(_: Received) -> Scripted:
        time.sleep(0.3)
        return OK

    with sending(slow) as send, pytest.raises(Unreachable, match="TimeoutError"):
        send("GetItem", {})
    posts = dynamodb_posts(Connections("http://127.0.0.1:9"), "eu-west-1", sleep=lambda _: None)
    nobody = HttpSender(posts, lambda: CREDENTIALS)
    with pytest.raises(Unreachable, match="Refused"):
        nobody("GetItem", {})


@pytest.mark.parametrize("endpoint", ["nowhere", "127.0.0.1:8000", "ftp://127.0.0.1", "http://"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="must be an address"):
        Connections(endpoint)


def test_credentials_are_read_for_each_request() -> None:
    names = iter(["first", "second"])
    server = Server(OK)
    with serving(server) as address:
        kept = Connections(address)
        send = HttpSender(dynamodb_posts(kept, "eu-west-1"), lambda: Credentials(next(names), "secret"))
        send("GetItem", {})
        send("GetItem", {})
        kept.close()
    used = [received.headers["authorization"].split("=")[1].split("/")[0] for received in server.received]
    assert used == ["first", "second"]


def test_the_environment_names_the_credentials() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    source = credential_source(environment)
    assert source is not None
    assert source() == Credentials("AK", "s", "t")
    assert credential_source({"AWS_ACCESS_KEY_ID": "AK"}) is None
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/c"}
    assert isinstance(credential_source(container), RenewedCredentials)


class Endpoint:
    """A container's credential endpoint, which gives credentials for an hour, or fails while `is_broken`."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0
        self.is_broken = False
        self.received: list[Received] = []

    def __call__(self, received: Received) -> Scripted:
        """New credentials, numbered."""
        self.received.append(received)
        number = len(self.received)
        expires = datetime.fromtimestamp(self.now_s + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {"AccessKeyId": f"AK{number}", "SecretAccessKey": "s", "Token": "t", "Expiration": expires}
        return Scripted(b"no", 500) if self.is_broken else Scripted(json.dumps(given).encode())


def test_a_containers_credentials_are_renewed_before_they_expire() -> None:
    endpoint = Endpoint()
    with serving(endpoint) as address:
        environment = {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "a token"}
        credentials = RenewedCredentials(ContainerEndpoint(f"{address}/v2?x=1", environment), lambda: endpoint.now_s)
        assert [credentials().access_key_id for _ in range(3)] == ["AK1"] * 3
        endpoint.now_s += 3600 - 301
        assert credentials() == Credentials("AK1", "s", "t")
        endpoint.now_s += 2
        assert credentials().access_key_id == "AK2"
        endpoint.is_broken = True
        endpoint.now_s += 3400
        assert credentials().access_key_id == "AK2", "still valid"
        endpoint.now_s += 300
        with pytest.raises(Unavailable):
            credentials()
    assert endpoint.received[0].headers["authorization"] == "a token"


def test_a_containers_token_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    endpoint, file = Endpoint(), tmp_path / "token"
    with serving(endpoint) as address:
        environment = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)}
        credentials = RenewedCredentials(ContainerEndpoint(address, environment), lambda: endpoint.now_s)
        for text in ("first\n", "second"):
            file.write_text(text)
            credentials()
            endpoint.now_s += 3600
    assert [received.headers["authorization"] for received in endpoint.received] == ["first", "second"]
