"""Functions of every kind, made to run inside a step: plain, async, generators, and async generators.

A wrapped function takes the same arguments, gives the same results and raises the same exceptions as before. A
generator's span lasts from its first item to its last, and is current only while the generator's own code runs.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any, Final, Protocol, TypeVar, cast

from ._quiet import never_raises

F = TypeVar("F", bound=Callable[..., Any])

MAX_ITEMS: Final = 10_000
"""How much of what a generator yields is remembered for its output."""


class Runs(Protocol):
    """What a function runs inside of."""

    def enter(self) -> None:
        """Its code runs now."""

    def leave(self) -> None:
        """Its code pauses."""

    def take_result(self, value: Any) -> None:
        """What came out."""

    def end(self, failure: BaseException | None = None) -> None:
        """It is over."""


class Untraced:
    """What a function runs inside of that is not to be traced."""

    def enter(self) -> None:
        """Nothing."""

    def leave(self) -> None:
        """Nothing."""

    def take_result(self, value: Any) -> None:
        """Nothing."""

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing."""


def inside(function: F, begin: Callable[[Mapping[str, Any]], Runs]) -> F:
    """`function`, each call of which runs inside what `begin` makes of its arguments."""
    arguments = Arguments(function)
    wrapper: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await _awaited(begin(arguments(args, kwargs)), function, args, kwargs)

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            return _async_items(function(*args, **kwargs), lambda: begin(arguments(args, kwargs)))

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            step = begin(arguments(args, kwargs))
            step.leave()
            # A call that does not fit fails here, before there is a generator.
            try:
                items = function(*args, **kwargs)
            except BaseException as failure:
                step.end(failure)
                raise
            return (yield from _items(items, step))

    else:

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            step = begin(arguments(args, kwargs))
            try:
                result = function(*args, **kwargs)
            except BaseException as failure:
                step.end(failure)
                raise
            if inspect.iscoroutine(result):  # such as of a partial of an async function
                step.leave()
                return _finished(step, result)
            if inspect.isgenerator(result):
                step.leave()
                return _items(result, step)
            step.take_result(result)
            step.end()
            return result

    return cast(F, wrapper)


class Arguments:
    """The arguments of a call by their names, defaults included, without `self` and `cls`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature: inspect.Signature | None = None
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError):  # some functions in C have none
            return
        names = list(self._signature.parameters)
        is_method = "." in getattr(function, "__qualname__", "").rpartition("<locals>.")[2]
        self._bound_to = names[0] if names and is_method and names[0] in ("self", "cls") else None

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Never raises: a call that does not fit the function is the function's to refuse."""
        return self._named(args, kwargs) or {}

    @never_raises(None)
    def _named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        if self._signature is None:
            return {**({"args": args} if args else {}), **kwargs}
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            return {**({"args": args} if args else {}), **kwargs}
        bound.apply_defaults()
        named: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = self._signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                named.update(value)
            elif name != self._bound_to and (value or kind is not inspect.Parameter.VAR_POSITIONAL):
                named[name] = value
        return named


async def _awaited(step: Runs, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        result = await function(*args, **kwargs)
    except BaseException as failure:
        step.end(failure)
        raise
    step.take_result(result)
    step.end()
    return result


async def _finished(step: Runs, coroutine: Any) -> Any:
    step.enter()
    try:
        result = await coroutine
    except BaseException as failure:
        step.end(failure)
        raise
    step.take_result(result)
    step.end()
    return result


def _items(inner: Generator[Any, Any, Any], step: Runs) -> Generator[Any, Any, Any]:
    """What `inner` yields, takes and returns, each piece of it run inside the step."""
    yielded = _Yielded()
    go_on: Callable[[Any], Any] = inner.send
    given: Any = None
    try:
        while True:
            step.enter()
            try:
                item = go_on(given)
            except StopIteration as stop:
                step.take_result(yielded.whole() if yielded.any else stop.value)
                step.end()
                return stop.value
            finally:
                step.leave()
            yielded.add(item)
            try:
                given = yield item
                go_on = inner.send
            except GeneratorExit:
                step.enter()
                inner.close()
                raise
            except BaseException as thrown:
                given, go_on = thrown, inner.throw
    except GeneratorExit:  # nobody wants the rest: no failure
        step.take_result(yielded.whole())
        step.end()
        raise
    except BaseException as failure:
        step.take_result(yielded.whole())
        step.end(failure)
        raise


async def _async_items(inner: AsyncGenerator[Any, Any], begin: Callable[[], Runs]) -> AsyncGenerator[Any, Any]:
    step = begin()
    step.leave()
    yielded = _Yielded()
    go_on: Callable[[Any], Any] = inner.asend
    given: Any = None
    try:
        while True:
            step.enter()
            try:
                item = await go_on(given)
            except StopAsyncIteration:
                step.take_result(yielded.whole())
                step.end()
                return
            finally:
                step.leave()
            yielded.add(item)
            try:
                given = yield item
                go_on = inner.asend
            except GeneratorExit:
                step.enter()
                await inner.aclose()
                raise
            except BaseException as thrown:
                given, go_on = thrown, inner.athrow
    except GeneratorExit:
        step.take_result(yielded.whole())
        step.end()
        raise
    except BaseException as failure:
        step.take_result(yielded.whole())
        step.end(failure)
        raise


class _Yielded:
    """What a generator has yielded: its text where it yields texts, else its items."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._count = 0

    @property
    def any(self) -> bool:
        return self._count > 0

    def add(self, item: Any) -> None:
        self._count += 1
        if len(self._items) < MAX_ITEMS:
            self._items.append(item)

    def whole(self) -> Any:
        if self._items and all(isinstance(item, str) for item in self._items):
            return "".join(self._items)
        more = self._count - len(self._items)
        return [*self._items, f"… [cut: {more} more]"] if more else self._items
