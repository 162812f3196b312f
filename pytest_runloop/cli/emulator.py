"""``pytest-runloop emulator``: a local Runloop API for one command, or until interrupted. Translates signals."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pytest_runloop.cli.parsing import Subparsers
from pytest_runloop.cli.tables import size, table
from pytest_runloop.emulator import upkeep
from pytest_runloop.emulator.launcher import LaunchError, Running, default_state, launch, stop
from pytest_runloop.emulator.service import certificate

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SENT_BY_A_PROCESS = 0  # si_code: SI_USER and below come from kill() and its like, SI_KERNEL is above
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def add(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "emulator",
        usage="%(prog)s [-h] [--port N] [--state DIR] [--trouble JSON] [du | reset | -- CMD …]",
        help="serve a local Runloop API, for one command or until interrupted",
        description=(
            "Serve a local Runloop API on 127.0.0.1. With CMD: run it with RUNLOOP_BASE_URL and RUNLOOP_API_KEY set, "
            "and so that the URLs of tunnels lead to it, then stop, and return its exit code. Without: print the two "
            "lines to export, and serve until interrupted. "
            "du: list what is kept between runs, and what it takes. reset: delete all of it."
        ),
    )
    parser.add_argument("task", nargs="?", choices=("du", "reset"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="TCP port (default: a free one)")
    parser.add_argument("--state", type=Path, metavar="DIR", help="where disks live (default: the user's cache)")
    parser.add_argument("--trouble", metavar="JSON", help="what is to go wrong: an object, or a file of one")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, command: Sequence[str] | None) -> int:
    state = arguments.state or default_state()
    if arguments.task is not None:
        return _list(state) if arguments.task == "du" else _reset(state)
    for signum in _heeded():
        signal.signal(signum, _exit_on)
    try:
        with _emulator(state, port=arguments.port, trouble=arguments.trouble) as running:
            return _serve(running) if command is None else _run_in(running, command, _tunnels(running, state))
    except LaunchError as error:
        where = f"port {arguments.port}: " if arguments.port else ""
        print(f"pytest-runloop: {where}{error}", file=sys.stderr)
        return 1


def _list(state: Path) -> int:
    uses = upkeep.usage(state)
    rows = [(use.name, use.kind, use.status, size(use.size)) for use in uses]
    print("\n".join(table(("name", "what", "status", "size"), rows)))
    print(f"\n{size(sum(use.size for use in uses))} in {state}")
    return 0


def _reset(state: Path) -> int:
    try:
        freed = upkeep.reset(state)
    except (upkeep.InUse, OSError) as error:
        print(f"pytest-runloop: {error}", file=sys.stderr)
        return 1
    print(f"{size(freed)} freed in {state}")
    return 0


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:  # noqa: PLR2004 - the last TCP port
        msg = f"{text!r} is not a port number from 0 to 65535"
        raise argparse.ArgumentTypeError(msg)
    return port


@contextlib.contextmanager
def _emulator(state: Path, *, port: int, trouble: str | None) -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="pytest-runloop-") as run_dir:
        running = launch(state, Path(run_dir), owner_pid=os.getpid(), port=port, trouble=trouble)
        try:
            yield running
        finally:
            stop(running)


def _serve(running: Running) -> int:
    """Serve until a signal comes or the server ends by itself."""
    print(f"export RUNLOOP_BASE_URL={running.base_url}\nexport RUNLOOP_API_KEY={running.api_key}", flush=True)
    with _holding(_heeded() | {signal.SIGCHLD}) as held:
        while running.process.poll() is None:
            if signal.sigwaitinfo(held).si_signo != signal.SIGCHLD:
                return 0
    msg = f"the emulator ended by itself with exit code {running.process.returncode}; start it again"
    raise LaunchError(msg)


def _tunnels(running: Running, state: Path) -> dict[str, str]:
    """Say what makes the URLs of tunnels, as the vendor's clients put them together, lead to the emulator.

    Nothing, if there is a proxy already: whoever set it knows why. Nor if nobody knows whom this computer trusts: the
    command would trust nobody else.
    """
    given = any(name.lower() in {"https_proxy", "all_proxy"} for name in os.environ)
    trusted = certificate.authorities()
    if given or trusted is None:
        return {}
    try:
        bundle = certificate.files(state).bundle
    except certificate.NoCertificate:
        return {}
    proxy = running.base_url.replace("//", f"//key:{running.api_key}@")
    # Whoever trusts others on purpose goes on doing so.
    names = [name for name in _TRUST if Path(os.environ.get(name, trusted)).resolve() == trusted.resolve()]
    trust = dict.fromkeys(names, str(bundle.absolute()))
    return {"HTTPS_PROXY": proxy, "https_proxy": proxy, "NODE_USE_ENV_PROXY": "1", **trust}


def _run_in(running: Running, command: Sequence[str], tunnels: dict[str, str]) -> int:
    """Run a command against the emulator; signals go to it, and its end is ours."""
    known = {"RUNLOOP_BASE_URL": running.base_url, "RUNLOOP_API_KEY": running.api_key}
    environment = {**os.environ, **known, **tunnels}
    with _holding(_heeded() | {signal.SIGCHLD}) as held:
        try:
            process = _spawn(command, environment, held)
        except OSError as error:
            print(f"pytest-runloop: {command[0]}: {error.strerror}", file=sys.stderr)
            return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        while process.poll() is None:
            received = signal.sigwaitinfo(held)
            # A key such as Ctrl-C is sent by the kernel, to the command as well; it must not get it twice.
            if received.si_signo != signal.SIGCHLD and received.si_code <= _SENT_BY_A_PROCESS:
                process.send_signal(received.si_signo)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _spawn(command: Sequence[str], environment: dict[str, str], held: set[signal.Signals]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        # What we hold back must reach the command. Safe here: this process has one thread.
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, held),  # noqa: PLW1509
    )


def _heeded() -> set[signal.Signals]:
    """Return the signals that end us, without those our parent told us to ignore (as nohup does)."""
    return {signum for signum in _ENDING if signal.getsignal(signum) is not signal.SIG_IGN}


@contextlib.contextmanager
def _holding(signals: set[signal.Signals]) -> Iterator[set[signal.Signals]]:
    """Keep signals for ``sigwaitinfo``, which also tells who sent them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield signals
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _exit_on(signum: int, _frame: FrameType | None) -> NoReturn:
    """Unwind, so that the emulator and its run directory go as well."""
    sys.exit(128 + signum)
