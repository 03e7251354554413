"""An agent that reads its notes, lets the model call two tools, and answers.

Decorators trace its own steps, and OpenInference's instrumentation traces the model calls.
`make examples ARGS=agent` runs it offline.
"""

import json
from collections.abc import Callable
from typing import Any

from openai import OpenAI

import tracestore_client as tracestore

tracestore.configure(service_name="agent-example", instrument=["openai"])
client = OpenAI(max_retries=0)


@tracestore.span("search_notes", "retrieval")
def search_notes(query: str) -> list[dict[str, Any]]:
    """The user's notes that are relevant to `query`."""
    return [{"content": "Prefers to walk.", "score": 0.83}]


@tracestore.span("weather", "tool")
def weather(city: str) -> dict[str, Any]:
    """The weather in a city."""
    return {"city": city, "celsius": 18, "sky": "dry"}


@tracestore.span("air_quality", "tool")
def air_quality(city: str) -> dict[str, Any]:
    """The air quality in a city. *raises*: ConnectionError, always: the example shows a tool that fails."""
    raise ConnectionError(f"The station of {city} does not respond.")


TOOLS: dict[str, Callable[..., dict[str, Any]]] = {"weather": weather, "air_quality": air_quality}
TOOL_DEFINITIONS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in TOOLS
]


@tracestore.trace("day planner", "agent", conversation_id="chat-43", user_id="ada")
def plan(question: str) -> str:
    """Answer `question` from the notes, the tools and the model."""
    notes = search_notes(question)
    messages: list[Any] = [
        {"role": "system", "content": f"Plan days. Notes: {json.dumps(notes)}"},
        {"role": "user", "content": question},
    ]
    while True:
        reply = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOL_DEFINITIONS)
        message: Any = reply.choices[0].message
        if not message.tool_calls:
            return str(message.content)
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = call_tool(call.function)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})


def call_tool(function: Any) -> Any:
    """The tool's result, or its error message: the model can continue with either."""
    try:
        return TOOLS[function.name](**json.loads(function.arguments))
    except ConnectionError as failure:
        return {"error": str(failure)}


if __name__ == "__main__":
    print(plan("Can I walk through Lisbon today?"))
