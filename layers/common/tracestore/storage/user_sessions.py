"""Credentials that reach the partitions of one user alone: sessions of a role, one for each user.

A deployment with strict isolation reads and writes a user's data with them, so that DynamoDB itself refuses a request
for the data of another user. `UserTable` refuses it before, in every deployment.
"""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Final
from urllib.parse import urlencode

from . import keys
from .aws_credentials import Credentials, CredentialSource, RenewedCredentials, credential_source
from .connections import Answer, Connections
from .dynamo import RequestFailed, translated
from .signed_posts import SignedPosts

SESSIONS_KEPT: Final = 100
"""Users whose credentials a process keeps. The next request of any other user assumes the role first."""


def session_policy(user_pk: str) -> str:
    """The policy of a session: keys of this user, in the table and in the indexes.

    The actions and the table are limited by the role, because a session has the permissions that both allow. No user's
    key contains `*`, `?` or `$`, which policies would interpret. Requests without a key, such as Scan, would meet the
    condition: the role allows none.
    *source*: Amazon DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control".
    """
    statement = {
        "Effect": "Allow",
        "Action": "dynamodb:*",
        "Resource": "*",
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [user_pk, f"{user_pk}#*"]}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


class UserSessions:
    """The sessions of the users that this process served last. Safe for many threads.

    `assume` requests a session for the key of a user.
    """

    def __init__(
        self, assume: Callable[[str], tuple[Credentials, float]], now_s: Callable[[], float] = time.time
    ) -> None:
        self._assume = assume
        self._now_s = now_s
        self._lock = Lock()
        self._sessions: OrderedDict[str, RenewedCredentials] = OrderedDict()

    def credentials_of(self, user_id: str) -> CredentialSource:
        """The source of the credentials for one user's requests. *raises*: when it is called, as `assume`."""
        user_pk = keys.user(user_id)
        with self._lock:
            session = self._sessions.get(user_pk)
            if session is None:
                session = RenewedCredentials(partial(self._assume, user_pk), self._now_s)
                self._sessions[user_pk] = session
            self._sessions.move_to_end(user_pk)
            while len(self._sessions) > SESSIONS_KEPT:
                self._sessions.popitem(last=False)
        return session


def user_sessions(role_arn: str, environment: Mapping[str, str]) -> UserSessions:
    """Sessions of a role, which the process assumes with the credentials and in the region of its environment.

    *raises*: ValueError where the environment does not name them.
    """
    region, credentials = environment.get("AWS_REGION", ""), credential_source(environment)
    if not region or credentials is None:
        raise ValueError("USER_ROLE_ARN needs AWS_REGION and credentials in the environment, as Lambda sets them.")
    suffix = ".cn" if region.startswith("cn-") else ""
    address = environment.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.amazonaws.com{suffix}"
    connections = Connections(address, trusted=environment.get("AWS_CA_BUNDLE") or None)
    posts = SignedPosts(connections, region, "sts", _failure)
    return UserSessions(partial(_assume_role, posts, credentials, role_arn))


def _assume_role(
    posts: SignedPosts, credentials: CredentialSource, role_arn: str, user_pk: str
) -> tuple[Credentials, float]:
    """A new session of the role for one user, and when it expires: after an hour, the most for a role's own session.

    The name of the session, which AWS logs, contains a hash in place of the user. *raises*: Unavailable.
    *source*: AWS Security Token Service API Reference, "AssumeRole".
    """
    request = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": role_arn,
        "RoleSessionName": f"user-{hashlib.sha256(user_pk.encode()).hexdigest()[:32]}",
        "Policy": session_policy(user_pk),
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    with translated():
        answer = posts.send(headers, urlencode(request).encode(), credentials)
    values = _texts(answer)
    session = Credentials(values["AccessKeyId"], values["SecretAccessKey"], values["SessionToken"])
    return session, datetime.fromisoformat(values["Expiration"]).timestamp()


def _failure(answer: Answer) -> RequestFailed:
    """The error of a response; one that STS did not write has its status as the code."""
    from xml.etree.ElementTree import ParseError

    try:
        values = _texts(answer.body)
    except ParseError:
        values = {}
    return RequestFailed(values.get("Code", str(answer.status)), values.get("Message", ""), status=answer.status)


def _texts(document: bytes) -> dict[str, str]:
    """The texts of an XML document by the names of their elements, which are different in all responses read here."""
    from xml.etree import ElementTree  # only where sessions are assumed, and only of responses of AWS

    root = ElementTree.fromstring(document)
    return {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
