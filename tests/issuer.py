"""An identity provider for tests: real keys, real signatures, and an HTTP server that publishes the keys."""

import base64
import hmac
import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, Any] = {
    "RS256": RSA_KEY,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
_JWK_OF: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


class Issuer:
    """An identity provider: publishes `keys` and counts its requests in `hits`."""

    def __init__(self) -> None:
        self.keys = [public_jwk(algorithm, kid=algorithm) for algorithm in KEYS]
        self.hits = 0
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _handler(issuer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.hits += 1
                self.send_response(issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(issuer.body or json.dumps({"keys": issuer.keys}).encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def public_jwk(algorithm: str, **members: Any) -> dict[str, Any]:
    key = KEYS[algorithm].public_key()
    return {**json.loads(_JWK_OF[algorithm].to_jwk(key)), **members}


def token(
    issuer: Issuer | None,
    algorithm: str = "RS256",
    key: Any = None,
    headers: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A valid token except for `changes`. A claim with the value None is omitted."""
    now = int(time.time())
    claims = {"sub": "ada", "iss": issuer and issuer.url, "aud": "app", "iat": now, "exp": now + 600, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {name: value for name, value in {"kid": algorithm, **(headers or {})}.items() if value is not None}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key or KEYS[algorithm], algorithm, header)


def forged(header: dict[str, Any], claims: dict[str, Any], sign: bytes | None = None) -> str:
    """A token assembled by hand, with an HMAC signature or with an invalid one."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signed = b".".join(parts)
    signature = hmac.digest(sign, signed, "sha256") if sign else b"nothing"
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
