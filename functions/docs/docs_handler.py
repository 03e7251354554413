"""Routes for the API document and the page that shows it; also the response to requests that match no route.

The files in `static/` are generated: `dev/docs_files.py` writes the document, and copies the viewer from its package.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from tracestore.domain.errors import MethodNotAllowed, NotFound
from tracestore.http.app import App
from tracestore.http.request import Request
from tracestore.http.response import Response, with_etag

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"

FILES: Final[Mapping[str, tuple[Path, str]]] = {
    "docs.js": (HERE / "docs.js", "text/javascript; charset=utf-8"),
    "docs.css": (HERE / "docs.css", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": (STATIC / "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": (STATIC / "swagger-ui.css", "text/css; charset=utf-8"),
}
"""The files that the page loads, and their content types."""

PAGE_HEADERS: Final = {
    # Scripts, styles and requests of this host alone, and no inline script. The viewer's icons are data: images.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}

app = App()
handler = app.handle


@app.public("GET /openapi.json")
def show_document(request: Request) -> Response:
    """Get this API as an OpenAPI document."""
    request.only()
    return _file(request, STATIC / "openapi.json", "application/json")


@app.public("GET /docs")
def show_page(request: Request) -> Response:
    """Get the page that shows the API document, on which requests can be sent."""
    response = _file(request, HERE / "docs.html", "text/html; charset=utf-8")
    return replace(response, headers={**response.headers, **PAGE_HEADERS})


@app.public("GET /docs/{file}")
def show_file(request: Request) -> Response:
    """Get a file that the page loads."""
    request.only()
    if request.path["file"] not in FILES:
        raise NotFound("There is no such file.")
    return _file(request, *FILES[request.path["file"]])


@app.public("$default")
def refuse(request: Request) -> Response:
    """Refuse a request that matches no route of the template, except a CORS preflight, which gets an empty 204.

    The error names the methods that the path has. API Gateway adds the headers with the permissions to a preflight, and
    removes ours. Browsers require a status of success as well.
    *source*: API Gateway developer guide, "Configure CORS for HTTP APIs": `$default` also receives OPTIONS requests.
    """
    if request.is_preflight:
        return Response(204)
    matching = [methods for path, methods in _routes() if _matches(path, request.raw_path)]
    allowed = tuple(dict.fromkeys(method for methods in matching for method in methods))
    if not allowed or request.method in allowed:
        raise NotFound("There is no such route. See GET /docs for the routes.", code="route_not_found")
    raise MethodNotAllowed(f"This route has only {', '.join(allowed)}. Use one of them.", allowed=allowed)


@cache
def _routes() -> list[tuple[list[str], tuple[str, ...]]]:
    """The segments of each path of the API, and its methods."""
    paths = json.loads((STATIC / "openapi.json").read_bytes())["paths"]
    return [(path.split("/"), tuple(method.upper() for method in methods)) for path, methods in paths.items()]


def _matches(path: list[str], sent: str) -> bool:
    segments = sent.split("/")
    return len(path) == len(segments) and all(
        bool(segment) if expected.startswith("{") else segment == expected
        for expected, segment in zip(path, segments, strict=True)
    )


def _file(request: Request, path: Path, content_type: str) -> Response:
    headers = {"content-type": content_type, "x-content-type-options": "nosniff"}
    return with_etag(request, Response(200, _content(path), headers))


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
