"""Names of shared sandboxes: equal on every computer, different for every wish."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from pytest_runloop.spec import SandboxSpec
from pytest_runloop.wishes import key_of, secrets_of, wish

SPEC = SandboxSpec(test="test_it.py::test_it", options={"env_vars": {"A": "1", "B": "2"}}, files={"a": "1"})


def key(spec: SandboxSpec, *, root: Path = Path("/project")) -> str:
    return key_of(spec, root=root, clean=lambda text: text.replace("today", "<secret>"))


def setup_of_a_test(_: object) -> None: ...


def test_it_is_readable_and_known_beforehand() -> None:
    assert key(SandboxSpec(test="")) == "user-9fde0e661fcc"


def test_neither_the_test_nor_the_order_of_words_counts() -> None:
    other = replace(SPEC, test="other", options=MappingProxyType({"env_vars": {"B": "2", "A": "1"}}))

    assert key(other) == key(SPEC)
    assert wish(other) == wish(SPEC)


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, user="root"),
        replace(SPEC, options={"env_vars": {"A": "1"}}),
        replace(SPEC, files={"a": b"1"}),
        replace(SPEC, files={"a": Path("/project/a")}),
        replace(SPEC, setup=("make",)),
        replace(SPEC, setup=setup_of_a_test),
        replace(SPEC, options={**SPEC.options, "managed_secrets": {"TOKEN": "x"}}),
    ],
)
def test_another_wish_has_another_key(other: SandboxSpec) -> None:
    assert key(other) != key(SPEC)


def test_secrets_and_places_of_a_computer_do_not_count() -> None:
    here = replace(SPEC, files={"a": Path("/here/a")}, options={"managed_secrets": {"T": "1"}, "name": "today"})
    there = replace(SPEC, files={"a": Path("/there/a")}, options={"managed_secrets": {"T": "2"}, "name": "<secret>"})

    assert key(here, root=Path("/here")) == key(there, root=Path("/there"))


def test_secrets_in_the_bytes_of_a_file_do_not_count() -> None:
    assert key(replace(SPEC, files={"a": b"1 today"})) == key(replace(SPEC, files={"a": b"1 <secret>"}))


def test_what_a_sandbox_is_told_in_secret_is_known_by_name() -> None:
    options = {"managed_secrets": {"DB": "1"}, "env_vars": {"A_TOKEN": "2", "B_TOKEN": 3, "LANG": "C"}}

    assert secrets_of(replace(SPEC, options=options), lambda name: "TOKEN" in name) == {"DB": "1", "A_TOKEN": "2"}
    assert secrets_of(replace(SPEC, options={}), lambda _: True) == {}
