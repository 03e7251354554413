#!/usr/bin/env bash
# Opik's SDK for Python (2.2.122): a trace is dropped when the connection of its retry is reset.
#
# Valid input: one trace, sent to a server that answers the first request with 503, and closes the connection when it is
# used again. That is what a server or a load balancer with an idle timeout does: the SDK sends again after five seconds,
# which is the default idle timeout of uvicorn and of Node. The SDK retries requests whose connection is refused, ends
# early or times out, and keeps them for later when it has no connection. A connection that is reset is neither: it is
# httpx's ReadError, and the trace is dropped after this one attempt, with a line in the log. A server has to keep idle
# connections open for longer than its clients wait.
#
# Output on 2026-11-28:
#   503, then accepted: 2 attempts, everything sent: True
#   503, then reset: 2 attempts, everything sent: False
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/trace.py" <<'PYTHON'
"""Send one trace to a server in this process, which resets the second connection if the argument says so."""

import os
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

resets = sys.argv[1] == "reset"
attempts = []


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, b"{}")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if not self.path.endswith("/traces/batch"):
            self.answer(204)
            return
        attempts.append(self.path)
        if len(attempts) == 1:
            self.answer(503, b"{}")
        elif len(attempts) == 2 and resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
        else:
            self.answer(204)

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["OPIK_URL_OVERRIDE"] = f"http://127.0.0.1:{server.server_port}/api"
os.environ["OPIK_API_KEY"] = "key"
os.environ["OPIK_WORKSPACE"] = "default"
os.environ["OPIK_SENTRY_ENABLE"] = "false"

import opik

client = opik.Opik()
client.trace(name="answer", input={"question": "Is it raining?"}, output={"answer": "No."})
is_sent = client.flush()
print(f"{len(attempts)} attempts, everything sent: {is_sent}")
PYTHON

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet opik==2.2.122 2>/dev/null
accepted=$("$work/venv/bin/python" "$work/trace.py" accepted 2>/dev/null)
reset=$("$work/venv/bin/python" "$work/trace.py" reset 2>/dev/null)
echo "503, then accepted: $accepted"
echo "503, then reset: $reset"
[[ $accepted == "2 attempts, everything sent: True" ]]
[[ $reset == "2 attempts, everything sent: False" ]] || { echo "Opik retries a connection that was reset now."; exit 1; }
