"""Cassettes as git has them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.files.layout import Cassette
from pytest_runloop.cassettes.files.names import CASSETTES
from pytest_runloop.errors import CassetteError


def cassette(path: Path) -> Cassette:
    """Return the recording that the last commit has of a file.

    Raises:
        CassetteError: It has none.
    """
    with tempfile.TemporaryDirectory(prefix="pytest-runloop-") as directory:
        copy = Path(directory) / CASSETTES / path.name
        copy.parent.mkdir()
        copy.write_bytes(_shown(path))
        bodies = document.bodies_beside(copy)
        bodies.mkdir()
        for name in document.side_files(copy):
            (bodies / name).write_bytes(_shown(document.bodies_beside(path.absolute()) / name))
        return document.read(copy)


def _shown(path: Path) -> bytes:
    command = ["git", "show", f"HEAD:./{path.name}"]
    try:
        done = subprocess.run(command, cwd=path.parent, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (
            error.stderr.decode("utf-8", "replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
        )
        msg = f"{path}: git has nothing to compare it with ({said.strip()}); name two files: cassettes diff OLD NEW"
        raise CassetteError(msg) from None
    return done.stdout
