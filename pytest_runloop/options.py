"""What a person may set for a run: one table, one rule of precedence.

Command line > environment > ini > default. Each setting remembers where its value came from, for the header and for
messages. What a project sets once for all its sandboxes is not here: that is the fixture ``runloop_defaults``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest

from pytest_runloop.sharing import Loan
from pytest_runloop.tally import Counts, Reuses, Tally
from pytest_runloop.target import RECORD_MODES, Record, Target
from pytest_runloop.values import as_choice, as_count, as_dockerfiles, as_flag, as_record, as_seconds
from pytest_runloop.wiring import Terms, Wiring

if TYPE_CHECKING:
    from pytest_runloop.dockerfiles import Dockerfiles

TARGETS = ("auto", "live", "replay", "emulator")


# Named tuples cost every pytest run of every project a quarter of what dataclasses do.
class Option(NamedTuple):
    """One row of the table: a flag, an environment variable and an ini key that mean the same.

    Attributes:
        name: As the ini key has it, without its prefix, such as ``max_age``.
        shape: What a value looks like, for the help; empty for a flag that takes none.
        default: The value when nobody chose.
        text: Help for the command line and ``pytest --help``.
        read: Makes sense of a value, or raises ``ValueError`` with what is wrong.
        ini_type: pytest's word for what the ini file holds. Not its "int" and "bool": it says of a bad value neither
            which it is nor what would be right.
    """

    name: str
    shape: str
    default: str
    text: str
    read: Callable[[str], object]
    ini_type: Literal["string", "linelist"] = "string"

    @property
    def flag(self) -> str:
        return f"--runloop-{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return f"PYTEST_RUNLOOP_{self.name.upper()}"

    @property
    def ini(self) -> str:
        return f"runloop_{self.name}"


OPTIONS = (
    Option(
        name="target",
        shape="|".join(TARGETS),
        default="auto",
        text="where sandboxes run: live (Runloop, needs RUNLOOP_API_KEY), replay (recorded cassettes), emulator "
        "(on this computer, needs no key), or auto: a test's cassette if it has one, else live if RUNLOOP_API_KEY is "
        "set, else emulator",
        read=lambda text: as_choice(text, TARGETS),
    ),
    Option(
        name="record",
        shape="|".join(RECORD_MODES),
        default=Record.NONE.value,
        text="what is recorded for the target replay: none; once: tests that have no cassette yet, while the others "
        "replay theirs; all: every test anew; verify: nothing, but every test is compared with its cassette",
        read=as_record,
    ),
    Option(
        name="fresh",
        shape="",
        default="no",
        text="prepare every set-up anew in this run, and replace what earlier runs have prepared",
        read=as_flag,
    ),
    Option(
        name="max_age",
        shape="AGE",
        default="7d",
        text="how old a prepared set-up may get before it is prepared anew: seconds, or a number with m, h or d",
        read=as_seconds,
    ),
    Option(
        name="max_devboxes",
        shape="N",
        default="none",
        text="how many devboxes may run at once, over all workers of the run; tests wait for their turn",
        read=as_count,
    ),
    Option(
        name="blueprints",
        shape="NAME=DOCKERFILE",
        default="none",
        text="blueprints of the project's own, which blueprint= then knows by name; one a line, paths start at the "
        "rootdir",
        read=as_dockerfiles,
        ini_type="linelist",
    ),
)


class Setting(NamedTuple):
    """A value, and what set it: a flag, an environment variable, an ini key, or the default."""

    value: str
    source: str


class Settings(NamedTuple):
    """What was asked of this run; one field per row of the table, and what each means."""

    target: Setting
    record: Setting
    fresh: Setting
    max_age: Setting
    max_devboxes: Setting
    blueprints: Setting

    def terms(self, *, owner: str) -> Terms:
        return Terms(
            owner=owner,
            max_age_s=as_seconds(self.max_age.value),
            fresh=as_flag(self.fresh.value),
            most_devboxes=as_count(self.max_devboxes.value),
            record=Record(self.record.value),
        )

    def dockerfiles(self, *, root: Path) -> Dockerfiles:
        from pytest_runloop.dockerfiles import Dockerfiles

        return Dockerfiles(as_dockerfiles(self.blueprints.value), root=root)


SETTINGS = pytest.StashKey[Settings]()
WIRING = pytest.StashKey[Wiring]()
PROVISIONERS = pytest.StashKey[list[Counts]]()
"""Whatever made sandboxes in this process."""
PREPARATIONS = pytest.StashKey[list[Reuses]]()
"""Whatever prepared sandboxes in this process."""
TALLIES = pytest.StashKey[list[Tally]]()
"""The sums of this process and of its workers."""
LENT = pytest.StashKey[list[Loan]]()
"""The sandboxes in the hands of the running test."""


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("runloop", "Runloop sandboxes")
    for option in OPTIONS:
        text = f"{option.text} (default: {option.default}; environment: {option.variable})"
        if option.shape:
            # No argparse choices or types: a bad value gets the same message wherever it came from.
            group.addoption(option.flag, metavar=option.shape, default=None, help=text)
        else:
            group.addoption(option.flag, action="store_const", const="yes", default=None, help=text)
        parser.addini(option.ini, f"like {option.flag}, for the project", type=option.ini_type, default=None)


def read_settings(config: pytest.Config, environ: Mapping[str, str]) -> Settings:
    """Resolve every option.

    Raises:
        pytest.UsageError: A value makes no sense; the message says what would, and where the value came from.
    """
    settings = Settings(**{option.name: _read(option, config, environ) for option in OPTIONS})
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    target, record = settings.target, settings.record
    if target.value == Target.REPLAY.value and record.value != Record.NONE.value:
        msg = (
            f"runloop_record: {record.value!r} (from {record.source}) needs something to record, and the target is "
            f"replay (from {target.source}); record on this computer with --runloop-target=emulator, or at Runloop "
            "with --runloop-target=live"
        )
        raise pytest.UsageError(msg)


def _read(option: Option, config: pytest.Config, environ: Mapping[str, str]) -> Setting:
    candidates = (
        (config.getoption(option.flag), option.flag),
        (environ.get(option.variable), option.variable),
        (_in_ini(option, config), f"ini {option.ini}"),
        (option.default, "default"),
    )
    value, source = next((value, source) for value, source in candidates if value)
    try:
        option.read(value)
    except ValueError as error:
        msg = f"{option.ini}: {error} (from {source})"
        raise pytest.UsageError(msg) from None
    return Setting(value=value, source=source)


def _in_ini(option: Option, config: pytest.Config) -> str:
    try:
        value = config.getini(option.ini)
    except TypeError as error:
        # Of a TOML file with types of its own; newer pytest says it by itself, and before us.
        raise pytest.UsageError(str(error)) from None
    return "\n".join(value) if isinstance(value, list) else value
