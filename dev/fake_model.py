"""A server with the APIs of OpenAI, Anthropic and Gemini and fixed answers, to run examples and snippets offline.

It calls each tool in a request once, with "Lisbon" for every argument, and then answers with the weather. If the last
message contains the word "lesson", the answer is a lesson. With a base address that has `/failing` before `/v1`, each
request fails with 503. A model whose name starts with `no-such` does not exist.
"""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Json = dict[str, Any]

ANSWER: Final = "It is 18 °C and dry in Lisbon."
LESSON: Final = "Rivers begin at a source, grow by their tributaries, and end in a lake or in the sea."
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
SERVED: Final = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18", "claude-haiku-4-5": "claude-haiku-4-5-20251001"}
"""The dated model of a model name. Responses contain the dated model, as those of the real APIs do."""


def server() -> ThreadingHTTPServer:
    """The server, bound to a free port of 127.0.0.1. Run it with `serve_forever`."""
    return ThreadingHTTPServer(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        base, _, path = self.path.rpartition("/v1")
        if path.startswith("beta/models/"):
            request["model"], _, path = path.removeprefix("beta/models/").partition(":")
        respond = _RESPONDERS.get(path)
        if respond is None:
            self.send_error(404)
        elif base.endswith("/failing"):
            self._refuse(503, "overloaded_error", "The model is overloaded, try again later.")
        elif str(request["model"]).startswith("no-such"):
            self._refuse(404, "not_found_error", "There is no such model.")
        elif request.get("stream") and respond is _chat:
            events = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(_chat(request))]
            self._send("text/event-stream", "".join([*events, "data: [DONE]\n\n"]))
        else:
            self._send("application/json", json.dumps(respond(request)))

    def _refuse(self, status: int, kind: str, message: str) -> None:
        error = {"type": kind, "message": message, "code": kind, "param": None}
        self._send("application/json", json.dumps({"type": "error", "error": error}), status)

    def _send(self, content_type: str, text: str, status: int = 200) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: only the output of the snippets is of interest."""


def _chat(request: Json) -> Json:
    latest_messages = _after_last_user_message(request["messages"])
    finished_calls = sum(message["role"] == "tool" for message in latest_messages)
    call = _next_call(request, finished_calls)
    function = call and {"id": f"call_{finished_calls + 1}", "type": "function", "function": call}
    content = None if call else _answer(request["messages"])
    message = {"role": "assistant", "content": content, **({"tool_calls": [function]} if call else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop", "logprobs": None}
    return {
        **{"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": _served(request)},
        **{"choices": [choice], "usage": CHAT_USAGE},
    }


def _chunks(response: Json) -> Iterator[Json]:
    chunk = {**response, "object": "chat.completion.chunk", "usage": None}
    (choice,) = response["choices"]
    message = choice["message"]
    calls = [{"index": index, **call} for index, call in enumerate(message.get("tool_calls", ()))]
    delta = {**message, **({"tool_calls": calls} if calls else {})}
    yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    yield {**chunk, "choices": [], "usage": response["usage"]}


def _response(request: Json) -> Json:
    items = request["input"] if isinstance(request["input"], list) else []
    call = _next_call(request, sum(item.get("type") == "function_call_output" for item in items))
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


def _message(request: Json) -> Json:
    """A response of Anthropic's API. It calls no tools."""
    return {
        **{"id": "msg_1", "type": "message", "role": "assistant", "model": _served(request)},
        **{"content": [{"type": "text", "text": _answer(request["messages"])}], "stop_sequence": None},
        **{"stop_reason": "end_turn", "usage": {"input_tokens": 412, "output_tokens": 96}},
    }


def _content(request: Json) -> Json:
    """A response of Gemini's API. It calls no tools."""
    content = {"role": "model", "parts": [{"text": ANSWER}]}
    usage = {"promptTokenCount": 412, "candidatesTokenCount": 64, "thoughtsTokenCount": 32, "totalTokenCount": 508}
    return {
        **{"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}], "usageMetadata": usage},
        **{"modelVersion": request["model"], "responseId": "response-1"},
    }


def _after_last_user_message(messages: list[Json]) -> list[Json]:
    last_index = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    return messages[last_index + 1 :]


def _answer(messages: list[Json]) -> str:
    return LESSON if "lesson" in json.dumps(messages[-1]).lower() else ANSWER


def _next_call(request: Json, finished_calls: int) -> Json | None:
    """The call of the tool after the first `finished_calls` tools. *absent*: None when all tools were called."""
    tools = [tool.get("function", tool) for tool in request.get("tools") or ()][finished_calls:]
    if not tools:
        return None
    arguments = dict.fromkeys(tools[0]["parameters"].get("properties", {}), "Lisbon")
    return {"name": tools[0]["name"], "arguments": json.dumps(arguments)}


def _served(request: Json) -> str:
    model: str = request["model"]
    return SERVED.get(model, model)


_RESPONDERS: Final = {
    "/chat/completions": _chat,
    "/responses": _response,
    "/embeddings": _embeddings,
    "/messages": _message,
    "generateContent": _content,
}
