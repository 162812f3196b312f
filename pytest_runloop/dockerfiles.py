"""Blueprints of the project's own: names that stand for Dockerfiles. Knows no pytest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.errors import SpecError
from pytest_runloop.spec import SandboxSpec


class Dockerfiles:
    """The names a project has given to Dockerfiles, as in the ini key ``runloop_blueprints``."""

    def __init__(self, paths: Mapping[str, str], *, root: Path) -> None:
        """Remember where they are; none is read before a test asks for it.

        Args:
            paths: Name to path; relative ones start at the root.
            root: The project's.
        """
        self._paths = {name: root / path for name, path in paths.items()}

    def described(self, spec: SandboxSpec) -> SandboxSpec:
        """Return a spec in which a name of the project's own is replaced by what it stands for.

        Raises:
            SpecError: The Dockerfile can't be read.
        """
        path = self._paths.get(str(spec.options.get("blueprint_name")))
        if path is None:
            return spec
        others = {name: value for name, value in spec.options.items() if name != "blueprint_name"}
        return replace(spec, options=MappingProxyType(others), blueprint=Blueprint(dockerfile=_read(path, spec)))


def _read(path: Path, spec: SandboxSpec) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        msg = (
            f"{spec.test}: blueprint: {spec.options['blueprint_name']!r} stands for {path}, which can't be read: "
            f"{reason}; correct runloop_blueprints"
        )
        raise SpecError(msg, field="blueprint") from error
