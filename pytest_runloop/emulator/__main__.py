"""Run the emulator as a process: ``python -m pytest_runloop.emulator --state DIR --run-dir DIR``."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_runloop.emulator import server

if TYPE_CHECKING:
    from pytest_runloop.emulator.server import Address

_log = logging.getLogger(__name__)
_ENDPOINT = "endpoint.json"
_ERROR = "error.json"
_TROUBLE = "PYTEST_RUNLOOP_TROUBLE"
_FILES = 65_536


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal or the owner's end, and give the exit status."""
    # Most of a start is imports, which make no garbage; looking for it takes 5 ms.
    gc.disable()
    options = _options(argv)
    run_dir: Path = options.run_dir
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    run_dir.chmod(0o700)
    for left_over in (_ENDPOINT, _ERROR):
        (run_dir / left_over).unlink(missing_ok=True)
    _log_to(run_dir / "emulator.log")
    _allow_many_files()
    try:
        asyncio.run(_run(options))
    # The process's last line of defence: whoever started it must learn why there is no endpoint.
    except Exception as error:  # noqa: BLE001
        _log.exception("the emulator failed")
        _write(run_dir / _ERROR, {"message": str(error) or repr(error)})
        return 1
    finally:
        (run_dir / _ENDPOINT).unlink(missing_ok=True)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pytest_runloop.emulator", description="A local Runloop API.")
    parser.add_argument("--state", type=Path, required=True, help="directory of disks, snapshots and records")
    parser.add_argument("--run-dir", type=Path, required=True, help="directory for endpoint.json and emulator.log")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; by default a free one")
    parser.add_argument("--owner-pid", type=int, help="process whose end ends the emulator")
    parser.add_argument(
        "--trouble", default=os.environ.get(_TROUBLE), help=f"JSON of what is to go wrong (default: {_TROUBLE})"
    )
    return parser.parse_args(argv)


def _allow_many_files() -> None:
    # Long outputs and open connections are files, and 1024 of them, the usual limit, is a busy devbox.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if most == resource.RLIM_INFINITY else min(most, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _log_to(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    stream = os.fdopen(descriptor, "a", encoding="utf-8")
    logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    if options.owner_pid is not None:
        _watch(options.owner_pid, stop)

    def started(address: Address) -> None:
        gc.freeze()
        gc.enable()
        content = {"base_url": address.base_url, "api_key": address.api_key, "pid": os.getpid()}
        _write(options.run_dir / _ENDPOINT, content)

    trouble = _trouble(options.trouble)
    await server.run(options.state, started=started, stop=stop, port=options.port, trouble=trouble)


def _trouble(text: str | None) -> dict[str, object] | None:
    if not text:
        return None
    try:
        wanted = json.loads(text)
    except ValueError as error:
        msg = f"{_TROUBLE}: this is not JSON: {error}"
        raise ValueError(msg) from None
    if not isinstance(wanted, dict):
        msg = f'{_TROUBLE}: expected a JSON object, such as {{"boot_s": 5}}'
        raise TypeError(msg)
    return wanted


def _watch(pid: int, stop: asyncio.Event) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        stop.set()
        return
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        stop.set()

    loop.add_reader(descriptor, gone)


def _write(path: Path, content: dict[str, object]) -> None:
    """Write beside and rename, so that nobody reads half of it."""
    beside = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    beside.replace(path)


if __name__ == "__main__":
    exit_status = main()
    logging.shutdown()
    sys.stdout.flush()
    # All is closed and written. The interpreter's own tidying up would be the longest part of the end.
    os._exit(exit_status)
