"""Who is calling, their API keys and their jobs; also the health check and the answer for unknown routes."""

import re
import secrets
from typing import Any, Final

from tracestore.domain.errors import Detail, Invalid, NotFound
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS, format_time, parse_time
from tracestore.http.app import ANY, App
from tracestore.http.identity import SCOPES, Identity
from tracestore.http.request import MAX_NAME_CHARACTERS, Request
from tracestore.http.response import Response, json_answer
from tracestore.http.settings import settings
from tracestore.http.wiring import api_keys, store
from tracestore.ingest.json_body import parse_json
from tracestore.storage.api_keys import PREFIX_LENGTH, ApiKey, new_secret
from tracestore.storage.jobs import read_job

MAX_NAME: Final = 128

_SENT_FIELDS: Final = frozenset({"name", "scopes", "expires_at"})
_SERVER_FIELDS: Final = frozenset({"key_id", "user_id", "prefix", "created_at", "secret"})
_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")
_JOB_ID: Final = re.compile(r"[0-9a-f-]{36}")

app = App()
handler = app.handle


@app.route("GET /api/me", scope=ANY)
def show_caller(request: Request, caller: Identity) -> Response:
    """The caller as their credential makes them."""
    request.only()
    return json_answer(
        {
            "data": {
                "user_id": caller.user_id,
                "credential": caller.credential,
                "scopes": _in_order(caller.scopes),
                "retention_days": settings().retention_days,
            }
        }
    )


@app.route("POST /api/keys", scope=ANY, credential="jwt")
def create_key(request: Request, caller: Identity) -> Response:
    """A new key, with its secret this once."""
    request.only()
    secret = new_secret()
    key = _key_from(parse_json(request.body()), caller.user_id, secret, request.now_ms)
    api_keys().create(key, secret, request.now_ms / 1000)
    return json_answer({"data": {**_shown(key), "secret": secret}}, 201)


@app.route("GET /api/keys", scope=ANY, credential="jwt")
def list_keys(request: Request, caller: Identity) -> Response:
    """The caller's keys, the oldest first."""
    request.only()
    keys = api_keys().list_by_user(caller.user_id, request.now_ms / 1000)
    return json_answer({"keys": [_shown(key) for key in keys]})


@app.route("DELETE /api/keys/{key_id}", scope=ANY, credential="jwt")
def revoke_key(request: Request, caller: Identity) -> Response:
    """Ends a key of the caller; functions that have just used it stop within 60 seconds."""
    request.only()
    key_id = request.path["key_id"]
    if not _KEY_ID.fullmatch(key_id) or not api_keys().revoke(caller.user_id, key_id, request.now_ms / 1000):
        raise NotFound("You have no such API key.")
    return json_answer({})


@app.route("GET /api/jobs/{job_id}", scope="read")
def show_job(request: Request, caller: Identity) -> Response:
    """How far a bulk deletion of the caller is."""
    request.only()
    job_id = request.path["job_id"]
    if not _JOB_ID.fullmatch(job_id):
        raise NotFound("There is no such job.")
    job = read_job(store(), caller.user_id, job_id)
    deleted = {"traces": job.traces, "spans": job.spans}
    return json_answer(
        {
            "data": {
                "job_id": job.job_id,
                "state": job.state,
                "deleted": deleted,
                "created_at": format_time(job.made_ms * NS_PER_MS),
                "finished_at": None if job.ended_ms is None else format_time(job.ended_ms * NS_PER_MS),
            }
        }
    )


@app.route("GET /api/public/projects", scope=ANY)
def show_project(_request: Request, caller: Identity) -> Response:
    """What the Langfuse SDK asks for to check its credentials: there is one project, the caller's."""
    project = {"id": caller.user_id, "name": "tracestore", "metadata": {}}
    return json_answer({"data": [{**project, "organization": {"id": caller.user_id, "name": "tracestore"}}]})


@app.public("GET /healthz")
def tell_health(_request: Request) -> Response:
    """That the function runs; nothing is asked of the store."""
    return json_answer({"status": "ok"})


@app.public("$default")
def refuse(_request: Request) -> Response:
    """What every request gets that no route of the template fits."""
    raise NotFound("There is no such route, or not with this method. See docs/api.md.", code="route_not_found")


def _key_from(body: Json, user_id: str, secret: str, now_ms: int) -> ApiKey:
    """The key that a request asks for. *raises*: `Invalid` that names every field that is wrong."""
    if not isinstance(body, dict):
        raise Invalid("Send a JSON object with name and scopes.")
    name, scopes, expires_at = body.get("name"), body.get("scopes"), body.get("expires_at")
    granted = [scope for scope in SCOPES if isinstance(scopes, list) and scope in scopes]
    details = [
        Detail(field[:MAX_NAME_CHARACTERS], "is not a field of an API key")
        for field in body
        if field not in _SENT_FIELDS | _SERVER_FIELDS
    ]
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        details.append(Detail("name", f"must be a string of 1 to {MAX_NAME} characters"))
    if not granted or not isinstance(scopes, list) or not all(scope in SCOPES for scope in scopes):
        details.append(Detail("scopes", f"must be a list of one or more of {', '.join(SCOPES)}"))
    expires_at_s = _expiry_s(expires_at, now_ms)
    if expires_at is not None and expires_at_s is None:
        details.append(Detail("expires_at", "must be an ISO 8601 time with a zone, in the future"))
    if details:
        raise Invalid("The API key cannot be made: see the details for each field.", details=tuple(details))
    return ApiKey(
        key_id=secrets.token_hex(8),
        user_id=user_id,
        name=str(name),
        prefix=secret[:PREFIX_LENGTH],
        scopes=frozenset(granted),
        created_ms=now_ms,
        expires_at_s=expires_at_s,
    )


def _expiry_s(expires_at: Json, now_ms: int) -> int | None:
    """Whole seconds, rounded down: a key may end early, never late. None when this is no time in the future."""
    try:
        expires_at_s = parse_time(expires_at) // 1_000_000_000 if isinstance(expires_at, str) else None
    except ValueError:
        return None
    return expires_at_s if expires_at_s and expires_at_s * 1000 > now_ms else None


def _shown(key: ApiKey) -> dict[str, Any]:
    """A key as its user sees it."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": _in_order(key.scopes),
        "created_at": format_time(key.created_ms * 1_000_000),
        "expires_at": None if key.expires_at_s is None else format_time(key.expires_at_s * 1_000_000_000),
    }


def _in_order(scopes: frozenset[str]) -> list[str]:
    return [scope for scope in SCOPES if scope in scopes]
