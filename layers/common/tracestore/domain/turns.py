"""The comparison of an input with the history before it: of a model call, or of a turn in a conversation.

Applications send the whole history with each call, so most of an input repeats what a reader has seen. A history is the
input before, followed by the output to it. `message_texts` decides which messages are the same.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from .message_texts import Message, compared_texts
from .previews import is_delta, text_of
from .spans import Json

History: TypeAlias = Literal["same", "changed", "none"]

SYSTEM_ROLES: Final = frozenset({"system", "developer"})
"""Roles of instructions. They are compared apart: a prompt that contains the time does not change the history."""

_MESSAGE_MARKS: Final = frozenset({"role", "parts", "content"})


class NewInput(NamedTuple):
    """The messages of an input that its history does not have, and the number of the others.

    `history` is `same` if the input begins with the whole history, `changed` if it does not, and `none` if there is no
    history before or the input is a single new message. *absent*: `new_messages` is None for an input that is no list
    of messages.
    """

    new_messages: list[Message] | None
    repeated_messages: int
    history: History


def new_input(input_data: Json, history: Sequence[Message]) -> NewInput:
    """The part of an input after its longest common prefix with a history.

    Messages of the system are compared with those of the history, the others with the others. A delta has only new
    messages and continues the whole history.
    """
    messages = messages_in(input_data)
    if messages is None:
        return NewInput(None, 0, "none")
    if is_delta(input_data):
        return NewInput(messages, len(history), "same" if history else "none")
    known_system, known = _apart(history)
    system, others = _apart(messages)
    repeated_system, repeated = _common(system, known_system), _common(others, known)
    unvisited = {True: repeated_system, False: repeated}
    new = []
    for message in messages:
        if unvisited[_is_system(message)]:
            unvisited[_is_system(message)] -= 1
        else:
            new.append(message)
    return NewInput(new, repeated_system + repeated, _history(repeated, len(known), len(others)))


def history_after(input_data: Json, output_data: Json, before: Sequence[Message] = ()) -> list[Message]:
    """The messages that the next input is expected to begin with. A delta follows the history `before` it.

    A text counts as a message of the user, or of the assistant in the output. Some frameworks return the whole
    conversation as output: an output that begins with the input is the history by itself.
    """
    system, asked = _apart(_as_messages(input_data, "user"))
    answered = _as_messages(output_data, "assistant")
    begins_with_input = _common(_apart(answered)[1], asked) == len(asked)
    added = [*system, *answered] if begins_with_input else [*system, *asked, *answered]
    return [*before, *added] if is_delta(input_data) else added


def messages_in(value: Json) -> list[Message] | None:
    """The messages of an input or an output. *absent*: None for a value that is no list of messages."""
    if isinstance(value, dict):
        value = value.get("messages")
    if not isinstance(value, list):
        return None
    messages = [item for item in value if isinstance(item, dict) and not _MESSAGE_MARKS.isdisjoint(item)]
    return messages if len(messages) == len(value) else None


def _as_messages(value: Json, role: str) -> list[Message]:
    messages = messages_in(value)
    if messages is None:
        text = text_of(value)
        return [{"role": role, "content": text}] if text else []
    return messages


def _apart(messages: Iterable[Message]) -> tuple[list[Message], list[Message]]:
    """The messages of the system, and the others."""
    system: list[Message] = []
    others: list[Message] = []
    for message in messages:
        (system if _is_system(message) else others).append(message)
    return system, others


def _is_system(message: Message) -> bool:
    return str(message.get("role")) in SYSTEM_ROLES


def _common(messages: Sequence[Message], history: Sequence[Message]) -> int:
    """The length of the longest common prefix."""
    length = 0
    for message, known in zip(messages, history, strict=False):
        if message is not known and compared_texts(message) != compared_texts(known):
            break
        length += 1
    return length


def _history(repeated: int, known: int, sent: int) -> History:
    if not known or (not repeated and sent <= 1):
        return "none"
    return "same" if repeated == known else "changed"
