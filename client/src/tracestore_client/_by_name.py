"""Lessons by configuration alone: functions that rules name are found and wrapped in their modules.

A module that is already loaded is changed at once, and so are the names under which other modules have imported the
function. Any other module is changed when it is imported. A wrapper looks up its rule at each call, so a new
configuration also applies to functions that are already wrapped.
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

from ._failures import log_once, never_raises
from ._functions import NullScope, Scope, inside
from ._settings import LessonRule
from ._steps import Lesson, select_argument

_rules: dict[str, LessonRule] = {}
_wrapped_targets: Final[set[str]] = set()
_TARGET_ATTRIBUTE: Final = "__tracestore_lesson__"
"""The attribute of a wrapper that contains its target. A reload replaces a module's functions, wrappers included, so
`_wrapped_targets` cannot show whether a function is a wrapper.
"""
_lock = threading.RLock()


def trace_as_lessons(rules: Sequence[LessonRule]) -> None:
    """Trace every call of the functions that `rules` name as a lesson, and of no others.

    *repeat*: the new rules replace all earlier ones.
    *raises*: never; a rule that cannot be applied is logged.
    """
    with _lock:
        _rules.clear()
        _rules.update((rule.target, rule) for rule in rules)
    if rules and _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    for name in {_module_of(rule.target) for rule in rules}:
        module = sys.modules.get(name)
        if module is not None:
            _wrap_in(module, is_loading=getattr(getattr(module, "__spec__", None), "_initializing", False))
        elif not _is_findable(name.partition(".")[0]):
            _log_not_traced(name, "the module cannot be found")


def log_missing_modules() -> None:
    """Log the modules in the rules that were never imported."""
    for target in list(_rules):
        if target not in _wrapped_targets and _module_of(target) not in sys.modules:
            _log_not_traced(_module_of(target), "the module was never imported")


class _Finder(importlib.abc.MetaPathFinder):
    """An import hook for the modules in the rules.

    The other finders find such a module, and this one makes its loader wrap the functions after loading it.
    """

    def __init__(self) -> None:
        self._thread = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if getattr(self._thread, "is_searching", False) or not any(_module_of(rule) == name for rule in list(_rules)):
            return None
        self._thread.is_searching = True
        try:
            spec = importlib.util.find_spec(name)
        except Exception:  # another finder's failure: it is raised again when the import system calls that finder
            return None
        finally:
            self._thread.is_searching = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            _wrap_after_loading(spec.loader)
        return spec


_finder: Final = _Finder()


@never_raises(None)
def _wrap_after_loading(loader: Any) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        _wrap_in(module)

    loader.exec_module = exec_module  # on this instance only, which was created for this one module


@never_raises(None)
def _wrap_in(module: ModuleType, *, is_loading: bool = False) -> None:
    for target, rule in list(_rules.items()):
        if _module_of(target) == module.__name__:
            _wrap(module, rule, is_loading)


def _wrap(module: ModuleType, rule: LessonRule, is_loading: bool) -> None:
    *path, name = rule.target.partition(":")[2].split(".")
    owner: Any = module
    try:
        for attribute in path:
            owner = getattr(owner, attribute)
        # From `vars`, without descriptor lookup; a function that a class inherits is wrapped in this class alone.
        member = vars(owner)[name] if name in vars(owner) else getattr(owner, name)
    except AttributeError:
        reason = (
            "is still being imported; call configure() before importing it" if is_loading else "has no such function"
        )
        return _log_not_traced(rule.target, f"the module {module.__name__} {reason}")
    method_type = type(member) if isinstance(member, staticmethod | classmethod) else None
    function = member.__func__ if method_type else member
    if not callable(function) or isinstance(function, type):
        return _log_not_traced(rule.target, "it is not a function")
    _wrapped_targets.add(rule.target)
    if getattr(function, _TARGET_ATTRIBUTE, None) == rule.target:
        return None
    wrapper = _as_lesson(function, rule.target)
    setattr(owner, name, method_type(wrapper) if method_type else wrapper)
    if owner is module:
        _replace_imported_names(function, wrapper)
    return None


def _as_lesson(function: Any, target: str) -> Any:
    def begin(arguments: Mapping[str, Any]) -> Scope:
        rule = _rules.get(target)
        if rule is None:
            return NullScope()
        name = rule.name or f"lesson {target.partition(':')[2]}"
        lesson = Lesson(name, select_argument(arguments, rule.lesson_id) if rule.lesson_id else None, {})
        lesson.begin()
        lesson.record_arguments({name: value for name, value in arguments.items() if name not in rule.exclude})
        return lesson

    wrapper = inside(function, begin)
    setattr(wrapper, _TARGET_ATTRIBUTE, target)
    return wrapper


def _replace_imported_names(function: Any, wrapper: Any) -> None:
    """Rebind the name in modules that have executed `from module import function`."""
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


def _log_not_traced(target_or_module: str, reason: str) -> None:
    log_once(
        f"lesson {target_or_module}",
        "Cannot trace lessons of %s: %s. Check the names in lessons or TRACESTORE_LESSONS.",
        target_or_module,
        reason,
        level=logging.ERROR,
    )
