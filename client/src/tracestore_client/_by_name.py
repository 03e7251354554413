"""Functions that are lessons by configuration alone: found by name, and wrapped where they stand.

A module that is loaded already is changed at once, together with the names that other modules have imported the
function by; any other when it is imported. A wrapper asks for its rule at each call, so a new configuration changes
the functions that are wrapped already.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from ._functions import Runs, Untraced, inside
from ._quiet import never_raises, tell_once
from ._settings import LessonRule
from ._steps import Lesson, named_in

_rules: dict[str, LessonRule] = {}
_found: Final[set[str]] = set()
_MARK: Final = "__tracestore_lesson__"  # of a wrapper: a module may be loaded anew, its functions with it
_lock = threading.RLock()


def trace_as_lessons(rules: Sequence[LessonRule]) -> None:
    """Make every call of the functions that `rules` name a lesson trace, and of no others. Never raises."""
    with _lock:
        _rules.clear()
        _rules.update((rule.target, rule) for rule in rules)
    if rules and _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    for name in {_module_of(rule.target) for rule in rules}:
        module = sys.modules.get(name)
        if module is not None:
            _wrap_in(module, is_loading=getattr(getattr(module, "__spec__", None), "_initializing", False))
        elif module is None and not _is_findable(name.partition(".")[0]):
            _tell_missing(name, "no such module can be found from here")


def tell_of_missing() -> None:
    """Log which modules never came."""
    for target in list(_rules):
        if target not in _found and _module_of(target) not in sys.modules:
            _tell_missing(_module_of(target), "the module was never imported")


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the others find the modules that rules name, and looks at them once they are loaded."""

    def __init__(self) -> None:
        self._asking = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if getattr(self._asking, "on", False) or not any(_module_of(rule) == name for rule in list(_rules)):
            return None
        self._asking.on = True
        try:
            spec = importlib.util.find_spec(name)
        except Exception:  # theirs: it is raised again when the next finder is asked
            return None
        finally:
            self._asking.on = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            _loads_then_wraps(spec.loader)
        return spec


_finder: Final = _Finder()


@never_raises(None)
def _loads_then_wraps(loader: Any) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        _wrap_in(module)

    loader.exec_module = exec_module  # of this one object, which was made for this one module


@never_raises(None)
def _wrap_in(module: ModuleType, *, is_loading: bool = False) -> None:
    for target, rule in list(_rules.items()):
        if _module_of(target) == module.__name__:
            _wrap(module, rule, is_loading)


def _wrap(module: ModuleType, rule: LessonRule, is_loading: bool) -> None:
    *path, name = rule.target.partition(":")[2].split(".")
    holder: Any = module
    try:
        for step in path:
            holder = getattr(holder, step)
        # As it stands there, not as it is looked up: what a class inherits is wrapped in this class alone.
        found = vars(holder)[name] if name in vars(holder) else getattr(holder, name)
    except AttributeError:
        reason = "is still being imported: configure before" if is_loading else "has no such function"
        return _tell_missing(rule.target, f"the module {module.__name__} {reason}")
    kind = type(found) if isinstance(found, staticmethod | classmethod) else None
    function = found.__func__ if kind else found
    if not callable(function) or isinstance(function, type):
        return _tell_missing(rule.target, "that is no function")
    _found.add(rule.target)
    if getattr(function, _MARK, None) == rule.target:
        return None
    wrapper = _as_lesson(function, rule.target)
    setattr(holder, name, kind(wrapper) if kind else wrapper)
    if holder is module:
        _replace_elsewhere(function, wrapper)
    return None


def _as_lesson(function: Any, target: str) -> Any:
    def begin(arguments: Mapping[str, Any]) -> Runs:
        rule = _rules.get(target)
        if rule is None:
            return Untraced()
        name = rule.name or f"lesson {target.partition(':')[2]}"
        lesson = Lesson(name, named_in(arguments, rule.lesson_id) if rule.lesson_id else None, {})
        lesson.begin()
        lesson.take_arguments({name: value for name, value in arguments.items() if name not in rule.exclude})
        return lesson

    wrapper = inside(function, begin)
    setattr(wrapper, _MARK, target)
    return wrapper


def _replace_elsewhere(function: Any, wrapper: Any) -> None:
    """Change the name in the modules that have done `from module import function`."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict):
            continue
        for name, value in list(names.items()):
            if value is function:
                names[name] = wrapper


def _module_of(target: str) -> str:
    return target.partition(":")[0]


def _is_findable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _tell_missing(what: str, reason: str) -> None:
    tell_once(
        f"lesson {what}",
        "The lesson function %s is not traced: %s. Check the name in lessons or TRACESTORE_LESSONS.",
        what,
        reason,
        level=logging.ERROR,
    )
