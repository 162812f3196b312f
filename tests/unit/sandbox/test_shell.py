from __future__ import annotations

import shlex
import subprocess
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox.shell import absolute, argv_of, check_env, command_line, display

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def test_a_string_is_a_bash_script() -> None:
    assert argv_of("a | b") == ["bash", "-c", "a | b"]


def test_an_argv_is_taken_as_it_is() -> None:
    assert argv_of(("ls", "a b")) == ["ls", "a b"]


@pytest.mark.parametrize("command", ["", [], [1], ["a", None], "a\0b", ["a\0"], b"ls", 1, None, {"ls"}])
def test_what_is_no_command_is_refused(command: Any) -> None:  # noqa: ANN401 - any mistake
    with pytest.raises(SpecError):
        argv_of(command)


def test_a_command_is_shown_as_it_was_given() -> None:
    assert (display("a | b"), display(["ls", "a b"])) == ("a | b", "ls 'a b'")


def test_the_line_has_the_agents_sdks_form() -> None:
    line = command_line(["bash", "-c", "x y"], cwd="/home/user", env={"B": "2 3", "A": "1"}, user=None)

    assert line == "cd /home/user && env -- A=1 'B=2 3' bash -c 'x y'"


def test_the_variables_survive_sudo() -> None:
    line = command_line(["id"], cwd="/a b", env={"A": "1"}, user="bob")

    assert line == "cd '/a b' && sudo -u bob -- env -- A=1 id"


def test_without_variables_there_is_no_env() -> None:
    assert command_line(["id"], cwd="/", env={}, user=None) == "cd / && id"


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_any_argv_arrives_unchanged(words: list[str]) -> None:
    line = command_line(["printf", "%s\\0", *words], cwd="/", env={}, user=None)

    assert shlex.split(line)[5:] == words


def test_bash_agrees() -> None:
    words = ["a b", "'", '"', "$HOME", "`x`", "\\", "*", "\n", "é"]
    line = command_line(["printf", "%s\\0", *words], cwd="/", env={"A": "1"}, user=None)

    answer = subprocess.run(["bash", "-c", line], capture_output=True, check=True)

    assert answer.stdout.decode().split("\0")[:-1] == words


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=", "A-B", "é"])
def test_an_impossible_variable_name_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="is not a variable name") as caught:
        check_env({name: "value"}, field="env")

    assert caught.value.field == "env"


def test_an_environment_is_a_mapping() -> None:
    with pytest.raises(SpecError, match="env: a list is not a mapping of names to strings"):
        check_env(["A=1"], field="env")


@pytest.mark.parametrize("value", [1, None, b"x", "hush\0"])
def test_an_impossible_value_is_refused_without_showing_it(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        check_env({"A": value}, field="env")

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", "/root/a"),
        ("./a/../b", "/root/a/../b"),
        ("/etc/x", "/etc/x"),
        (".", "/root"),
        (PurePosixPath("a"), "/root/a"),
    ],
)
def test_a_relative_path_starts_at_the_root(path: str | PurePosixPath, expected: str) -> None:
    assert absolute(path, root="/root") == expected


@pytest.mark.parametrize("path", ["", "a\0"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(SpecError):
        absolute(path, root="/root")
