"""Wrappers that run a function of any kind inside a scope: plain, async, generator or async generator.

A wrapped function accepts the same arguments, returns the same results and raises the same exceptions as before. A
generator's scope lasts from its first item to its last, and is current only while the generator's own code runs.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any, Final, Protocol, TypeVar, cast

from ._failures import never_raises

F = TypeVar("F", bound=Callable[..., Any])

MAX_ITEMS: Final = 10_000
"""How many items of a generator are recorded as its output."""


class Scope(Protocol):
    """The scope that a function runs in, such as a step."""

    def enter(self) -> None:
        """Make the scope current: the function's code runs now."""

    def leave(self) -> None:
        """Make the scope no longer current: the function's code pauses."""

    def record_result(self, value: Any) -> None:
        """Record the function's result."""

    def end(self, failure: BaseException | None = None) -> None:
        """End the scope, with the exception that ended the function, if any."""


class NullScope:
    """A scope that records nothing, for calls that are not traced."""

    def enter(self) -> None:
        """Do nothing."""

    def leave(self) -> None:
        """Do nothing."""

    def record_result(self, value: Any) -> None:
        """Do nothing."""

    def end(self, failure: BaseException | None = None) -> None:
        """Do nothing."""


def inside(function: F, begin: Callable[[Mapping[str, Any]], Scope]) -> F:
    """A wrapper of `function` that runs each call inside the scope that `begin` creates from its arguments."""
    call_arguments = CallArguments(function)
    wrapper: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await _call_async(begin(call_arguments(args, kwargs)), function, args, kwargs)

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            return _iterate_async(function(*args, **kwargs), lambda: begin(call_arguments(args, kwargs)))

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            scope = begin(call_arguments(args, kwargs))
            scope.leave()
            # A call with wrong arguments fails here, before a generator exists.
            try:
                generator = function(*args, **kwargs)
            except BaseException as failure:
                scope.end(failure)
                raise
            return (yield from _iterate(generator, scope))

    else:

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            scope = begin(call_arguments(args, kwargs))
            try:
                result = function(*args, **kwargs)
            except BaseException as failure:
                scope.end(failure)
                raise
            if inspect.iscoroutine(result):  # for example from a partial of an async function
                scope.leave()
                return _await_inside(scope, result)
            if inspect.isgenerator(result):
                scope.leave()
                return _iterate(result, scope)
            scope.record_result(result)
            scope.end()
            return result

    return cast(F, wrapper)


class CallArguments:
    """A converter of a call's arguments to a dict by name, with defaults and without `self` and `cls`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature: inspect.Signature | None = None
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError):  # some functions in C have no signature
            return
        names = list(self._signature.parameters)
        is_method = "." in getattr(function, "__qualname__", "").rpartition("<locals>.")[2]
        self._bound_to = names[0] if names and is_method and names[0] in ("self", "cls") else None

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name.

        *raises*: never; when the arguments do not match the signature, the function itself raises later.
        """
        return self._by_name(args, kwargs) or {}

    @never_raises(None)
    def _by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        if self._signature is None:
            return {**({"args": args} if args else {}), **kwargs}
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            return {**({"args": args} if args else {}), **kwargs}
        bound.apply_defaults()
        arguments: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = self._signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                arguments.update(value)
            elif name != self._bound_to and (value or kind is not inspect.Parameter.VAR_POSITIONAL):
                arguments[name] = value
        return arguments


async def _call_async(scope: Scope, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        result = await function(*args, **kwargs)
    except BaseException as failure:
        scope.end(failure)
        raise
    scope.record_result(result)
    scope.end()
    return result


async def _await_inside(scope: Scope, coroutine: Any) -> Any:
    scope.enter()
    try:
        result = await coroutine
    except BaseException as failure:
        scope.end(failure)
        raise
    scope.record_result(result)
    scope.end()
    return result


def _iterate(generator: Generator[Any, Any, Any], scope: Scope) -> Generator[Any, Any, Any]:
    """Run `generator` with the scope current only in its own code; items, sent values and the result pass through."""
    yielded = _YieldedItems()
    resume: Callable[[Any], Any] = generator.send
    sent: Any = None
    try:
        while True:
            scope.enter()
            try:
                item = resume(sent)
            except StopIteration as stop:
                scope.record_result(yielded.output() if yielded.any else stop.value)
                scope.end()
                return stop.value
            finally:
                scope.leave()
            yielded.add(item)
            try:
                sent = yield item
                resume = generator.send
            except GeneratorExit:
                scope.enter()
                generator.close()
                raise
            except BaseException as thrown:
                sent, resume = thrown, generator.throw
    except GeneratorExit:  # the consumer stopped early: not a failure
        scope.record_result(yielded.output())
        scope.end()
        raise
    except BaseException as failure:
        scope.record_result(yielded.output())
        scope.end(failure)
        raise


async def _iterate_async(generator: AsyncGenerator[Any, Any], begin: Callable[[], Scope]) -> AsyncGenerator[Any, Any]:
    scope = begin()
    scope.leave()
    yielded = _YieldedItems()
    resume: Callable[[Any], Any] = generator.asend
    sent: Any = None
    try:
        while True:
            scope.enter()
            try:
                item = await resume(sent)
            except StopAsyncIteration:
                scope.record_result(yielded.output())
                scope.end()
                return
            finally:
                scope.leave()
            yielded.add(item)
            try:
                sent = yield item
                resume = generator.asend
            except GeneratorExit:
                scope.enter()
                await generator.aclose()
                raise
            except BaseException as thrown:
                sent, resume = thrown, generator.athrow
    except GeneratorExit:
        scope.record_result(yielded.output())
        scope.end()
        raise
    except BaseException as failure:
        scope.record_result(yielded.output())
        scope.end(failure)
        raise


class _YieldedItems:
    """The items that a generator has yielded, up to a limit."""

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

    def output(self) -> Any:
        """The items joined to one text if all are texts, otherwise as a list."""
        if self._items and all(isinstance(item, str) for item in self._items):
            return "".join(self._items)
        omitted_count = self._count - len(self._items)
        return [*self._items, f"… [cut: {omitted_count} more]"] if omitted_count else self._items
