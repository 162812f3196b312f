"""Start the emulator as a process of its own, and end it. Standard library only.

This is the one launcher: the plugin and the command line both use it. It knows the process's arguments and the two
files it leaves in its run directory, and nothing of what it serves.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_GLANCE_S = 0.005
_LOG = "emulator.log"
_ENDPOINT = "endpoint.json"
_ERROR = "error.json"
_TROUBLE = "PYTEST_RUNLOOP_TROUBLE"


class LaunchError(Exception):
    """Report an emulator that did not start, or did not end when told to."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """An emulator that answers.

    Attributes:
        base_url: Such as ``http://127.0.0.1:40123``.
        api_key: The random key of this run.
        pid: The server's process id.
        run_dir: Where it keeps ``endpoint.json`` and its log.
        process: The server itself. Whoever launched it owns it and must pass this value to ``stop``.
    """

    base_url: str
    api_key: str = field(repr=False)
    pid: int
    run_dir: Path
    process: subprocess.Popen[bytes] = field(repr=False)


def default_state() -> Path:
    """Return where disks live between runs: PYTEST_RUNLOOP_STATE, else a directory below the user's cache."""
    chosen = os.environ.get("PYTEST_RUNLOOP_STATE")
    if chosen:
        return Path(chosen)
    # Some 3 ms, wanted only by a run that starts an emulator.
    from platformdirs import user_cache_path

    return user_cache_path("pytest-runloop", appauthor=False) / "emulator"


def launch(
    state: Path,
    run_dir: Path,
    *,
    owner_pid: int,
    port: int = 0,
    trouble: str | None = None,
    timeout: float = START_TIMEOUT_S,
) -> Running:
    """Start an emulator and wait until it answers.

    Args:
        state: Where disks live on after this run. Made if missing.
        run_dir: A directory for this one emulator, readable by its user only. Made if missing.
        owner_pid: The emulator ends by itself when this process does.
        port: The TCP port on 127.0.0.1; 0 takes a free one.
        trouble: What is to go wrong, as JSON or the path of a file of it; by default PYTEST_RUNLOOP_TROUBLE.
        timeout: Seconds to wait for it.

    Raises:
        LaunchError: It can't run here, died, or was not ready in time. Nothing is left running.
    """
    if not hasattr(os, "pidfd_open"):
        msg = f"the emulator needs Linux 5.3 or newer, and this is {sys.platform}; run the tests there, or live"
        raise LaunchError(msg)
    for directory in (state, run_dir):
        _make(directory)
    # Or another emulator's, that once ran here and was killed, would be taken for this one's.
    for left_over in (_ENDPOINT, _ERROR):
        (run_dir / left_over).unlink(missing_ok=True)
    process = _spawn(state, run_dir, owner_pid=owner_pid, port=port, trouble=_trouble(trouble))
    try:
        endpoint = _await_endpoint(process, run_dir, timeout=timeout)
    except BaseException:  # also Ctrl-C: a half-started server must not outlive the attempt
        _end(process, timeout=STOP_TIMEOUT_S)
        raise
    return Running(
        base_url=str(endpoint["base_url"]),
        api_key=str(endpoint["api_key"]),
        pid=process.pid,
        run_dir=run_dir,
        process=process,
    )


def stop(running: Running, *, timeout: float = STOP_TIMEOUT_S) -> None:
    """End an emulator and everything that runs in it; it may have ended already.

    Raises:
        LaunchError: It did not end within ``timeout`` seconds, and was killed.
    """
    if not _end(running.process, timeout=timeout):
        msg = (
            f"the emulator (process {running.pid}) did not end within {timeout:g} s and was killed; "
            f"its devboxes end with it, and the next emulator marks them as failed. Its log: {running.run_dir / _LOG}"
        )
        raise LaunchError(msg)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the emulator can't write to {directory}: {error.strerror}; choose another place for its disks"
        raise LaunchError(msg) from error


def _trouble(wanted: str | None) -> str:
    """Return the JSON of what is to go wrong; empty for nothing."""
    text = os.environ.get(_TROUBLE, "") if wanted is None else wanted
    if not text or text.lstrip().startswith("{"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except OSError as error:
        msg = f"{text}: {error.strerror}; the trouble to start with is a JSON object, or a file of one"
        raise LaunchError(msg) from error


def _spawn(state: Path, run_dir: Path, *, owner_pid: int, port: int, trouble: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest_runloop.emulator", "--state", str(state.resolve())]
    command += ["--run-dir", str(run_dir.resolve()), "--port", str(port), "--owner-pid", str(owner_pid)]
    with (run_dir / _LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            # `-m` puts the working directory first on the import path; the user's own must not shadow our imports.
            cwd=run_dir,
            env={**os.environ, "PYTHONPATH": _import_path(), _TROUBLE: trouble},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C goes to the whole terminal group. The owner decides when the server ends, after its last request.
            start_new_session=True,
        )


def _import_path() -> str:
    """Return PYTHONPATH with absolute entries and, if the package runs from its source tree, that tree."""
    entries = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]  # noqa: PTH100 - no symlink may be resolved here
    root = Path(__file__).resolve().parents[2]
    if not {"site-packages", "dist-packages"} & set(root.parts):
        entries.append(str(root))
    return os.pathsep.join(entries)


def _await_endpoint(process: subprocess.Popen[bytes], run_dir: Path, *, timeout: float) -> dict[str, object]:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        ended = _ended_within(process, _GLANCE_S)
        endpoint = _read(run_dir / _ENDPOINT)
        if endpoint is not None and not ended:
            return endpoint
        if ended:
            raise LaunchError(_reason(process, run_dir))
    msg = f"the emulator was not ready within {timeout:g} s and was stopped. Its log ends with:\n{_log_tail(run_dir)}"
    raise LaunchError(msg)


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    if process.poll() is not None:
        return True
    # Popen.wait looks again after up to 50 ms; this wakes up at once. Our own child, so its number can't be reused.
    handle = os.pidfd_open(process.pid)
    try:
        ending = select.poll()
        ending.register(handle, select.POLLIN)
        ending.poll(seconds * 1000)
    finally:
        os.close(handle)
    return process.poll() is not None


def _read(path: Path) -> dict[str, object] | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    value = json.loads(content)
    return value if isinstance(value, dict) else None


def _reason(process: subprocess.Popen[bytes], run_dir: Path) -> str:
    error = _read(run_dir / _ERROR)
    if error is not None:
        return str(error["message"])
    return f"the emulator ended with exit code {process.returncode} while starting. Its log:\n{_log_tail(run_dir)}"


def _log_tail(run_dir: Path) -> str:
    lines = (run_dir / _LOG).read_text(errors="replace").splitlines()
    return "\n".join(lines[-20:]) or "(empty)"


def _end(process: subprocess.Popen[bytes], *, timeout: float) -> bool:
    """Ask, then force; return whether asking was enough."""
    process.terminate()
    if _ended_within(process, timeout):
        return True
    process.kill()
    process.wait()
    return False
