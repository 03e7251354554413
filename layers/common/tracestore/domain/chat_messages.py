"""Messages in the chat form, put together: chunks of a streamed reply, and the results of tool calls."""

from collections.abc import Collection, Sequence
from typing import TypeAlias, cast

from .spans import Json

Object: TypeAlias = dict[str, Json]


def joined_chunks(chunks: Sequence[Object]) -> list[Object] | None:
    """The messages that chunks of a streamed reply add up to, one for each candidate. *absent*: None without chunks."""
    messages: dict[str, Object] = {}
    runs_of: dict[str, list[list[Json]]] = {}
    for chunk in chunks:
        candidate = str(chunk.get("index", 0))
        message = messages.setdefault(candidate, {"role": chunk["role"], "parts": []})
        runs = runs_of.setdefault(candidate, [])
        for part in cast("list[Json]", chunk["parts"]):
            if runs and _is_continued(runs[-1][-1], part):
                runs[-1].append(part)
            else:
                runs.append([part])
        message |= {name: value for name, value in chunk.items() if name not in ("role", "parts")}
    for candidate, message in messages.items():
        message["parts"] = [_joined(run) for run in runs_of[candidate]]
    return list(messages.values()) or None


def _is_continued(part: Json, following: Json) -> bool:
    """Whether a part is the text, or the reasoning, that the part before it began."""
    if not isinstance(part, dict) or not isinstance(following, dict):
        return False
    kind = part.get("type")
    return kind == following.get("type") and kind in ("text", "reasoning") and "text" in part and "text" in following


def _joined(run: Sequence[Json]) -> Json:
    """Parts that continue each other as one, with the last value of each other field."""
    parts = cast("Sequence[Object]", run)
    if len(parts) == 1:
        return parts[0]
    fields = {name: value for part in parts for name, value in part.items()}
    return {**fields, "text": "".join(str(part["text"]) for part in parts)}


def results_once(messages: list[Object]) -> list[Object]:
    """The messages with each result once, by the id of its call. A result without an id gets that of its call."""
    if not any(map(_has_result, messages)):
        return messages
    waiting: list[Object] = []
    answered: set[str] = set()
    kept = []
    for message in messages:
        parts = cast("list[Json]", message.get("parts", []))
        repeated = False
        for part in parts:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "tool_call" and isinstance(call_id := part.get("id"), str):
                waiting.append(part)
                answered.discard(call_id)
            elif part.get("type") == "tool_result":
                if "id" not in part and (call := _call_of(part, waiting)) is not None:
                    part["id"] = call["id"]
                if isinstance(result_id := part.get("id"), str):
                    repeated |= result_id in answered
                    waiting = [call for call in waiting if call["id"] != result_id]
        if repeated:
            parts = [part for part in parts if not _answers(part, answered)]
            message = {**message, "parts": parts}
        answered.update(
            str(part["id"])
            for part in parts
            if isinstance(part, dict) and part.get("type") == "tool_result" and isinstance(part.get("id"), str)
        )
        if parts or not repeated:
            kept.append(message)
    return kept


def _has_result(message: Object) -> bool:
    parts = message.get("parts")
    if isinstance(parts, list):
        for part in parts:
            if type(part) is dict and part.get("type") == "tool_result":
                return True
    return False


def _answers(part: Json, answered: Collection[str]) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_result" and part.get("id") in answered


def _call_of(result: Object, waiting: Sequence[Object]) -> Object | None:
    """The call that a result without an id belongs to: the first of its name, or without a name the first."""
    name = result.get("name")
    return next((call for call in waiting if name is None or call.get("name") == name), None)
