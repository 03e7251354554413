"""Routes for the caller's identity, API keys, saved views and jobs; also the health check."""

from dataclasses import replace
from typing import Final

from tracestore.api.account.api_keys import is_key_id, key_json, parse_key, scopes_json
from tracestore.api.account.jobs import is_job_id, job_json
from tracestore.api.account.views import is_view_name, parse_view, view_json
from tracestore.domain.errors import NotFound
from tracestore.domain.json_body import parse_json
from tracestore.http.app import ANY, App
from tracestore.http.identity import Identity
from tracestore.http.request import MAX_FORM_BYTES, Request
from tracestore.http.response import Response, json_response
from tracestore.http.settings import settings
from tracestore.http.wiring import reader, redactor, writer
from tracestore.storage.api_keys import new_secret

PROJECT_NAME: Final = "tracestore"

app = App()
handler = app.handle


@app.route("GET /api/me", scope=ANY)
def show_caller(request: Request, caller: Identity) -> Response:
    """Show the caller's user, owner, teams, scopes and retention."""
    request.only()
    return json_response(
        {
            "data": {
                "user_id": caller.user_id,
                "owner_id": caller.owner_id,
                "team": caller.team,
                "teams": caller.teams,
                "credential": caller.credential,
                "scopes": scopes_json(caller.scopes),
                "retention_days": settings().retention_days,
            }
        }
    )


@app.route("POST /api/keys", scope=ANY, credential="jwt")
def create_key(request: Request, caller: Identity) -> Response:
    """Create an API key. Only this response contains its secret."""
    request.only()
    secret = new_secret()
    key = parse_key(parse_json(request.body(MAX_FORM_BYTES)), caller.owner_id, secret, request.now_ms)
    key = replace(key, name=redactor().redact_text(key.name))
    writer(request, caller).create_api_key(key, secret)
    return json_response({"data": {**key_json(key), "secret": secret}}, 201)


@app.route("GET /api/keys", scope=ANY, credential="jwt")
def list_keys(request: Request, caller: Identity) -> Response:
    """List the API keys of the caller's owner, oldest first, without secrets."""
    request.only()
    return json_response({"keys": [key_json(key) for key in reader(request, caller).api_keys()]})


@app.route("DELETE /api/keys/{key_id}", scope=ANY, credential="jwt")
def revoke_key(request: Request, caller: Identity) -> Response:
    """Revoke an API key. It stops working within 60 seconds, because functions cache keys for that long."""
    request.only()
    key_id = request.path["key_id"]
    if not is_key_id(key_id):
        raise NotFound("There is no such API key among yours.")
    writer(request, caller).revoke_api_key(key_id)
    return json_response({})


@app.route("GET /api/me/views", scope="read")
def list_views(request: Request, caller: Identity) -> Response:
    """List the saved views of the caller's owner, by name."""
    request.only()
    return json_response({"views": [view_json(view) for view in reader(request, caller).views()]})


@app.route("PUT /api/me/views/{name}", scope=ANY, credential="jwt")
def save_view(request: Request, caller: Identity) -> Response:
    """Save a view under a name, in place of the one that has it."""
    request.only()
    name = request.path["name"]
    title, query = map(redactor().redact_text, parse_view(name, parse_json(request.body(MAX_FORM_BYTES))))
    return json_response({"data": view_json(writer(request, caller).put_view(name, title, query))})


@app.route("DELETE /api/me/views/{name}", scope=ANY, credential="jwt")
def delete_view(request: Request, caller: Identity) -> Response:
    """Delete a saved view."""
    request.only()
    name = request.path["name"]
    if not is_view_name(name):
        raise NotFound("There is no such view among yours.")
    writer(request, caller).delete_view(name)
    return json_response({})


@app.route("GET /api/jobs/{job_id}", scope="read")
def show_job(request: Request, caller: Identity) -> Response:
    """Show the progress of a bulk deletion."""
    request.only()
    job_id = request.path["job_id"]
    if not is_job_id(job_id):
        raise NotFound("There is no such job.")
    return json_response({"data": job_json(reader(request, caller).job(job_id))})


@app.route("GET /api/public/projects", scope=ANY)
def show_project(_request: Request, caller: Identity) -> Response:
    """List the one project of the caller's owner, which the Langfuse SDK requests to check its credentials."""
    project = {"id": caller.owner_id, "name": PROJECT_NAME, "metadata": {}}
    return json_response({"data": [{**project, "organization": {"id": caller.owner_id, "name": PROJECT_NAME}}]})


@app.public("GET /healthz")
def show_health(_request: Request) -> Response:
    """Report that the function runs. The store is not checked."""
    return json_response({"status": "ok"})
