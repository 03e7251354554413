"""STS and DynamoDB of a deployment with strict isolation, which decide about each request by the credentials it has.

It stands before an engine, which would accept every request.
"""

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs

from dev.functions import Functions
from dev.template import Template
from tests.deployed_template import DeployedTemplate
from tests.dynamodb_server import Received, Scripted, failing, serving
from tests.iam import Access, accesses_of, is_allowed
from tests.permissions import TABLE
from tracestore.http import wiring

STRICT = DeployedTemplate(StrictIsolation="true")


@dataclass(frozen=True)
class Session:
    """A session of a role: a request needs the permission of the role and of the session's own policy."""

    access_key: str
    role: str
    policy: str

    def allows(self, access: Access) -> bool:
        """Whether the session may make this access."""
        own = json.loads(self.policy)["Statement"]
        return all(is_allowed(statements, access) for statements in (STRICT.statements_of(self.role), own))


@dataclass(frozen=True)
class Made:
    """An access that a function made. *absent*: no session where it had the function's own credentials."""

    function: str
    access: Access
    session: Session | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the credentials allow it."""
        return self.session.allows(self.access) if self.session else may_itself(self.function, self.access)


def may_itself(function: str, access: Access) -> bool:
    """Whether a function may make this access without a session."""
    return is_allowed(STRICT.statements_of(STRICT.role_of(function)), access)


def may_assume(function: str, role: str) -> bool:
    """Whether the role trusts the role of a function."""
    trusts = STRICT.of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]
    return any(f"{STRICT.role_of(function)}.Arn" in trust["Principal"].get("AWS", ()) for trust in trusts)


@dataclass
class Front:
    """The servers of AWS. `made` are the accesses that the acting `function` made; one that is not allowed fails."""

    engine: str
    function: str = ""
    made: list[Made] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)

    def __call__(self, received: Received) -> Scripted:
        """The response to a request to either service."""
        access_key, _, _, service = received.headers["authorization"].split("Credential=")[1].split("/")[:4]
        if service == "sts":
            return self._assume_role({name: value for name, (value,) in parse_qs(received.body.decode()).items()})
        if not self.function:  # the test itself
            return self._forward(received)
        operation = received.headers["x-amz-target"].rpartition(".")[2]
        session = self.sessions.get(access_key)
        made = [Made(self.function, access, session) for access in accesses_of(operation, received.json, TABLE)]
        self.made += made
        return self._forward(received) if all(each.is_allowed for each in made) else failing("AccessDeniedException")

    def _assume_role(self, request: dict[str, str]) -> Scripted:
        role = request["RoleArn"].removesuffix(".Arn")
        if not may_assume(self.function, role):
            return Scripted(_ERROR.encode(), 403)
        access_key = f"ASIA{len(self.sessions)}"
        self.sessions[access_key] = Session(access_key, role, request["Policy"])
        expires = datetime.now(UTC) + timedelta(hours=1)
        return Scripted(_RESPONSE.format(access_key, expires.strftime("%Y-%m-%dT%H:%M:%SZ")).encode())

    def _forward(self, received: Received) -> Scripted:
        names = ("authorization", "content-type", "x-amz-target", "x-amz-date")
        headers = {name: received.headers[name] for name in names}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.engine, received.body, headers)) as answer:
                return Scripted(answer.read())
        except HTTPError as error:
            return Scripted(error.read(), error.code)


_RESPONSE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>{0}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token of {0}</SessionToken>
<Expiration>{1}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""

_ERROR = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>"""


class StrictFunctions(Functions):
    """The functions, each with its own environment: they share a process, and some have no role to assume."""

    def __init__(self, template: Template, front: Front) -> None:
        super().__init__(template)
        self._front = front
        self._configured_for = ""

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call the function. *raises*: as `Functions.invoke`."""
        if name != self._configured_for:
            variables = STRICT.of_type("AWS::Lambda::Function")[name]["Environment"]["Variables"]
            os.environ["USER_ROLE_ARN"] = variables["USER_ROLE_ARN"]
            wiring.reset()
            self._configured_for = name
        self._front.function = name
        try:
            return super().invoke(name, event)
        finally:
            self._front.function = ""


@contextmanager
def strictly_isolated(engine: str) -> Iterator[Front]:
    """AWS before an engine. The environment of the handlers refers to it until the end of the block."""
    front = Front(engine)
    changed = ("DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_STS", "USER_ROLE_ARN")
    before = {name: os.environ.get(name, "") for name in changed}
    with serving(front) as address:
        os.environ.update({"DYNAMODB_ENDPOINT": address, "AWS_ENDPOINT_URL_STS": address})
        wiring.reset()
        try:
            yield front
        finally:
            os.environ.update(before)
            wiring.reset()
