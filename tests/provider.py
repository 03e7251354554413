"""An OpenID Connect provider for tests: the code flow with PKCE, its checks, and tokens with real signatures.

Its user signs in at once. The endpoint for tokens is on another origin than the issuer, as with many providers.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.issuer import KEYS, public_jwk, token

CLIENT_ID: Final = "page-client"
AUDIENCE: Final = "app"


class Refused(Exception):
    """The request violates the protocol. The message states the rule."""


class Provider:
    """A provider. Attributes change its behaviour; `problems` are the violations that it has noticed.

    `signs_access_tokens` is false for a provider whose access tokens are opaque. `lifetime_s` is that of tokens.
    `returned` replaces parameters of the address to which it leads back, and `claims` those of its id tokens.
    """

    def __init__(self) -> None:
        self.user = f"user-{secrets.token_hex(4)}"
        self.signs_access_tokens = True
        self.gives_refresh_tokens = False
        self.lifetime_s = 600
        self.returned: dict[str, str] = {}
        self.claims: dict[str, Any] = {}
        self.problems: list[str] = []
        self.grants: list[str] = []
        self.authorized: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: set[str] = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.token_origin = f"http://localhost:{self.server.server_port}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.token_origin}/token",
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    @property
    def keys(self) -> list[dict[str, Any]]:
        return [public_jwk(algorithm, kid=algorithm) for algorithm in KEYS]

    def authorize(self, sent: dict[str, str]) -> str:
        """The address to which the browser is led back. *raises*: Refused."""
        expected = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        for name, value in expected.items():
            if sent.get(name) != value:
                raise Refused(f"{name} must be {value}")
        if len(sent.get("code_challenge", "")) != 43:
            raise Refused("code_challenge must be a SHA-256")
        if "openid" not in sent.get("scope", "").split():
            raise Refused("scope must contain openid")
        for name in ("state", "nonce"):
            if len(sent.get(name, "")) < 16:
                raise Refused(f"{name} is missing or short")
        if urlsplit(sent["redirect_uri"]).path != "/traces/callback":
            raise Refused("redirect_uri is not registered")
        self.authorized.append(sent)
        code = secrets.token_urlsafe(16)
        self._codes[code] = sent
        back = {"code": code, "state": sent["state"], **self.returned}
        return f"{sent['redirect_uri']}?{urlencode(back)}"

    def exchange(self, sent: dict[str, str]) -> dict[str, Any]:
        """The tokens for a code or a refresh token, which can be used once. *raises*: Refused."""
        if sent.get("client_id") != CLIENT_ID or "client_secret" in sent:
            raise Refused("the client must be public")
        self.grants.append(sent.get("grant_type", ""))
        if sent.get("grant_type") == "refresh_token":
            if sent.get("refresh_token") not in self._refresh_tokens:
                raise Refused("the refresh token is unknown")
            self._refresh_tokens.remove(sent["refresh_token"])
            return self._tokens({})
        asked = self._codes.pop(sent.get("code", ""), None)
        if asked is None or sent.get("redirect_uri") != asked["redirect_uri"]:
            raise Refused("the code is unknown")
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            raise Refused("code_verifier does not match code_challenge")
        return self._tokens({"nonce": asked["nonce"]})

    def _tokens(self, claims: dict[str, Any]) -> dict[str, Any]:
        common: dict[str, Any] = {"iss": self.url, "sub": self.user, "exp": int(time.time()) + self.lifetime_s}
        access = token(None, **common, aud=AUDIENCE) if self.signs_access_tokens else secrets.token_urlsafe(24)
        tokens: dict[str, Any] = {
            "access_token": access,
            "id_token": token(None, **{**common, **claims, **self.claims}, aud=CLIENT_ID),
            "token_type": "Bearer",
            "expires_in": self.lifetime_s,
        }
        if self.gives_refresh_tokens:
            tokens["refresh_token"] = secrets.token_urlsafe(24)
            self._refresh_tokens.add(tokens["refresh_token"])
        return tokens


def _handler_of(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            sent = {name: values[0] for name, values in parse_qs(address.query).items()}
            match address.path:
                case "/.well-known/openid-configuration":
                    self._json(200, provider.metadata)
                case "/.well-known/jwks.json":
                    self._json(200, {"keys": provider.keys})
                case "/authorize":
                    try:
                        self.send_response(302)
                        self.send_header("location", provider.authorize(sent))
                        self.end_headers()
                    except Refused as reason:
                        provider.problems.append(str(reason))
                        self._json(400, {"error": "invalid_request"})
                case _:
                    self._json(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            try:
                self._json(200, provider.exchange({name: values[0] for name, values in parse_qs(body).items()}))
            except Refused as reason:
                provider.problems.append(str(reason))
                self._json(400, {"error": "invalid_grant", "error_description": str(reason)})

        def _json(self, status: int, content: Any) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("access-control-allow-origin", self.headers.get("origin") or "*")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def running() -> Iterator[Provider]:
    """A provider that serves requests until the end of the block."""
    provider = Provider()
    thread = threading.Thread(target=provider.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()
