"""What one test asks for, as a frozen value. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_runloop.blueprint import Blueprint

if TYPE_CHECKING:
    from pytest_runloop.sandbox.handle import Sandbox

Setup: TypeAlias = tuple[str, ...] | Callable[["Sandbox"], object]
"""Shell commands run in order, or a callable that gets the ready sandbox."""

FileSource: TypeAlias = str | bytes | Path
"""A file's content as text or bytes, or a local path whose content is taken."""


class Scope(str, enum.Enum):
    """How far one sandbox is shared by tests that ask for the same thing; pytest's own words."""

    FUNCTION = "function"
    CLASS = "class"
    MODULE = "module"
    SESSION = "session"


@dataclass(frozen=True, kw_only=True)
class SandboxSpec:
    """Everything a test wants of its sandbox.

    Attributes:
        test: The node id of the first test that asked, for messages.
        user: The fixture's account: ``user`` (/home/user) or ``root`` (/root), unless ``options["user_parameters"]``
            names another.
        options: Fields of the Agents SDK's ``RunloopSandboxClientOptions`` by their own names, as the mark gave them.
        blueprint: A blueprint described by its content; ``options`` then names none.
        manifest: An SDK ``Manifest``, a mapping of its fields, or None.
        files: Sandbox path (relative to the root, or absolute under it) to content.
        setup: What to run once the files are there.
        scope: Who shares this sandbox.
        local_root: Directory that relative local paths in ``files`` start at (the test file's).
    """

    test: str
    user: Literal["user", "root"] = "user"
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    blueprint: Blueprint | None = None
    manifest: object = None
    files: Mapping[str, FileSource] = field(default_factory=lambda: MappingProxyType({}))
    setup: Setup = ()
    scope: Scope = Scope.FUNCTION
    local_root: Path = Path()
