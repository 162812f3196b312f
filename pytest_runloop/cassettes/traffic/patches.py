"""Replacing attributes of foreign classes and modules, and putting back exactly what was there. Knows no client."""

from __future__ import annotations

from typing import Any

_ABSENT = object()


class Patches:
    """Attributes replaced by this object, until ``close``."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, object, object]] = []

    def replace(self, owner: Any, name: str, value: object) -> None:  # noqa: ANN401 - a class or a module
        """Set an attribute; what the owner itself has is kept, not what it inherits."""
        self._replaced.append((owner, name, vars(owner).get(name, _ABSENT), value))
        setattr(owner, name, value)

    def close(self) -> None:
        """Put everything back, the last first. Idempotent.

        What somebody else has put over ours since is left alone: it's theirs to take away. It may bring ours back then,
        so what is put in place here must let everything pass once its owner is closed.
        """
        while self._replaced:
            owner, name, before, ours = self._replaced.pop()
            if vars(owner).get(name, _ABSENT) is not ours:
                continue
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
