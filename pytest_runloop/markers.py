"""From ``@pytest.mark.runloop(...)`` to a ``SandboxSpec``: which mark wins, and how arguments become a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.errors import SpecError
from pytest_runloop.fields import BLUEPRINTS, NAMES, check
from pytest_runloop.spec import SandboxSpec, Scope

HELP = (
    f"runloop(*, {', '.join(NAMES)}): describe the sandbox that the runloop_* and suspended_* fixtures give a test. "
    "blueprint is a name, a bpt_... id or a pytest_runloop.Blueprint; files maps paths to text, bytes or local Paths; "
    "setup is shell commands or a callable that gets the sandbox: what it makes is kept, and found by later tests and "
    "runs; scope (function, class, module, session) shares one sandbox among tests that ask for the same; the other "
    "arguments are those of the OpenAI Agents SDK's RunloopSandboxClientOptions, and its Manifest. Marks on module, "
    "class and function merge argument by argument; the closest wins."
)


def spec_for(item: pytest.Item, *, defaults: object) -> SandboxSpec:
    """Merge the project's defaults and a test's marks, argument by argument; the closest mark wins.

    An argument is replaced whole: a closer ``env_vars`` does not add to a farther one. The three ways to name a
    blueprint count as one argument.

    Raises:
        SpecError: An argument has no such name, a wrong type or an impossible value.
    """
    if not isinstance(defaults, Mapping):
        msg = f"{item.nodeid}: runloop_defaults: it gave a {type(defaults).__name__}; return a mapping of arguments"
        raise SpecError(msg)
    spec = SandboxSpec(test=item.nodeid, local_root=item.path.parent)
    spec = override(spec, defaults, origin="runloop_defaults")
    for mark in reversed(_closest_first(item)):
        if mark.args:
            msg = (
                f"{item.nodeid}: mark.runloop: {mark.args[0]!r} is positional; name it, as in mark.runloop(blueprint=…)"
            )
            raise SpecError(msg)
        spec = override(spec, mark.kwargs, origin="mark.runloop")
    return spec


def override(spec: SandboxSpec, fields: Mapping[str, object], *, origin: str) -> SandboxSpec:
    """Return a spec with some arguments replaced.

    Args:
        spec: What to start from.
        fields: Arguments of the mark by name; None goes back to the default.
        origin: Where they were written, for messages.

    Raises:
        SpecError: An argument has no such name, a wrong type or an impossible value.
    """
    check(fields, where=f"{spec.test}: {origin}")
    ours = {name: _normal(name, value, spec) for name, value in fields.items() if name in _OURS}
    if BLUEPRINTS & set(fields):
        ours["blueprint"] = next((value for value in fields.values() if isinstance(value, Blueprint)), None)
    return replace(spec, options=_options(spec.options, fields), **ours)


def as_root(spec: SandboxSpec) -> SandboxSpec:
    """Return the same wish for root, whatever account its ``user_parameters`` name."""
    others = {name: value for name, value in spec.options.items() if name != "user_parameters"}
    return replace(spec, user="root", options=MappingProxyType(others))


def _closest_first(item: pytest.Item) -> list[pytest.Mark]:
    """Order marks as a reader would.

    pytest's order, mended in two places: the marks of one parameter set come before those of the function, and those
    of a class before those of its bases.
    """
    found = list(item.iter_markers_with_node("runloop"))
    depths = {node: depth for depth, node in enumerate(reversed(item.listchain()))}
    found.sort(key=lambda pair: (depths[pair[0]], _rank(*pair)))
    return [mark for _, mark in found]


def _rank(node: object, mark: pytest.Mark) -> int:
    if isinstance(node, pytest.Class):
        return next(_bases_with(mark, node.obj), 0)
    callspec = getattr(node, "callspec", None)
    return 0 if callspec is None or any(mark is other for other in callspec.marks) else 1


def _bases_with(mark: pytest.Mark, cls: type) -> Iterator[int]:
    for rank, base in enumerate(cls.__mro__):
        marks = base.__dict__.get("pytestmark", [])
        marks = marks if isinstance(marks, list) else [marks]
        if any(mark is getattr(other, "mark", other) for other in marks):
            yield rank


_OURS = frozenset({"manifest", "files", "setup", "scope"})


def _normal(name: str, value: Any, spec: SandboxSpec) -> Any:
    """Spell equal wishes equally: that is how tests with the same scope find each other."""
    if name == "files":
        return MappingProxyType({path: _absolute(source, spec.local_root) for path, source in (value or {}).items()})
    if name == "setup":
        return value if callable(value) else (value,) if isinstance(value, str) else tuple(value or ())
    return Scope(value or "function") if name == "scope" else value


def _absolute(source: object, root: Path) -> object:
    return root / source if isinstance(source, Path) else source


def _options(options: Mapping[str, object], fields: Mapping[str, object]) -> Mapping[str, object]:
    given = {name: value for name, value in fields.items() if name not in _OURS}
    replaced = set(given) | (BLUEPRINTS if BLUEPRINTS & set(given) else set())
    merged = {name: value for name, value in options.items() if name not in replaced}
    named = {name: value for name, value in given.items() if value is not None and not isinstance(value, Blueprint)}
    merged.update(_option(name, value) for name, value in named.items())
    return MappingProxyType(merged)


def _option(name: str, value: Any) -> tuple[str, object]:
    if name == "blueprint":
        return "blueprint_id" if str(value).startswith("bpt_") else "blueprint_name", value
    return name, tuple(value) if name == "exposed_ports" else value
