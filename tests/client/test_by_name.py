"""Functions that are traced as lessons because the configuration names them."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from importlib import import_module, reload
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracestore_client import _by_name
from tracestore_client._settings import rules

SOURCE = """
import functools

def generate(lesson_id, topic="rivers"):
    return {"title": topic}

async def generate_async(lesson_id):
    return "made"

class Teacher:
    def teach(self, lesson_id):
        return "taught"

    @classmethod
    def of(cls, lesson_id):
        return cls.__name__

    @staticmethod
    def alone(lesson_id):
        return "alone"

def stream(lesson_id):
    yield "a"

NUMBER = 1
"""

Module = Callable[[], ModuleType]


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a module that only this test uses and that has not been imported yet."""
    name = f"lessons_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def trace(lesson_options: dict[str, Any]) -> None:
    _by_name.trace_as_lessons(list(rules(lesson_options)))


def lessons(spans: InMemorySpanExporter) -> list[tuple[Any, Any, Any]]:
    """The id, request and response of each lesson."""
    names = ("lesson.id", "request_data", "response_data")
    attributes = [span.attributes or {} for span in spans.get_finished_spans()]
    return [tuple(values.get(name) for name in names) for values in attributes]  # type: ignore[misc]


def test_a_function_in_a_module_imported_later_is_traced(name: str, spans: InMemorySpanExporter) -> None:
    trace({f"{name}:generate": {"lesson_id": "lesson_id"}})
    assert import_module(name).generate("lesson-1") == {"title": "rivers"}
    assert lessons(spans) == [("lesson-1", '{"lesson_id": "lesson-1", "topic": "rivers"}', '{"title": "rivers"}')]


def test_a_function_in_a_loaded_module_is_traced(name: str, spans: InMemorySpanExporter) -> None:
    module = import_module(name)
    trace({f"{name}:generate": "lesson_id"})
    module.generate("lesson-1")
    assert [lesson_id for lesson_id, _, _ in lessons(spans)] == ["lesson-1"]


def test_a_function_that_another_module_has_already_imported_is_traced(name: str, spans: InMemorySpanExporter) -> None:
    module, other = import_module(name), ModuleType(f"{name}_other")
    other.generate = module.generate  # type: ignore[attr-defined]
    sys.modules[other.__name__] = other
    try:
        trace({f"{name}:generate": "lesson_id"})
        other.generate("lesson-1")
    finally:
        del sys.modules[other.__name__]
    assert len(lessons(spans)) == 1


def test_methods_of_every_kind_are_traced(name: str, spans: InMemorySpanExporter) -> None:
    trace({f"{name}:Teacher.{method}": "lesson_id" for method in ("teach", "of", "alone")})
    teacher = import_module(name).Teacher
    assert (teacher().teach("1"), teacher.of("2"), teacher().alone("3")) == ("taught", "Teacher", "alone")
    assert [lesson[:2] for lesson in lessons(spans)] == [(str(n), f'{{"lesson_id": "{n}"}}') for n in (1, 2, 3)]


def test_async_functions_and_generators_are_traced(name: str, spans: InMemorySpanExporter) -> None:
    trace({f"{name}:generate_async": "lesson_id", f"{name}:stream": "lesson_id"})
    module = import_module(name)
    assert (asyncio.run(module.generate_async("1")), list(module.stream("2"))) == ("made", ["a"])
    assert [(lesson_id, response) for lesson_id, _, response in lessons(spans)] == [("1", "made"), ("2", "a")]


def test_arguments_can_be_excluded(name: str, spans: InMemorySpanExporter) -> None:
    trace({f"{name}:generate": {"lesson_id": "lesson_id", "exclude": "topic", "name": "lesson of geography"}})
    import_module(name).generate("lesson-1")
    assert lessons(spans)[0][1] == '{"lesson_id": "lesson-1"}'
    assert spans.get_finished_spans()[0].name == "lesson of geography"


def test_a_second_configuration_does_not_wrap_a_function_twice(name: str, spans: InMemorySpanExporter) -> None:
    module = import_module(name)
    for _ in range(2):
        trace({f"{name}:generate": "lesson_id"})
    module.generate("lesson-1")
    assert len(lessons(spans)) == 1


def test_a_function_is_traced_after_its_module_is_reloaded(name: str, spans: InMemorySpanExporter) -> None:
    trace({f"{name}:generate": "lesson_id"})
    reload(import_module(name)).generate("lesson-1")
    assert len(lessons(spans)) == 1


def test_a_function_that_a_new_configuration_does_not_name_is_no_longer_traced(
    name: str, spans: InMemorySpanExporter
) -> None:
    module = import_module(name)
    trace({f"{name}:generate": "lesson_id"})
    trace({})
    assert module.generate("lesson-1") == {"title": "rivers"}
    assert lessons(spans) == []


@pytest.mark.parametrize(
    ("function", "reason"),
    [("missing", "no such function"), ("Teacher.missing", "no such function"), ("NUMBER", "not a function")],
)
def test_a_name_that_is_not_a_function_is_logged_when_its_module_is_imported(
    function: str, reason: str, name: str, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    trace({f"{name}:{function}": "lesson_id"})
    import_module(name)
    trace({f"{name}:{function}": "lesson_id"})
    assert [f"{name}:{function}" in message and reason in message for message in caplog.messages] == [True]


def test_a_module_that_does_not_exist_is_logged(spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture) -> None:
    trace({"nowhere_to_be_found.lessons:generate": "lesson_id"})
    assert "lessons of nowhere_to_be_found.lessons: the module cannot be found" in caplog.text


def test_a_module_that_fails_to_load_raises_its_own_exception(
    name: str, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    (tmp_path / f"{name}.py").write_text("1 / 0")
    trace({f"{name}:generate": "lesson_id"})
    with pytest.raises(ZeroDivisionError):
        import_module(name)


def test_a_named_function_that_also_traces_itself_is_one_lesson(
    name: str, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    (tmp_path / f"{name}.py").write_text(
        "import tracestore_client\n\n@tracestore_client.trace_lesson('lesson_id')\ndef generate(lesson_id):\n    pass\n"
    )
    trace({f"{name}:generate": "lesson_id"})
    import_module(name).generate("lesson-1")
    assert len({span.context.trace_id for span in spans.get_finished_spans() if span.context}) == 1
