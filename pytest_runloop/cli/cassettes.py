"""``pytest-runloop cassettes``: what recordings hold, what differs, and what can go. Translates arguments."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.takes import compare
from pytest_runloop.cli import cleaning, committed, pruning, shelves
from pytest_runloop.cli.parsing import Subparsers
from pytest_runloop.cli.tables import size, table
from pytest_runloop.errors import CassetteError

_FINE, _FOUND, _USAGE = 0, 1, 2
_CODES = "Exit code: 0 fine, 1 a difference or a problem was found, 2 it was called in a wrong way."
_Run = Callable[[argparse.Namespace, Sequence[str] | None], int]


def add(commands: Subparsers) -> None:
    """Add the command to the parser."""
    family = commands.add_parser(
        "cassettes",
        help="look at recordings of tests, compare them, clean them up",
        description=(
            "A cassette is a file with the HTTP traffic of a test: recorded by `pytest --runloop-record=all`, played "
            "by `pytest --runloop-target=replay`, which then needs no key, no network and no sandbox."
        ),
        epilog=_CODES,
    ).add_subparsers(required=True, metavar="TASK")
    add_ls(family)
    add_show(family)
    add_diff(family)
    add_scrub(family)
    add_prune(family)
    add_verify(family)


def add_ls(family: Subparsers) -> None:
    parser = _task(family, "ls", _ls, "list cassettes: whose, recorded where, when, with what, and how large")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="file or folder (default: everything below here)")


def add_show(family: Subparsers) -> None:
    parser = _task(family, "show", _show, "show the calls of a cassette in words, and how each was answered")
    parser.add_argument("which", metavar="FILE|NODEID", help="a cassette, or a test such as tests/test_a.py::test_x")
    parser.add_argument("--full", action="store_true", help="with the bodies of requests and answers")


def add_diff(family: Subparsers) -> None:
    parser = _task(
        family, "diff", _diff, "tell in words how two recordings differ; ids, times and the like do not count"
    )
    parser.add_argument("old", metavar="OLD", help="a cassette")
    parser.add_argument(
        "new", nargs="?", metavar="NEW", help="another (default: OLD is compared with what git has of it)"
    )


def add_scrub(family: Subparsers) -> None:
    parser = _task(
        family,
        "scrub",
        _scrub,
        "take secrets out of old cassettes: what looks like one, and the values of variables that are named like one; "
        "a file of plain vcrpy becomes one of this plugin, with the suffix .json",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file or folder")
    parser.add_argument("--secret", action="append", default=[], metavar="ENV_NAME", help="a further secret variable")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be changed")


def add_prune(family: Subparsers) -> None:
    parser = _task(
        family,
        "prune",
        _prune,
        "delete what is not needed: cassettes that the last whole replay saw no test use, bodies that no cassette has",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")


def add_verify(family: Subparsers) -> None:
    parser = _task(
        family, "verify", _verify, "run tests for real, and fail where what happens differs from their cassettes"
    )
    parser.usage = "%(prog)s [-h] [PATH|NODEID …] [-- PYTEST ARGUMENTS …]"
    parser.add_argument("tests", nargs="*", metavar="PATH|NODEID", help="which tests (default: all)")


def _task(family: Subparsers, name: str, work: _Run, words: str) -> argparse.ArgumentParser:
    parser = family.add_parser(
        name, help=words.partition(":")[0], description=f"{words[0].upper()}{words[1:]}.", epilog=_CODES
    )
    parser.set_defaults(run=partial(_guarded, work, parser))
    return parser


def _guarded(
    work: _Run, parser: argparse.ArgumentParser, arguments: argparse.Namespace, rest: Sequence[str] | None
) -> int:
    if rest is not None and work is not _verify:
        parser.error(f"nothing can follow `--` here: {' '.join(rest)}")
    try:
        return work(arguments, rest)
    except shelves.NotFound as error:
        print(f"pytest-runloop: {error}", file=sys.stderr)
        return _USAGE
    except (CassetteError, OSError) as error:
        print(f"pytest-runloop: {error}", file=sys.stderr)
        return _FOUND


def _ls(arguments: argparse.Namespace, _rest: Sequence[str] | None) -> int:
    listed = shelves.listed(shelves.files(arguments.paths or ["."]))
    if not listed.rows and not listed.damaged:
        print("no cassettes here; record some: pytest --runloop-record=all")
        return _FINE
    print("\n".join(table(shelves.HEAD, listed.rows)))
    print(f"\n{listed.total}")
    for problem in listed.damaged:
        print(f"pytest-runloop: {problem}", file=sys.stderr)
    return _FOUND if listed.damaged else _FINE


def _show(arguments: argparse.Namespace, _rest: Sequence[str] | None) -> int:
    path = shelves.one(arguments.which)
    print("\n".join(shelves.told(path, document.read(path), full=arguments.full)))
    return _FINE


def _diff(arguments: argparse.Namespace, _rest: Sequence[str] | None) -> int:
    old = shelves.one(arguments.old)
    if arguments.new is None:
        before, after, names = committed.cassette(old), document.read(old), ("git has", "is here")
    else:
        new = shelves.one(arguments.new)
        before, after, names = document.read(old), document.read(new), (str(old), str(new))
    differing = compare.differences(before, after)
    for line in differing:
        print(line)
    if not differing:
        print(
            f"no difference between what {names[0]} and what {names[1]}" if arguments.new is None else "no difference"
        )
    return _FOUND if differing else _FINE


def _scrub(arguments: argparse.Namespace, _rest: Sequence[str] | None) -> int:
    scrub = cleaning.Scrub(arguments.secret)
    count = 0
    for path in shelves.files(arguments.paths):
        found = scrub.file(path, write=not arguments.dry_run)
        count += bool(found)
        for line in found:
            print(line)
    print(f"{shelves.counted(count, 'cassette')} {'would be changed' if arguments.dry_run else 'changed'}")
    return _FOUND if arguments.dry_run and count else _FINE


def _prune(arguments: argparse.Namespace, _rest: Sequence[str] | None) -> int:
    plan = pruning.plan(Path.cwd())
    for path, reason in plan.doomed:
        print(f"{path}  {reason}")
    freed = sum(path.stat().st_size for path, _ in plan.doomed)
    if not arguments.dry_run:
        pruning.carry_out(plan)
    done = "would be deleted" if arguments.dry_run else "deleted"
    print(f"{shelves.counted(len(plan.doomed), 'file')} {done}, {size(freed)}")
    for note in plan.notes:
        print(note, file=sys.stderr)
    return _FINE


def _verify(arguments: argparse.Namespace, rest: Sequence[str] | None) -> int:
    command = [sys.executable, "-m", "pytest", "--runloop-record=verify", *arguments.tests, *(rest or ())]
    return subprocess.run(command, check=False).returncode
