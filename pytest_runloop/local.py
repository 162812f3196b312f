"""The one emulator of a pytest run: whoever needs it first starts it, the others join, the owner ends it.

A run is a pytest process alone, or an xdist controller with its workers. Everything they share is a private directory
named after the run. The emulator watches its owner, so it also ends when nobody is left to end it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import shutil
import signal
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_runloop.errors import TargetError, TeardownError
from pytest_runloop.target import Endpoint, Target

if TYPE_CHECKING:
    from pytest_runloop.emulator.launcher import Running

STOP_TIMEOUT_S = 5.0
_FORGOTTEN_AFTER_S = 3600.0


class Run(NamedTuple):
    """Name one pytest run.

    Attributes:
        id: Starts with the owner's process id, so that a leftover directory tells whose it was.
        owner_pid: The process whose end ends the run: the xdist controller, or pytest itself.
        host: The computer the owner runs on.
    """

    id: str
    owner_pid: int
    host: str

    @classmethod
    def start(cls) -> Run:
        return cls(id=f"{os.getpid()}-{os.urandom(6).hex()}", owner_pid=os.getpid(), host=platform.node())

    @classmethod
    def join(cls, handed_down: Mapping[str, object]) -> Run:
        """Read what the controller handed down. A worker on another computer is a run of its own."""
        host, owner_pid = str(handed_down["host"]), int(str(handed_down["owner_pid"]))
        if host != platform.node() or not _alive(owner_pid):
            return cls.start()
        return cls(id=str(handed_down["id"]), owner_pid=owner_pid, host=host)

    @property
    def is_owned(self) -> bool:
        return self.owner_pid == os.getpid()


class LocalEmulator:
    """A process's hold on the run's emulator; nothing is started or written before it is asked for."""

    def __init__(self, run: Run, *, state: Path | None = None) -> None:
        """Remember where things will be.

        Args:
            run: Whose emulator this is.
            state: Where disks and the like stay between runs; None is the user's cache directory.
        """
        self._run = run
        self._state = state
        self._running: Running | None = None
        self._in_use = False

    @property
    def state(self) -> Path:
        """Where things stay between runs."""
        from pytest_runloop.emulator.launcher import default_state

        return self._state or default_state()

    def hand_down(self) -> dict[str, object]:
        """Let a worker join this run; returns what ``Run.join`` reads."""
        self._in_use = True
        return self._run._asdict()

    def endpoint(self) -> Endpoint:
        """Join the run's emulator, or start it.

        Raises:
            TargetError: This computer can't run it, or the directory for it can't be written.
        """
        # Loaded by the tests that use the emulator, and by no other.
        from filelock import FileLock

        directory = self.directory()
        with FileLock(directory / "lock", poll_interval=0.01):
            found = _read(directory / "endpoint.json") or self._start(directory)
        return Endpoint(target=Target.EMULATOR, base_url=str(found["base_url"]), api_key=str(found["api_key"]))

    def directory(self) -> Path:
        """Return the run's directory, shared by its processes, which only this user can enter.

        Raises:
            TargetError: It can't be made.
        """
        directory = self._directory
        self._in_use = True
        try:
            directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o700)
                _forget_the_dead(directory.parent)
            found = directory.lstat()
        except OSError as error:
            msg = f"this run can't write to {directory}: {error.strerror}. Name a place with PYTEST_RUNLOOP_STATE"
            raise TargetError(msg) from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            msg = f"{directory} is open to other users, so the emulator's key is not put there. Remove it"
            raise TargetError(msg)
        return directory

    def claim(self, topic: str) -> bool:
        """Tell whether this call is the run's first for a topic, over all its processes."""
        try:
            (self.directory() / f"said-{topic}").touch(exist_ok=False)
        except FileExistsError:
            return False
        except TargetError:
            return True
        return True

    def close(self) -> None:
        """End what this process owns; the other processes of the run must have ended. May be called twice.

        Raises:
            TeardownError: The emulator had to be killed.
        """
        # Most runs want no sandbox. They don't pay for finding out where the directory would be.
        if not self._in_use or not self._run.is_owned or not self._directory.is_dir():
            return
        directory = self._directory
        try:
            self._stop(directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    @property
    def _directory(self) -> Path:
        return self.state / "runs" / self._run.id

    def _start(self, directory: Path) -> Mapping[str, object]:
        from pytest_runloop.emulator import launcher

        # Another process of this run has tried already.
        failure = _read(directory / "error.json")
        if failure is not None:
            raise TargetError(str(failure["message"]))
        try:
            self._running = launcher.launch(self.state, directory, owner_pid=self._run.owner_pid)
        except launcher.LaunchError as error:
            (directory / "error.json").write_text(json.dumps({"message": str(error)}))
            raise TargetError(str(error)) from error
        return {"base_url": self._running.base_url, "api_key": self._running.api_key}

    def _stop(self, directory: Path) -> None:
        from pytest_runloop.emulator import launcher

        found = _read(directory / "endpoint.json")
        if self._running is None and found is not None:
            _end(int(str(found["pid"])), directory)
        elif self._running is not None:
            try:
                launcher.stop(self._running, timeout=STOP_TIMEOUT_S)
            except launcher.LaunchError as error:
                raise TeardownError(str(error)) from error


def _read(path: Path) -> Mapping[str, object] | None:
    try:
        value: Mapping[str, object] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return value


def _forget_the_dead(runs: Path) -> None:
    """Remove what killed runs left: their owner is gone, and nothing was written there for an hour.

    The hour is for a home shared with other computers or containers, where an owner can live and not be seen here.
    """
    for directory in runs.iterdir():
        owner = directory.name.partition("-")[0]
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - directory.stat().st_mtime
            if owner.isdecimal() and not _alive(int(owner)) and age > _FORGOTTEN_AFTER_S:
                shutil.rmtree(directory, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end(pid: int, directory: Path) -> None:
    """End an emulator that another process of this run started."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Only now can the number not be given to another process.
        if _serves(pid, directory) and not _ended(handle, signal.SIGTERM):
            _ended(handle, signal.SIGKILL)
            msg = f"the emulator (process {pid}) did not end within {STOP_TIMEOUT_S:g} s and was killed"
            raise TeardownError(msg)
    finally:
        os.close(handle)


def _serves(pid: int, directory: Path) -> bool:
    try:
        return os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def _ended(handle: int, signum: int) -> bool:
    """Signal a process and wait for its end; a handle is readable once the process has ended, reaped or not."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signum)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(STOP_TIMEOUT_S * 1000))
