"""The user of the local server: its token and API keys, and the lines with which an exporter sends as this user."""

from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from tracestore_cli import tokens

DEMO_USER: Final = "demo"


class NoKey(Exception):
    """The server created no API key. The message is the server's, with the remedy."""


def token_of(user: str, environment: Mapping[str, str]) -> str:
    """A JWT that functions with this environment accept."""
    return tokens.token(
        user,
        environment["JWT_SECRET"],
        issuer=environment["JWT_ISSUER"],
        audience=environment["JWT_AUDIENCE"].partition(",")[0].strip(),
        owner_claim=environment["JWT_OWNER_CLAIM"],
        teams_claim=environment["JWT_TEAMS_CLAIM"],
    )


def replace_key(api: httpx.Client, name: str, scopes: Sequence[str]) -> str:
    """Create an API key with this name for the user of `api`, and return its secret.

    A secret cannot be read again, so each start of a command needs a new key. The former keys with the same name are
    revoked first, since a user has at most 100.
    *repeat*: another secret; the previous one is refused. *raises*: NoKey when the key is refused.
    """
    listed = api.get("/api/keys").raise_for_status().json()["keys"]
    for key in listed:
        if key["name"] == name:
            api.delete(f"/api/keys/{key['key_id']}").raise_for_status()
    response = api.post("/api/keys", json={"name": name, "scopes": list(scopes)})
    if response.is_client_error:
        raise NoKey(response.json()["error"]["message"])
    secret: str = response.raise_for_status().json()["data"]["secret"]
    return secret


def exporter_variables(base: str, key: str) -> list[str]:
    """Lines for a shell: the variables with which any OpenTelemetry exporter sends to `base`.

    Without the protocol, `opentelemetry-instrument` chooses gRPC, which the store does not accept.
    *source*: OpenTelemetry specification, OpenTelemetry Protocol Exporter, "Configuration Options". A key consists of
    characters that need no percent-encoding there.
    """
    return [
        f"export OTEL_EXPORTER_OTLP_ENDPOINT={base}",
        "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
        f"export OTEL_EXPORTER_OTLP_HEADERS=x-api-key={key}",
    ]
