"""What tests that share a sandbox have to agree on, and a name for it that is the same on every computer. Pure."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_runloop.spec import SandboxSpec

_DIGITS = 12
_MANAGED = "managed_secrets"
_LONGEST_TEXT = 1 << 16
"""Bytes. A longer content is told by its digest."""


def wish(spec: SandboxSpec) -> SandboxSpec:
    """Return the spec without what differs between tests that ask for the same."""
    # Local files are absolute by now; a manifest may still name some relative to the test.
    return dataclasses.replace(spec, test="", local_root=Path() if spec.manifest is None else spec.local_root)


def key_of(spec: SandboxSpec, *, root: Path, clean: Callable[[str], str]) -> str:
    """Return a name for a wish: its account, and a digest of all it asks for.

    Args:
        spec: The wish.
        root: Local paths count from here.
        clean: Takes secrets out of a text.
    """
    fields = {name: _plain(getattr(spec, name), root) for name in _TELLING}
    options = {name: value for name, value in spec.options.items() if name != _MANAGED}
    # Their values are secrets, which every computer has of its own.
    secrets = spec.options.get(_MANAGED)
    fields["secrets"] = sorted(secrets) if isinstance(secrets, Mapping) else []
    fields["options"] = _plain(options, root)
    text = clean(json.dumps(fields, sort_keys=True))
    return f"{spec.user}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGITS]}"


def secrets_of(spec: SandboxSpec, is_secret: Callable[[str], bool]) -> dict[str, str]:
    """Return the values that a wish tells a sandbox in secret, by name.

    Args:
        spec: The wish.
        is_secret: Tells whether a variable of this name is one.
    """
    managed, variables = (spec.options.get(name) for name in (_MANAGED, "env_vars"))
    told = {**managed} if isinstance(managed, Mapping) else {}
    if isinstance(variables, Mapping):
        told |= {name: value for name, value in variables.items() if is_secret(str(name))}
    return {name: value for name, value in told.items() if isinstance(value, str)}


_TELLING = ("user", "blueprint", "manifest", "files", "setup")


def _plain(value: object, root: Path) -> object:
    """Return a value as JSON that tells it from others, without addresses in memory."""
    if isinstance(value, enum.Enum):
        return _plain(value.value, root)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one, root) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, root) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(_plain(one, root), sort_keys=True) for one in value)
    return _leaf(value, root)


def _leaf(value: object, root: Path) -> object:
    if isinstance(value, (bytes, bytearray)):
        return _content(bytes(value))
    if isinstance(value, Path):
        return {"path": value.relative_to(root).as_posix() if value.is_relative_to(root) else value.name}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), root) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return _plain(dump(), root)
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return {"name": f"{getattr(value, '__module__', '')}.{name}"}


def _content(data: bytes) -> object:
    if len(data) <= _LONGEST_TEXT:
        # Text as it is: of a digest no secret can be taken out.
        with contextlib.suppress(UnicodeDecodeError):
            return {"text": data.decode()}
    return {"sha256": hashlib.sha256(data).hexdigest()}
