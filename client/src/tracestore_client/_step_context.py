"""The context manager, sync or async, that runs code inside a step. It is also a decorator."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from ._functions import Scope, inside


class StepScope(Scope, Protocol):
    """A step, as far as `StepContext` uses it."""

    def begin(self) -> None:
        """Start the step and make it the parent of the spans that start from now on."""

    def record_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Record the arguments of a decorated function."""


S = TypeVar("S", bound=StepScope)
F = TypeVar("F", bound=Callable[..., Any])


class StepContext(Generic[S]):
    """A step for `with`, or a decorator that runs each call of a function in a step of its own.

    A decorated call's arguments and result are recorded.
    """

    def __init__(self, create: Callable[[Mapping[str, Any] | None], S]) -> None:
        self._create = create
        self._open_steps: list[S] = []

    def __enter__(self) -> S:
        step = self._create(None)
        step.begin()
        self._open_steps.append(step)
        return step

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._open_steps.pop().end(failure)

    async def __aenter__(self) -> S:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, stack: TracebackType | None
    ) -> None:
        self.__exit__(kind, failure, stack)

    def __call__(self, function: F) -> F:
        return inside(function, self._begin_call)

    def _begin_call(self, arguments: Mapping[str, Any]) -> S:
        step = self._create(arguments)
        step.begin()
        step.record_arguments(arguments)
        return step
