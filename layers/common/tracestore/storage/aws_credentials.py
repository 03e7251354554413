"""AWS credentials of the process: those of Lambda's environment, or those that its container endpoint returns.

Other sources (profiles, single sign-on, instance metadata) are boto3's: see `dynamo.client`.
"""

import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final, TypeAlias

from tracestore.domain.errors import Unavailable

REFRESH_BEFORE_S: Final = 300
"""Credentials are renewed this long before they expire."""

_TIMEOUT_S: Final = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets that sign a request. `session_token` belongs to temporary credentials."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


CredentialSource: TypeAlias = Callable[[], Credentials]
"""A function that returns the credentials of the next request. It is called for each one, so it must be cheap."""

Fetch: TypeAlias = Callable[[], tuple[Credentials, float]]
"""A function that requests new credentials and returns them with their expiry, in seconds. *raises*: Unavailable."""


def credential_source(environment: Mapping[str, str]) -> CredentialSource | None:
    """The source of the credentials that these environment variables name. *absent*: they name none.

    *source*: AWS SDKs and Tools Reference Guide, "Container credential provider"; SnapStart functions use it.
    """
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        return lambda: Credentials(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            environment.get("AWS_SESSION_TOKEN") or None,
        )
    address = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    return RenewedCredentials(ContainerEndpoint(address, environment)) if address else None


class RenewedCredentials:
    """Temporary credentials, kept until shortly before they expire. Safe for many threads."""

    def __init__(self, fetch: Fetch, now_s: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._now_s = now_s
        self._lock = Lock()
        self._current: Credentials | None = None
        self._expires_at_s = 0.0

    def __call__(self) -> Credentials:
        """The current credentials. *raises*: Unavailable where no new ones can be had and those at hand have expired.

        Threads that need new ones at the same time wait for one request.
        """
        with self._lock:
            if self._current is None or self._now_s() > self._expires_at_s - REFRESH_BEFORE_S:
                try:
                    self._current, self._expires_at_s = self._fetch()
                except Unavailable:
                    if self._current is None or self._now_s() > self._expires_at_s:
                        raise
            return self._current


class ContainerEndpoint:
    """The local endpoint from which a process in a container gets its credentials."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        self._address = urllib.parse.urlsplit(address)
        self._environment = environment

    def __call__(self) -> tuple[Credentials, float]:
        """New credentials and their expiry. *raises*: Unavailable."""
        try:
            return self._fetch()
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable("The credentials of the function are not available now.") from error

    def _fetch(self) -> tuple[Credentials, float]:
        from http.client import HTTPConnection, HTTPException  # slow to import, and most functions have no endpoint

        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=_TIMEOUT_S)
        try:
            path = urllib.parse.urlunsplit(("", "", self._address.path or "/", self._address.query, ""))
            connection.request("GET", path, headers=self._authorization())
            response = connection.getresponse()
            body = response.read()
        except HTTPException as error:
            raise OSError("the credential endpoint does not answer in HTTP") from error
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"the credential endpoint answered {response.status}")
        answer = json.loads(body)
        expires_at_s = datetime.fromisoformat(answer["Expiration"]).timestamp()
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer.get("Token")), expires_at_s

    def _authorization(self) -> dict[str, str]:
        """The token, read anew for each request: the file's content is replaced from time to time."""
        if path := self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            with open(path, encoding="utf-8") as file:
                return {"Authorization": file.read().strip()}
        token = self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        return {"Authorization": token} if token else {}
