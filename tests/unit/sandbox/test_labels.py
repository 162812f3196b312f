from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.sandbox.labels import LONGEST_VALUE, labels_for, shortened, with_labels


def test_a_devbox_tells_whose_it_is() -> None:
    assert labels_for(test="t.py::x", run="r1", sandbox="s1") == {
        "pytest_runloop": "1",
        "pytest_runloop_test": "t.py::x",
        "pytest_runloop_run": "r1",
        "pytest_runloop_sandbox": "s1",
    }


def test_the_users_metadata_wins() -> None:
    assert with_labels({"a": "user", "b": "user"}, {"a": "ours", "c": "ours"}) == {
        "a": "user",
        "b": "user",
        "c": "ours",
    }


@given(st.text())
def test_a_label_never_grows_too_long(text: str) -> None:
    short = shortened(text)

    assert len(short) <= LONGEST_VALUE
    assert short == text or (short[0], short[-1]) == (text[0], text[-1])
