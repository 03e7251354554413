"""A server that answers like OpenAI's API and knows one sentence, for running documented snippets without a model.

It calls the first tool it is offered once, with "Lisbon" for every argument, and then says how the weather is.
"""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Json = dict[str, Any]

ANSWER: Final = "It is 18 °C and dry in Lisbon."
CHAT_USAGE: Final = {
    "prompt_tokens": 412,
    "completion_tokens": 96,
    "total_tokens": 508,
    "prompt_tokens_details": {"cached_tokens": 256, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
RESPONSE_USAGE: Final = {
    "input_tokens": 412,
    "input_tokens_details": {"cached_tokens": 256},
    "output_tokens": 96,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 508,
}
SERVED: Final = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
"""The dated model behind a name, which the answer tells."""


def server() -> ThreadingHTTPServer:
    """The server, bound to a free port of 127.0.0.1; `serve_forever` runs it."""
    return ThreadingHTTPServer(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = _ANSWERS.get(self.path.rpartition("/v1")[2])
        if answer is None:
            self.send_error(404)
        elif request.get("stream") and answer is _chat:
            events = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(_chat(request))]
            self._send("text/event-stream", "".join([*events, "data: [DONE]\n\n"]))
        else:
            self._send("application/json", json.dumps(answer(request)))

    def _send(self, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the snippets' own output is what matters."""


def _chat(request: Json) -> Json:
    call = _call(request, was_called=request["messages"][-1]["role"] == "tool")
    function = call and {"id": "call_1", "type": "function", "function": call}
    message = {"role": "assistant", "content": None if call else ANSWER, **({"tool_calls": [function]} if call else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop", "logprobs": None}
    return {
        **{"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": _served(request)},
        **{"choices": [choice], "usage": CHAT_USAGE},
    }


def _chunks(answer: Json) -> Iterator[Json]:
    chunk = {**answer, "object": "chat.completion.chunk", "usage": None}
    (choice,) = answer["choices"]
    message = choice["message"]
    calls = [{"index": index, **call} for index, call in enumerate(message.get("tool_calls", ()))]
    delta = {**message, **({"tool_calls": calls} if calls else {})}
    yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    yield {**chunk, "choices": [], "usage": answer["usage"]}


def _response(request: Json) -> Json:
    items = request["input"] if isinstance(request["input"], list) else []
    call = _call(request, was_called=any(item.get("type") == "function_call_output" for item in items))
    text = {"type": "output_text", "text": ANSWER, "annotations": []}
    output = (
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed", **call}
        if call
        else {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    )
    return {
        **{"id": "resp_1", "object": "response", "created_at": int(time.time()), "model": _served(request)},
        **{"status": "completed", "output": [output], "usage": RESPONSE_USAGE, "error": None},
        **{"incomplete_details": None, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []},
    }


def _embeddings(request: Json) -> Json:
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    vectors = [{"object": "embedding", "index": index, "embedding": [0.25, -0.5]} for index in range(len(texts))]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return {"object": "list", "model": request["model"], "data": vectors, "usage": usage}


def _call(request: Json, *, was_called: bool) -> Json | None:
    """The call of the first tool, unless there is none or it was called."""
    tools = [tool.get("function", tool) for tool in request.get("tools") or ()]
    if not tools or was_called:
        return None
    arguments = dict.fromkeys(tools[0]["parameters"].get("properties", {}), "Lisbon")
    return {"name": tools[0]["name"], "arguments": json.dumps(arguments)}


def _served(request: Json) -> str:
    model: str = request["model"]
    return SERVED.get(model, model)


_ANSWERS: Final = {"/chat/completions": _chat, "/responses": _response, "/embeddings": _embeddings}
