"""What a person may set for a run: one table, one rule of precedence.

Command line > environment > ini > default. Each setting remembers where its value came from, for the header and for
messages. What a project sets once for all its sandboxes is not here: that is the fixture ``runloop_defaults``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from pytest_runloop.sharing import Loan
from pytest_runloop.tally import Counts, Tally
from pytest_runloop.wiring import Wiring


# Named tuples cost every pytest run of every project a quarter of what dataclasses do.
class Option(NamedTuple):
    """One row of the table: a flag, an environment variable and an ini key that mean the same.

    Attributes:
        name: Without any prefix, such as ``target``.
        choices: The values there are.
        default: The value when nobody chose.
        text: Help for the command line and ``pytest --help``.
    """

    name: str
    choices: tuple[str, ...]
    default: str
    text: str

    @property
    def flag(self) -> str:
        return f"--runloop-{self.name}"

    @property
    def variable(self) -> str:
        return f"PYTEST_RUNLOOP_{self.name.upper()}"

    @property
    def ini(self) -> str:
        return f"runloop_{self.name}"


OPTIONS = (
    Option(
        name="target",
        choices=("auto", "live", "replay", "emulator"),
        default="auto",
        text="where sandboxes run: live (Runloop, needs RUNLOOP_API_KEY), replay (recorded cassettes), emulator "
        "(on this computer, needs no key), or auto: live if RUNLOOP_API_KEY is set, else emulator",
    ),
)


class Setting(NamedTuple):
    """A value, and what set it: a flag, an environment variable, an ini key, or the default."""

    value: str
    source: str


class Settings(NamedTuple):
    """What was asked of this run; one attribute per row of the table."""

    target: Setting


SETTINGS = pytest.StashKey[Settings]()
WIRING = pytest.StashKey[Wiring]()
PROVISIONERS = pytest.StashKey[list[Counts]]()
"""Whatever made sandboxes in this process."""
TALLIES = pytest.StashKey[list[Tally]]()
"""The sums of this process and of its workers."""
LENT = pytest.StashKey[list[Loan]]()
"""The sandboxes in the hands of the running test."""


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("runloop", "Runloop sandboxes")
    for option in OPTIONS:
        text = f"{option.text} (default: {option.default}; environment: {option.variable})"
        # No argparse choices: a bad value gets the same message wherever it came from.
        group.addoption(option.flag, metavar="|".join(option.choices), default=None, help=text)
        parser.addini(option.ini, f"like {option.flag}, for the project", default=None)


def read_settings(config: pytest.Config, environ: Mapping[str, str]) -> Settings:
    """Resolve every option.

    Raises:
        pytest.UsageError: A value is not one of its choices.
    """
    return Settings(**{option.name: _read(option, config, environ) for option in OPTIONS})


def _read(option: Option, config: pytest.Config, environ: Mapping[str, str]) -> Setting:
    candidates = (
        (config.getoption(option.flag), option.flag),
        (environ.get(option.variable), option.variable),
        (config.getini(option.ini), f"ini {option.ini}"),
        (option.default, "default"),
    )
    value, source = next((value, source) for value, source in candidates if value)
    if value not in option.choices:
        msg = f"{option.ini}: {value!r} is not one of {', '.join(option.choices)} (from {source})"
        raise pytest.UsageError(msg)
    return Setting(value=value, source=source)
