#!/usr/bin/env bash
# Codex CLI (@openai/codex 0.171.0): `codex exec` sends the telemetry of a turn that succeeds, and not of one that fails.
#
# Valid input: an OTLP exporter for log records and one for spans, as its documents configure them, and one prompt. The
# model server answers it in the first run, and refuses it with status 400 in the second. Codex reports the error on the
# terminal and ends with exit code 1, but ends before its batches are sent: the prompt, the request with its status and
# the spans of the turn never arrive. So a dashboard that is fed by `codex exec`, as in CI, shows no failed turn, and its
# rate of errors is too low. A longer turn has sent the batches of its first seconds, and loses the rest.
#
# Output on 2026-11-29:
#   answered: exit code 0, prompts 1, model requests 1, spans: True
#   refused: exit code 1, prompts 0, model requests 0, spans: False
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/run.py" <<'PYTHON'
"""Run `codex exec` with a model server and a receiver of OTLP in this process. The argument is the server's answer."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

work, answer = sys.argv[1:]
received = {"logs": "", "traces": ""}
usage = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}
text = {"type": "output_text", "text": "Done.", "annotations": []}
message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}
response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [message], "usage": usage}
events = [
    {"type": "response.created", "response": {**response, "status": "in_progress", "output": [], "usage": None}},
    {"type": "response.output_item.done", "output_index": 0, "item": message},
    {"type": "response.completed", "response": {**response, "status": "completed"}},
]


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, "application/json", '{"data": [], "models": []}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signal = self.path.rpartition("/")[2]
        if signal in received:
            received[signal] += "".join(body.decode().split())
            self.answer(200, "application/json", "{}")
        elif signal != "responses":
            self.answer(404, "application/json", "{}")
        elif answer == "refused":
            error = {"message": "no", "type": "invalid_request_error", "code": "context_length_exceeded"}
            self.answer(400, "application/json", json.dumps({"error": error}))
        else:
            lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
            self.answer(200, "text/event-stream", "".join(lines))

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
home = os.path.join(work, answer)
os.makedirs(home)
exporter = '{ otlp-http = { endpoint = "%s/v1/%s", protocol = "json" } }'
with open(os.path.join(home, "config.toml"), "w") as config:
    config.write(f"""
model = "m"
model_provider = "local"
[model_providers.local]
name = "local"
base_url = "{base}/v1"
wire_api = "responses"
env_key = "LOCAL_KEY"
[otel]
log_user_prompt = true
exporter = {exporter % (base, "logs")}
trace_exporter = {exporter % (base, "traces")}
""")
codex = [os.path.join(work, "node_modules/.bin/codex"), "exec", "--skip-git-repo-check", "Say done."]
environment = {"PATH": os.environ["PATH"], "HOME": home, "CODEX_HOME": home, "LOCAL_KEY": "key"}
done = subprocess.run(codex, cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
names = [received["logs"].count(f'"stringValue":"codex.{name}"') for name in ("user_prompt", "api_request")]
has_spans = '"run_sampling_request"' in received["traces"]
print(f"{answer}: exit code {done.returncode}, prompts {names[0]}, model requests {names[1]}, spans: {has_spans}")
PYTHON

npm install --silent --no-audit --no-fund --prefix "$work" @openai/codex@0.171.0 >/dev/null 2>&1
answered=$(python3 "$work/run.py" "$work" answered)
refused=$(python3 "$work/run.py" "$work" refused)
printf '%s\n%s\n' "$answered" "$refused"
test "$answered" = "answered: exit code 0, prompts 1, model requests 1, spans: True"
test "$refused" = "refused: exit code 1, prompts 0, model requests 0, spans: False"
