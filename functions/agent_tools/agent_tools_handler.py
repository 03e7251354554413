"""The route for agents: the Model Context Protocol, whose tools read traces."""

from tracestore.api.agent_tools.dispatch import respond
from tracestore.api.agent_tools.protocol import rpc_error_response
from tracestore.http.app import App
from tracestore.http.identity import Identity
from tracestore.http.request import Request
from tracestore.http.response import Response
from tracestore.http.settings import settings

app = App()
handler = app.handle


@app.route("POST /mcp", scope="read", errors=rpc_error_response)
def receive(request: Request, caller: Identity) -> Response:
    """Respond to one message of the protocol."""
    return respond(request, caller, settings().cors_origins)
