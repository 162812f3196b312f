"""The table of options. What each does to a run is tested in ``tests/plugin/test_options.py``."""

from __future__ import annotations

from pytest_runloop.options import OPTIONS, Settings


def test_every_row_has_a_place_in_the_settings() -> None:
    assert tuple(option.name for option in OPTIONS) == Settings._fields


def test_there_are_at_most_six() -> None:
    assert len(OPTIONS) <= 6


def test_every_default_makes_sense() -> None:
    for option in OPTIONS:
        option.read(option.default)


def test_the_three_spellings_follow_from_the_name() -> None:
    (option,) = (option for option in OPTIONS if option.name == "max_devboxes")

    assert (option.flag, option.variable, option.ini) == (
        "--runloop-max-devboxes",
        "PYTEST_RUNLOOP_MAX_DEVBOXES",
        "runloop_max_devboxes",
    )
