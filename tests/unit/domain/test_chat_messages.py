"""Messages in the chat form are put together from what clients send in pieces."""

from typing import Any

from tests.timing import processor_time
from tracestore.domain.chat_messages import Object, joined_chunks


def chunk(*parts: dict[str, Any], **others: Any) -> Object:
    return {"role": "assistant", "parts": list(parts), **others}


def text(value: str, **others: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **others}


def test_texts_that_continue_each_other_are_one_with_the_last_value_of_each_other_field() -> None:
    call = {"type": "tool_call", "id": "c", "name": "weather"}
    chunks = [chunk(text("It ", a=1)), chunk(text("is.", a=2, b=3)), chunk(call, text("Bye")), chunk(finish="stop")]
    assert joined_chunks(chunks) == [chunk(text("It is.", a=2, b=3), call, text("Bye"), finish="stop")]


def test_thoughts_are_not_continued_by_the_answer() -> None:
    thought = {"type": "reasoning", "text": "Hm."}
    assert joined_chunks([chunk(thought), chunk(thought), chunk(text("Yes."))]) == [
        chunk({"type": "reasoning", "text": "Hm.Hm."}, text("Yes."))
    ]


def test_nothing_is_joined_without_chunks() -> None:
    assert joined_chunks([]) is None


def test_200_000_chunks_take_linear_time() -> None:
    with processor_time() as used:
        joined = joined_chunks([chunk(text("word ")) for _ in range(200_000)])
    assert joined == [chunk(text("word " * 200_000))]
    assert used.seconds < 5
