"""Cassettes as files: read whichever kind they are of, written whole, and changed only where the recording changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.files import atomic, bodies, layout, merging, plain
from pytest_runloop.cassettes.files.bodies import Aside
from pytest_runloop.cassettes.files.layout import Cassette, Damaged, Header
from pytest_runloop.cassettes.files.names import BODIES, CASSETTES
from pytest_runloop.errors import CassetteError

__all__ = ["Cassette", "Header", "bodies_beside", "find", "read", "side_files", "write"]

_SUFFIXES = (".yaml", ".yml")


def find(path: Path) -> Path | None:
    """Return the file that :func:`read` reads: *path*, or what vcrpy called it; None if there is none."""
    return next((file for file in (path, *map(path.with_suffix, _SUFFIXES)) if file.is_file()), None)


def read(path: Path) -> Cassette:
    """Return a recording, be it of ours or one that vcrpy wrote.

    Raises:
        CassetteError: There is none, or it is of no use.
    """
    file = find(path)
    if file is None:
        msg = f"{path}: there is no such recording; record it with --runloop-record=once"
        raise CassetteError(msg)
    try:
        return layout.to_cassette(_document(file), load=_Loader(bodies_beside(file)))
    except Damaged as error:
        msg = f"{file}: {error}; {error.remedy}"
        raise CassetteError(msg) from None


def write(
    path: Path,
    cassette: Cassette,
    *,
    key_of: Callable[[Request], str],
    same_answer: Callable[[Response, Response], bool],
    volatile_of: Callable[[Request], Sequence[str]] = lambda _: (),
    check: Callable[[bytes], None] = lambda _: None,
) -> bool:
    """Write a recording, keeping what an earlier one there has of it.

    Args:
        path: The file.
        cassette: What was recorded.
        key_of: What a request means; equal for those that mean the same.
        same_answer: Whether two answers mean the same.
        volatile_of: What is made up anew in a request: as many values in all that mean the same, in the same order.
        check: Gets the content of each file before any is written; what it raises is handed on.

    Returns:
        Whether anything changed; if not, the file is as it was, with its date.

    Raises:
        CassetteError: It can't be written; the old file is as it was.
    """
    earlier = _earlier(path)
    if earlier is not None:
        exchanges = merging.merged(
            earlier.exchanges,
            cassette.exchanges,
            key_of=key_of,
            same_answer=same_answer,
            volatile_of=volatile_of,
        )
        if exchanges == earlier.exchanges and _is_as_good(earlier.header, cassette.header):
            return False
        cassette = replace(cassette, exchanges=exchanges)
    aside = Aside()
    text = layout.to_text(cassette, aside)
    for content in (text, *aside.files.values()):
        check(content)
    try:
        put_aside(aside.files, bodies_beside(path))
        atomic.replace(path, text)
    except OSError as error:
        msg = f"{path}: it can't be written ({error}); see to the rights and the space there, and record again"
        raise CassetteError(msg) from error
    return True


def side_files(path: Path) -> set[str]:
    """Return the names of the files beside a cassette that it needs, all in ``bodies``.

    Raises:
        CassetteError: It is of no use.
    """
    try:
        return layout.side_files(_document(path))
    except Damaged as error:
        msg = f"{path}: {error}; {error.remedy}"
        raise CassetteError(msg) from None


def bodies_beside(path: Path) -> Path:
    """Return the directory of the bodies that the cassettes there share."""
    root = next((parent for parent in path.parents if parent.name == CASSETTES), path.parent)
    return root / BODIES


def put_aside(contents: Mapping[str, bytes], directory: Path) -> None:
    """Write what is to lie beside a cassette, if it isn't there yet.

    Raises:
        OSError: It can't be written.
    """
    for name, content in contents.items():
        file = directory / name
        if not file.is_file() or file.read_bytes() != content:
            atomic.replace(file, content)


def load_from(directory: Path) -> bodies.Load:
    """Return what reads the files beside a cassette."""
    return _Loader(directory)


class _Loader:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, name: str) -> bytes:
        """Read a body.

        Raises:
            Damaged: It isn't there, or it isn't what its name says.
        """
        file = self._directory / name
        if file.name != name:
            reason = f"{name!r} is no name of a body"
            raise Damaged(reason)
        try:
            found = file.read_bytes()
        except (OSError, ValueError) as error:
            reason = f"its body {file} can't be read ({error})"
            raise Damaged(reason) from None
        wanted = name.partition(".")[0]
        # Version control may have changed the ends of lines.
        for content in (found, found.replace(b"\r\n", b"\n"), found.replace(b"\n", b"\r\n")):
            if bodies.digest(content) == wanted:
                return content
        reason = f"its body {file} was changed"
        raise Damaged(reason)


def _document(path: Path) -> Mapping[str, object]:
    try:
        # An editor may have put a mark of byte order in front.
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"it can't be read ({error})"
        raise Damaged(reason) from None
    if not text.strip():
        reason = "it is empty"
        raise Damaged(reason)
    if path.suffix not in _SUFFIXES and text.lstrip().startswith("{"):
        return layout.parsed(text)
    try:
        return layout.supported(plain.from_yaml(text))
    except Damaged:
        raise
    except ValueError as error:
        reason = f"it is neither JSON nor YAML ({error})"
        raise Damaged(reason) from None


def _earlier(path: Path) -> Cassette | None:
    try:
        return read(path) if path.is_file() else None
    except CassetteError:
        return None  # it is replaced


def _is_as_good(earlier: Header | None, now: Header | None) -> bool:
    """Whether a header can stay, though it has another date and other versions."""
    if earlier is None or now is None:
        return earlier is now
    return replace(earlier, date=now.date, versions=now.versions) == now
