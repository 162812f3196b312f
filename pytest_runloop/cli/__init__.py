"""The ``pytest-runloop`` command. Translates arguments; knows neither pytest nor the SDKs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import cast

from pytest_runloop.cli import cassettes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    own, rest = _split(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(own)
    run = cast("Callable[[argparse.Namespace, Sequence[str] | None], int]", arguments.run)
    return run(arguments, rest)


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Part our arguments from what follows ``--``; argparse's own treatment of it changed between Pythons."""
    if "--" not in argv:
        return argv, None
    at = list(argv).index("--")
    return argv[:at], argv[at + 1 :] or None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-runloop", description="Helpers around the pytest-runloop plugin.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    # Python has nothing of what the emulator is made of on Windows; cassettes replay there.
    if sys.platform != "win32":
        from pytest_runloop.cli import emulator

        emulator.add(commands)
    cassettes.add(commands)
    return parser
