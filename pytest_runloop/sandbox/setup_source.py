"""What a setup callable does, as data: equal exactly if its source, and what that reaches in its own module, is equal.

Two runs, or two machines, may share a prepared sandbox only if the same setup prepared it. A function can't be
compared, its source can. What it takes from elsewhere counts as well: plain values by what they are, functions and
classes of its own module by their source, everything else by its name only.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath

from pytest_runloop.errors import SpecError

_OF_EVERY_CLASS = frozenset(
    {"__dict__", "__doc__", "__module__", "__weakref__", "__firstlineno__", "__static_attributes__"}
)

FUNCTION = "give a function of a file, and hand it plain values"


def described(setup: object) -> object:
    """Return JSON that tells setups apart.

    Raises:
        SpecError: Its source can't be read, or it depends on a value that can't be compared between runs.
    """
    if isinstance(setup, tuple):
        return {"commands": list(setup)}
    return {"callable": _Reader().callable(setup)}


class _Reader:
    """Describe a callable with everything it reaches, each function once."""

    def __init__(self) -> None:
        self._seen: set[object] = set()

    def callable(self, target: object) -> object:
        if isinstance(target, functools.partial):
            return {
                "partial": self.callable(target.func),
                "args": [self._value(value, where="an argument of partial") for value in target.args],
                "keywords": self._values(target.keywords, where="partial"),
            }
        if isinstance(target, types.MethodType):
            return {"method": self.callable(target.__func__), "self": self._value(target.__self__, where="self")}
        if not isinstance(target, types.FunctionType):
            message = f"setup: {target!r} is no function, so nobody can tell whether it stayed the same; {FUNCTION}"
            raise SpecError(message, field="setup")
        return self._function(target)

    def _function(self, function: types.FunctionType) -> object:
        if function in self._seen:
            return function.__qualname__
        self._seen.add(function)
        return {
            "name": function.__qualname__,
            "source": _source(function),
            "defaults": [self._value(value, where="a default") for value in function.__defaults__ or ()],
            "keyword defaults": self._values(function.__kwdefaults__ or {}, where="a default"),
            "closure": self._values(_closure(function), where=function.__qualname__),
            "globals": self._globals(function),
        }

    def _globals(self, function: types.FunctionType) -> object:
        names = sorted(_names(function.__code__) & function.__globals__.keys())
        return {name: self._global(function.__globals__[name], home=function.__module__) for name in names}

    def _global(self, value: object, *, home: str) -> object:
        if isinstance(value, types.FunctionType) and value.__module__ == home:
            return self._function(value)
        if isinstance(value, type) and value.__module__ == home:
            return self._class(value, home=home)
        plain = _plain(value)
        return plain if plain is not None else getattr(value, "__qualname__", type(value).__qualname__)

    def _class(self, kind: type, *, home: str) -> object:
        # By its members: the source of a class is found only if its module is registered, which pytest may not do.
        if kind in self._seen:
            return kind.__qualname__
        self._seen.add(kind)
        members = {name: value for name, value in vars(kind).items() if name not in _OF_EVERY_CLASS}
        return {
            "name": kind.__qualname__,
            "bases": [base.__qualname__ for base in kind.__bases__],
            "members": {
                name: self._global(getattr(value, "__func__", value), home=home) for name, value in members.items()
            },
        }

    def _values(self, values: Mapping[str, object], *, where: str) -> dict[str, object]:
        return {name: self._value(value, where=f"{name!r} of {where}") for name, value in values.items()}

    def _value(self, value: object, *, where: str) -> object:
        if isinstance(value, (types.FunctionType, functools.partial)):
            return self.callable(value)
        plain = _plain(value)
        if plain is None:
            message = (
                f"setup: {where} is a {type(value).__name__}, and nobody can tell whether it is the same in the next "
                f"run; {FUNCTION}"
            )
            raise SpecError(message, field="setup")
        return plain


def _plain(value: object) -> object:
    """Return a value as JSON with its type, or None if it is not plain."""
    if value is None or isinstance(value, (bool, int, float, str, bytes, complex)):
        return [type(value).__name__, repr(value)]
    if isinstance(value, PurePath):
        return ["path", str(value)]
    if isinstance(value, (tuple, list)):
        return _all_plain(type(value).__name__, value)
    if isinstance(value, (set, frozenset)):
        return _all_plain(type(value).__name__, sorted(value, key=repr))
    if isinstance(value, Mapping):
        return _all_plain("mapping", sorted(value.items(), key=repr))
    return None


def _all_plain(kind: str, members: Iterable[object]) -> object:
    described = [_plain(member) for member in members]
    return None if any(member is None for member in described) else [kind, described]


def _source(target: Callable[..., object]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(target))
    except (OSError, TypeError) as error:
        message = f"setup: the source of {target.__qualname__} can't be read ({error}); {FUNCTION}"
        raise SpecError(message, field="setup") from error


def _closure(function: types.FunctionType) -> dict[str, object]:
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return values


def _names(code: types.CodeType) -> set[str]:
    """Return the names a function uses, in the functions inside it as well."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
