"""What opens a step: a context manager, sync or async, which is also a decorator."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from ._functions import Runs, inside


class Opens(Runs, Protocol):
    """A step, as seen from what opens it."""

    def begin(self) -> None:
        """It starts now, and is what spans that start from here on are in."""

    def take_arguments(self, arguments: Mapping[str, Any]) -> None:
        """What went in."""


S = TypeVar("S", bound=Opens)
F = TypeVar("F", bound=Callable[..., Any])


class Opening(Generic[S]):
    """`with` it for one step; decorate a function with it for a step a call, with its arguments and its result."""

    def __init__(self, make: Callable[[Mapping[str, Any] | None], S]) -> None:
        self._make = make
        self._open: list[S] = []

    def __enter__(self) -> S:
        step = self._make(None)
        step.begin()
        self._open.append(step)
        return step

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._open.pop().end(failure)

    async def __aenter__(self) -> S:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, stack: TracebackType | None
    ) -> None:
        self.__exit__(kind, failure, stack)

    def __call__(self, function: F) -> F:
        return inside(function, self._begun)

    def _begun(self, arguments: Mapping[str, Any]) -> S:
        step = self._make(arguments)
        step.begin()
        step.take_arguments(arguments)
        return step
