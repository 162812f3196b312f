"""Tars that carry files into a sandbox and out of it; on this side only."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_runloop.errors import SandboxError

# Older ones can't refuse a member that would land elsewhere. (For mypy all are new enough.)
if TYPE_CHECKING or sys.version_info >= (3, 11, 4):
    import tarfile
else:
    from backports import tarfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.spec import FileSource

CONTENT_MODE = 0o755
"""Mode of a file given as text or bytes: what the Agents SDK gives a manifest's file, so that scripts can be run."""


def pack(files: Mapping[str, FileSource]) -> bytes:
    """Return a tar with every file under its key; local files and directories keep their modes and times.

    Raises:
        FileNotFoundError: A local path does not exist.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, source in files.items():
            if isinstance(source, Path):
                # The link itself would point to a place that the sandbox does not have.
                tar.add(source.resolve(), arcname=path)
            else:
                _add_content(tar, path, source.encode() if isinstance(source, str) else source)
    return buffer.getvalue()


def save(data: bytes, target: Path) -> None:
    """Write a local file, making its parent directories."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def unpack(data: bytes, target: Path) -> None:
    """Unpack a sandbox's tar under a local directory, which is made; members can't leave it.

    Raises:
        SandboxError: A member would land outside *target*, or is a device; those before it are unpacked.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(target, filter="data")
    except tarfile.TarError as error:
        message = f"what the sandbox sent can't be unpacked under {target}: {error}; remove that member there first"
        raise SandboxError(message) from error


def _add_content(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode, member.mtime = len(content), CONTENT_MODE, int(time.time())
    tar.addfile(member, io.BytesIO(content))
