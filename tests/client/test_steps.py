"""The contents of a span after its code has run, for every kind of function."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import tracestore_client as client
from tests.client.conftest import Configure

Spans = InMemorySpanExporter


class Broken(Exception):
    """The exception that the tests raise."""


def only(spans: Spans) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    return span


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def by_name(spans: Spans) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def trace_ids(spans: Spans) -> set[int]:
    return {span.context.trace_id for span in spans.get_finished_spans() if span.context}


def is_child(child: ReadableSpan, parent: ReadableSpan) -> bool:
    return child.parent is not None and parent.context is not None and child.parent.span_id == parent.context.span_id


def test_a_lesson_contains_its_id_request_and_response(spans: Spans) -> None:
    with client.trace_lesson("lesson-1", {"topic": "rivers"}, user_id="ada", conversation_id="c1") as lesson:
        lesson.response = {"title": "Rivers"}
    assert attributes_of(only(spans)) == {
        "gen_ai.operation.name": "lesson",
        "lesson.id": "lesson-1",
        "request_data": '{"topic": "rivers"}',
        "response_data": '{"title": "Rivers"}',
        "user.id": "ada",
        "session.id": "c1",
    }
    assert only(spans).status.status_code is StatusCode.OK


@pytest.mark.parametrize("value", [2, 0.5, True, "2"])
def test_a_number_or_boolean_keeps_its_type(value: object, spans: Spans) -> None:
    with client.trace_lesson("lesson-1", value) as lesson:
        lesson.response = value
    attributes = attributes_of(only(spans))
    assert [repr(attributes[name]) for name in ("request_data", "response_data")] == [repr(value)] * 2


def test_none_is_not_recorded_as_the_text_null(spans: Spans) -> None:
    with client.trace_lesson("lesson-1") as lesson, lesson.llm_call("openai", "gpt-4o") as call:
        lesson.response = None
        call.respond(None, model="gpt-4o-2024-08-06")
    texts = [str(text) for span in spans.get_finished_spans() for text in attributes_of(span).values()]
    assert [text for text in texts if "null" in text] == []


def test_a_failed_lesson_re_raises_its_exception_and_records_it(spans: Spans) -> None:
    failure = Broken("no provider")
    with pytest.raises(Broken) as caught, client.trace_lesson("lesson-1"):
        raise failure
    assert caught.value is failure
    span = only(spans)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no provider")
    assert attributes_of(span)["error.type"] == "Broken"
    assert "raise failure" in str((span.events[0].attributes or {})["exception.stacktrace"])


def test_a_handled_failure_can_be_recorded(spans: Spans) -> None:
    with client.span("step") as step:
        step.fail("half of it is missing", "Partial")
    assert only(spans).status.status_code is StatusCode.ERROR
    assert attributes_of(only(spans))["error.type"] == "Partial"


def test_spans_of_other_tracers_are_inside_the_lesson(spans: Spans) -> None:
    with (
        client.trace_lesson("lesson-1"),
        otel.get_tracer("theirs", tracer_provider=_provider()).start_as_current_span("call"),
    ):
        pass
    names = by_name(spans)
    assert is_child(names["call"], names["lesson"])


def test_a_lesson_inside_another_trace_is_a_root_with_a_link(spans: Spans) -> None:
    with _provider().get_tracer("web").start_as_current_span("GET /lesson"), client.trace_lesson("lesson-1"):
        pass
    names = by_name(spans)
    assert names["lesson"].parent is None
    assert names["lesson"].links[0].context == names["GET /lesson"].context


def test_the_same_lesson_inside_itself_stays_in_its_trace(spans: Spans) -> None:
    with client.trace_lesson("lesson-1"), client.trace_lesson("lesson-1"):
        pass
    assert len(trace_ids(spans)) == 1


def test_another_lesson_inside_a_lesson_starts_a_new_trace(spans: Spans) -> None:
    with client.trace_lesson("lesson-1"), client.trace_lesson("lesson-2"):
        pass
    assert len(trace_ids(spans)) == 2


def test_a_call_contains_its_request_response_and_usage(spans: Spans) -> None:
    with client.llm_call("openai", "gpt-4o-mini", prompt="Hello", temperature=0.2, max_tokens=9, top_p=1) as call:
        call.respond("Hi", model="gpt-4o-mini-2024", response_id="r1", finish_reason="stop")
        call.usage(input_tokens=1, output_tokens=2, cached_input_tokens=1, reasoning_tokens=0, cost_usd=0.5)
    assert attributes_of(only(spans)) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.top_p": 1,
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]',
        "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}]',
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 1,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "gen_ai.usage.cost": 0.5,
    }


def test_a_call_that_fails_is_an_error_with_its_type(spans: Spans) -> None:
    with pytest.raises(Broken), client.trace_lesson("lesson-1") as lesson, lesson.llm_call("openai", "gpt-4o-mini"):
        raise Broken
    call = by_name(spans)["chat gpt-4o-mini"]
    assert (call.status.status_code, attributes_of(call)["error.type"]) == (StatusCode.ERROR, "Broken")


def test_a_call_in_a_thread_without_context_is_a_child_of_its_lesson(spans: Spans) -> None:
    with client.trace_lesson("lesson-1") as lesson:
        thread = threading.Thread(target=lambda: lesson.llm_call("openai", "m").__enter__().end())
        thread.start()
        thread.join()
    names = by_name(spans)
    assert is_child(names["chat m"], names["lesson"])


def test_a_step_inside_a_span_of_the_same_trace_is_its_child(spans: Spans) -> None:
    with client.trace_lesson("lesson-1") as lesson, client.span("chapter"), lesson.llm_call("openai", "m"):
        pass
    names = by_name(spans)
    assert is_child(names["chat m"], names["chapter"])


@pytest.mark.parametrize(
    ("operation", "attributes"),
    [
        ("agent", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "s", "input.value": '{"x": 1}'}),
        (
            "tool",
            {
                **{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "s"},
                **{"gen_ai.tool.call.arguments": '{"x": 1}'},
            },
        ),
        ("retrieval", {"gen_ai.operation.name": "retrieval", "input.value": '{"x": 1}'}),
    ],
)
def test_a_step_has_the_attributes_of_its_operation(operation: str, attributes: dict[str, Any], spans: Spans) -> None:
    with client.span("s", operation, input={"x": 1}):
        pass
    assert attributes_of(only(spans)) == attributes


def test_a_decorated_function_records_its_arguments_and_result(spans: Spans) -> None:
    @client.trace_lesson("request.lesson_id")
    def generate(request: dict[str, str], level: int = 3) -> str:
        return f"{request['topic']} {level}"

    assert generate({"lesson_id": "lesson-7", "topic": "rivers"}) == "rivers 3"
    assert attributes_of(only(spans)) == {
        "gen_ai.operation.name": "lesson",
        "lesson.id": "lesson-7",
        "request_data": '{"request": {"lesson_id": "lesson-7", "topic": "rivers"}, "level": 3}',
        "response_data": "rivers 3",
    }


def test_the_lesson_id_may_be_a_function_of_the_arguments(spans: Spans) -> None:
    @client.trace_lesson(lambda arguments: f"{arguments['course']}/{arguments['number']}")
    def generate(course: str, number: int) -> None:
        """Do nothing."""

    generate("geography", 7)
    assert attributes_of(only(spans))["lesson.id"] == "geography/7"


def test_a_text_that_names_no_argument_is_the_lesson_id(spans: Spans) -> None:
    @client.trace_lesson("lesson-9")
    def generate() -> None:
        """Do nothing."""

    generate()
    assert attributes_of(only(spans))["lesson.id"] == "lesson-9"


def test_an_error_in_the_lesson_id_function_does_not_reach_the_application(spans: Spans) -> None:
    @client.trace_lesson(lambda arguments: 1 / 0)
    def generate() -> str:
        return "made"

    assert generate() == "made"


def test_an_async_function_is_traced_while_it_runs(spans: Spans) -> None:
    @client.trace_lesson("lesson_id")
    async def generate(lesson_id: str) -> str:
        await asyncio.sleep(0)
        async with client.llm_call("openai", "m"):
            await asyncio.sleep(0)
        return lesson_id

    async def both() -> tuple[str, str]:
        return await asyncio.gather(generate("a"), generate("b"))

    assert list(asyncio.run(both())) == ["a", "b"]
    assert inspect.iscoroutinefunction(generate)
    assert len(trace_ids(spans)) == 2
    calls = [span for span in spans.get_finished_spans() if span.name == "chat m"]
    assert len({call.parent.span_id for call in calls if call.parent}) == 2


def test_a_generator_is_traced_to_its_last_item(spans: Spans) -> None:
    @client.trace_lesson("lesson_id")
    def generate(lesson_id: str) -> Iterator[str]:
        yield "Rivers "
        with client.span("inside"):
            yield "flow."

    items = []
    for item in generate("lesson-1"):
        assert otel.get_current_span() is otel.INVALID_SPAN  # the consumer is outside the lesson
        items.append(item)
    assert items == ["Rivers ", "flow."]
    assert attributes_of(by_name(spans)["lesson"])["response_data"] == "Rivers flow."


def test_a_traced_generator_accepts_sent_values_and_exceptions(spans: Spans) -> None:
    @client.span("talk")
    def talk() -> Iterator[Any]:
        try:
            received = yield "first"
            yield received
        except Broken:
            yield "caught"

    generator: Any = talk()
    assert (next(generator), generator.send("second"), generator.throw(Broken())) == ("first", "second", "caught")
    generator.close()
    assert only(spans).status.status_code is StatusCode.OK


def test_a_generator_that_fails_is_an_error(spans: Spans) -> None:
    @client.span("talk")
    def talk() -> Iterator[str]:
        yield "first"
        raise Broken

    with pytest.raises(Broken):
        list(talk())
    assert only(spans).status.status_code is StatusCode.ERROR


def test_an_async_generator_is_traced_to_its_last_item(spans: Spans) -> None:
    @client.span("talk")
    async def talk() -> AsyncIterator[str]:
        yield "Rivers "
        await asyncio.sleep(0)
        yield "flow."

    async def consume() -> list[str]:
        return [item async for item in talk()]

    assert asyncio.run(consume()) == ["Rivers ", "flow."]
    assert attributes_of(only(spans))["output.value"] == "Rivers flow."


def test_a_method_records_its_arguments_without_self(spans: Spans) -> None:
    class Teacher:
        @client.span("teach")
        def teach(self, *topics: str, **more: int) -> None:
            """Do nothing."""

    Teacher().teach("rivers", level=3)
    assert attributes_of(only(spans))["input.value"] == '{"topics": ["rivers"], "level": 3}'


def test_a_call_with_wrong_arguments_raises_the_usual_type_error(spans: Spans) -> None:
    @client.span("step")
    def step(needed: int) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="needed"):
        step()  # type: ignore[call-arg]


class Hostile:
    """An object of which every attribute access fails."""

    def __repr__(self) -> str:
        raise Broken

    __str__ = __repr__

    def __getattribute__(self, name: str) -> Any:
        raise Broken


STRANGE: dict[str, Callable[[], Any]] = {
    "hostile": Hostile,
    "inside": lambda: {"deep": [Hostile(), {1, 2}, b"bytes", float("nan"), 10**5000, "\ud800"]},
    "lock": threading.Lock,
    "generator": lambda: (number for number in range(3)),
    "keys": lambda: {Hostile: Hostile},
}


@pytest.mark.parametrize("kind", STRANGE)
def test_any_value_can_be_recorded(kind: str, spans: Spans) -> None:
    value = STRANGE[kind]()
    with client.trace_lesson("lesson-1", value) as lesson:
        lesson.response = value
        lesson.set("anything", value)
        with lesson.llm_call(None, None, messages=value) as call:
            call.respond(value)
            call.usage(input_tokens=value)
            call.fail(value)
    assert len(spans.get_finished_spans()) == 2


def test_an_exception_whose_message_fails_is_re_raised_unchanged(spans: Spans) -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise Broken

    with pytest.raises(Unprintable), client.trace_lesson("lesson-1"):
        raise Unprintable
    assert only(spans).status.status_code is StatusCode.ERROR


def test_values_set_after_the_end_are_ignored_without_a_log_line(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    with client.llm_call("openai", "m") as call:
        pass
    call.respond("late", model="m")
    call.usage(input_tokens=1)
    call.set("late", 1)
    call.fail("late")
    call.end()
    assert only(spans).status.status_code is StatusCode.OK
    assert caplog.messages == []


def test_steps_run_without_a_configuration(configure: Configure) -> None:
    with client.trace_lesson("lesson-1", {"a": 1}) as lesson:
        lesson.response = 1
        with lesson.llm_call("openai", "m", prompt="x") as call:
            call.usage(input_tokens=1)
    assert (lesson.is_recording, lesson.trace_id, client.stats()) == (False, "0" * 32, client.Stats())


def _provider() -> Any:
    from tracestore_client._state import state

    return state.provider
