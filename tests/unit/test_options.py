"""The table of options. What each does to a run is tested in ``tests/plugin/test_options.py``."""

from __future__ import annotations

from pytest_runloop.options import OPTIONS, Settings


def test_every_row_has_a_place_in_the_settings() -> None:
    assert tuple(option.name for option in OPTIONS) == Settings._fields


def test_every_default_is_a_choice() -> None:
    assert all(option.default in option.choices for option in OPTIONS)


def test_the_three_spellings_follow_from_the_name() -> None:
    (target,) = OPTIONS

    assert (target.flag, target.variable, target.ini) == (
        "--runloop-target",
        "PYTEST_RUNLOOP_TARGET",
        "runloop_target",
    )
