"""Digests of local files and directories: the same for the same content, wherever it lies and whenever it was made."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path

from pytest_runloop.errors import SpecError

LONGEST_TEXT = 1 << 16
"""Bytes. A longer content is told by its digest."""

_CHUNK = 1 << 20


def content(data: str | bytes) -> Mapping[str, str]:
    """Return JSON that tells contents apart: a short text itself, because of a digest no secret can be taken out."""
    data = data.encode() if isinstance(data, str) else data
    if len(data) <= LONGEST_TEXT:
        with contextlib.suppress(UnicodeDecodeError):
            return {"text": data.decode()}
    return {"sha256": hashlib.sha256(data).hexdigest()}


def tree(path: Path, *, modes: bool) -> object:
    """Return JSON that tells files and directories apart by names, contents, links, and by modes if *modes*.

    Raises:
        SpecError: Something in it can't be read.
    """
    try:
        return _node(path, modes=modes)
    except OSError as error:
        message = f"{path} can't be read on this computer: {error.strerror}"
        raise SpecError(message, field="files") from error


def _node(path: Path, *, modes: bool) -> object:
    info = path.lstat()
    if stat.S_ISLNK(info.st_mode):
        return {"link": str(path.readlink())}
    mode = {"mode": stat.S_IMODE(info.st_mode)} if modes else {}
    if stat.S_ISDIR(info.st_mode):
        names = sorted(child.name for child in path.iterdir())
        return {"entries": {name: _node(path / name, modes=modes) for name in names}, **mode}
    return {"content": _file(path), **mode}


def _file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
