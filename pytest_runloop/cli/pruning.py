"""Which files no test needs any more."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_runloop.cassettes.files import atomic, document
from pytest_runloop.cassettes.files.names import BODIES, CASSETTES
from pytest_runloop.cli.shelves import below
from pytest_runloop.errors import CassetteError

_STALE = Path(".pytest_cache/v/runloop/stale")
"""Where a replay leaves its list, in pytest's cache."""

_BODY = re.compile(r"[0-9a-f]{32}\.[a-z]+")
_REPLAY = "pytest --runloop-target=replay"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be deleted.

    Attributes:
        doomed: Files, each with the reason.
        notes: What was left, and why.
    """

    doomed: Sequence[tuple[Path, str]]
    notes: Sequence[str]


def plan(root: Path) -> Plan:
    """Return what can be deleted in a project.

    Args:
        root: Where pytest was run, and left its cache.
    """
    notes: list[str] = []
    stale = list(_stale(root, notes))
    orphans = list(_orphans(root, stale, notes))
    reasons = {
        "used by no test": stale,
        "used by no cassette": orphans,
        "half written by a run that was killed": _left(root),
    }
    doomed = [(path.relative_to(root), reason) for reason, paths in reasons.items() for path in paths]
    return Plan(doomed=doomed, notes=notes)


def carry_out(what: Plan) -> None:
    """Delete files, and the folders that they leave empty."""
    for path, _ in what.doomed:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _stale(root: Path, notes: list[str]) -> Iterator[Path]:
    file = root / _STALE
    try:
        names = json.loads(file.read_text())
        since = file.stat().st_mtime
    except (OSError, ValueError):
        notes.append(f"no list of unused cassettes in {file.parent}: make one with a replay of all tests: {_REPLAY}")
        return
    for path in (root / name for name in names):
        if not path.is_file() or CASSETTES not in path.parts or not path.resolve().is_relative_to(root.resolve()):
            continue
        if path.stat().st_mtime > since:
            notes.append(
                f"{path.relative_to(root)}: left, because it has changed since that replay; run again: {_REPLAY}"
            )
        else:
            yield path


def _orphans(root: Path, stale: Sequence[Path], notes: list[str]) -> Iterator[Path]:
    cassettes = [path for path in below(root) if path not in stale]
    for folder in sorted(path for path in root.rglob(BODIES) if CASSETTES in path.parts and path.is_dir()):
        try:
            used = {
                name for path in cassettes if path.is_relative_to(folder.parent) for name in document.side_files(path)
            }
        except CassetteError as error:
            notes.append(
                f"{folder.relative_to(root)}: left, because nobody knows what a damaged cassette needs: {error}"
            )
            continue
        yield from (path for path in sorted(folder.iterdir()) if _BODY.fullmatch(path.name) and path.name not in used)


def _left(root: Path) -> Iterator[Path]:
    for folder in sorted(path for path in root.rglob(CASSETTES) if path.is_dir()):
        yield from (path for path in sorted(folder.rglob(".*")) if path.is_file() and atomic.is_left(path))
