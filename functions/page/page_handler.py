"""Routes for the page on which people read traces: its document, its files and its configuration. All are public.

The files in `static/` are generated: `dev/page_files.py` builds them from `web/`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from tracestore.domain.errors import NotFound
from tracestore.http.app import App
from tracestore.http.request import Request
from tracestore.http.response import Response, json_response, preferred_coding, with_etag
from tracestore.http.settings import Settings, settings

STATIC: Final = Path(__file__).parent / "static"
DOCUMENT: Final = "index.html"
ASSETS: Final = "assets/"
VERSION_FILE: Final = "version.txt"

CONTENT_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""The files that the page may load. The packed forms of a file have other suffixes: they are only sent as encodings."""

CODINGS: Final[Mapping[str, str]] = {"br": ".br", "gzip": ".gz"}
"""The packed forms of each file, the smallest first. The gateway compresses nothing."""

TEXT_VIEWS: Final = ("c",)
"""The views whose address ends with a text of any characters. A slash in it is part of the text."""

HEADERS: Final = {
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}
"""Headers of the document. The address of a trace may not leave this deployment, not even in a referrer."""

_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_NOT_BUILT: Final = "The page is not built here. Run make page, or make build before a deployment, and start again."

app = App()
handler = app.handle


@app.public("GET /")
def lead_to_page(request: Request) -> Response:
    """Lead to the page."""
    # Relative, because the API may be behind a stage or a mapping of a domain. Without a slash at the end of the path,
    # its last segment is replaced.
    last = request.raw_path.rpartition("/")[2]
    return Response(302, b"", {"location": f"{quote(last)}/traces" if last else "traces"})


@app.public("GET /traces/config.json")
def show_configuration(request: Request) -> Response:
    """Get what the page has to know before anybody has signed in. It contains no credential."""
    request.only()
    configured = settings()
    oidc = None
    if configured.oidc_client_id is not None:
        oidc = {
            "issuer": configured.jwt_issuer,
            "client_id": configured.oidc_client_id,
            "scope": configured.oidc_scope,
            "token": configured.oidc_token,
        }
    content = {"oidc": oidc, "version": _version(), "retention_days": configured.retention_days}
    return with_etag(request, json_response(content))


@app.public("GET /traces")
def show_page(request: Request) -> Response:
    """Get the page."""
    return _document(request, "" if request.raw_path.endswith("/") else "traces/")


@app.public("GET /traces/{path+}")
def show_view_or_file(request: Request) -> Response:
    """Get a view of the page, which is the same document for all of them, or one of its files."""
    path = request.path["path"]
    if path.startswith(ASSETS):
        return _file(request, path.removeprefix(ASSETS))
    view, slash, rest = path.partition("/")
    if "/" in rest and view not in TEXT_VIEWS:
        raise NotFound("There is no such view. The page is at /traces.", code="not_found")
    return _document(request, "../" if slash else "")


def _document(request: Request, to_files: str) -> Response:
    """The document, with the addresses of its files relative to the requested path, which alone the browser knows."""
    path = STATIC / DOCUMENT
    if not path.is_file():
        raise NotFound(_NOT_BUILT, code="not_found")
    body = path.read_bytes().replace(b'"./assets/', f'"{to_files}assets/'.encode())
    policy = _policy(settings())
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": policy, **HEADERS}
    # The policy is part of the tag: browsers keep the policy of the stored document when they receive a 304.
    tag = hashlib.blake2b(policy.encode() + body, digest_size=12).digest()
    response = with_etag(request, Response(200, body, headers), tag)
    return replace(response, headers={**response.headers, "cache-control": "no-cache"})


def _file(request: Request, name: str) -> Response:
    """A file of the page, in the form that the browser prefers. Its name changes with its content."""
    request.only()
    path = STATIC / ASSETS / name
    content_type = CONTENT_TYPES.get(path.suffix)
    if content_type is None or _FILE.fullmatch(name) is None or not path.is_file():
        raise NotFound("There is no such file. Load the page again.", code="not_found")
    headers = {
        "content-type": content_type,
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
    }
    packed = {coding: path.with_name(name + suffix) for coding, suffix in CODINGS.items()}
    available = [coding for coding, form in packed.items() if form.is_file()]
    coding = preferred_coding(request.headers.get("accept-encoding", ""), available) if available else None
    if coding is None:
        return Response(200, path.read_bytes(), headers, is_packed=True)
    return Response(200, packed[coding].read_bytes(), {**headers, "content-encoding": coding}, is_packed=True)


def _policy(configured: Settings) -> str:
    """The content security policy: scripts, styles and requests of this host, and no text that becomes code.

    Requests may also go to the identity provider, if people sign in there.
    """
    connect = ["'self'"]
    if configured.oidc_client_id is not None and configured.jwt_issuer is not None:
        issuer = urlsplit(configured.jwt_issuer)
        connect += dict.fromkeys([f"{issuer.scheme}://{issuer.netloc}", *configured.oidc_connect_origins])
    return "; ".join(
        [
            *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:"),
            *(f"connect-src {' '.join(connect)}", "font-src 'self'"),
            *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
            *("require-trusted-types-for 'script'", "trusted-types svelte-trusted-html dompurify"),
        ]
    )


def _version() -> str | None:
    """A name of the build that this deployment serves. *absent*: None, when the page is not built."""
    path = STATIC / VERSION_FILE
    return path.read_text().strip() if path.is_file() else None
