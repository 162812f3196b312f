"""The words of a setting, and what they mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_runloop.values import as_choice, as_count, as_dockerfiles, as_flag, as_seconds


@pytest.mark.parametrize(
    ("read", "text", "meaning"),
    [
        (as_flag, "1", True),
        (as_flag, "Yes", True),
        (as_flag, "True", True),
        (as_flag, "off", False),
        (as_flag, "False", False),
        (as_seconds, "90", 90.0),
        (as_seconds, "90s", 90.0),
        (as_seconds, "90m", 5400.0),
        (as_seconds, "12h", 43200.0),
        (as_seconds, " 7 D ", 604800.0),
        (as_count, "3", 3),
        (as_count, "none", None),
        (as_dockerfiles, "none", {}),
        (as_dockerfiles, "\n a = docker/Dockerfile \n b=c d\n", {"a": "docker/Dockerfile", "b": "c d"}),
        (as_dockerfiles, "runloop/a = x=y", {"runloop/a": "x=y"}),
    ],
)
def test_a_value_means(read: Callable[[str], object], text: str, meaning: object) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    ("read", "text", "complaint"),
    [
        (lambda text: as_choice(text, ("a", "b")), "c", "'c' is not one of a, b"),
        (as_flag, "maybe", "'maybe' is not one of yes, true, on, 1, no, false, off, 0"),
        (as_seconds, "", "'' is not an age, such as 7d, 12h, 90m, or seconds"),
        (as_seconds, "0d", "'0d' is not an age, such as 7d, 12h, 90m, or seconds"),
        (as_seconds, "-1", "'-1' is not an age, such as 7d, 12h, 90m, or seconds"),
        (as_seconds, "1.5h", "'1.5h' is not an age, such as 7d, 12h, 90m, or seconds"),
        (as_seconds, "٣d", "'٣d' is not an age, such as 7d, 12h, 90m, or seconds"),
        (as_count, "0", "'0' is not a whole number, at least 1, or none"),
        (as_count, "-3", "'-3' is not a whole number, at least 1, or none"),
        (as_dockerfiles, "a", "'a' is not a line such as name = path/to/Dockerfile"),
        (as_dockerfiles, "= a", "'= a' is not a line such as name = path/to/Dockerfile"),
        (as_dockerfiles, "a = b\na = c", "'a' is there twice, as b and as c; keep one of them"),
    ],
)
def test_what_makes_no_sense_is_refused(read: Callable[[str], object], text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        read(text)

    assert str(caught.value) == complaint
