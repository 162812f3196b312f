"""Cassettes that no test uses any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from pytest_runloop.cassettes.files.names import BODIES, CASSETTES, PREPARED, SHARED

_SUFFIX = ".json"
_OURS = b'"recorded":'
_HEAD = 64
"""What nobody uses may be another tool's, which keeps its cassettes in the same folders; ours say what they are."""


def stale(root: Path, *, folders: Iterable[Path], used: Iterable[str], all_ran: bool) -> list[str]:
    """Return the cassettes that no test of a run has used, from the root.

    Args:
        root: What the names count from.
        folders: All tests below these were run, or skipped.
        used: The cassettes that were used; a folder ends with a slash.
        all_ran: Whether no test was skipped: what a skipped test shares with others is unknown.
    """
    known = list(used)
    files = {PurePosixPath(name).with_suffix("") for name in known if not name.endswith("/")}
    skipped = {PurePosixPath(name) for name in known if name.endswith("/")}
    return sorted(
        name.as_posix()
        for name in _recorded(root, folders, known)
        if name.with_suffix("") not in files
        and not skipped.intersection(name.parents)
        and (all_ran or not _is_shared(name))
    )


def _recorded(root: Path, folders: Iterable[Path], used: Iterable[str]) -> Iterator[PurePosixPath]:
    # Only where tests have run: a walk through everything below the root would take longer than the tests.
    places = {parent for name in used for parent in PurePosixPath(f"{name}_").parents if parent.name == CASSETTES}
    ran = [folder.resolve() for folder in folders]
    for place in sorted(places):
        directory = root / place
        if any(directory.resolve().is_relative_to(folder) for folder in ran):
            yield from _cassettes(root, directory)


def _cassettes(root: Path, directory: Path) -> Iterator[PurePosixPath]:
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        if path.suffix == _SUFFIX and inside.parts[0] != BODIES and _is_ours(path):
            yield PurePosixPath(path.relative_to(root).as_posix())


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _OURS in file.read(_HEAD)
    except OSError:
        return False


def _is_shared(name: PurePosixPath) -> bool:
    return bool({SHARED, PREPARED}.intersection(name.parts[-3:-1]))
