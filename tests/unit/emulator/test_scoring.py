"""How scorers are run and what their ends mean."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_runloop.emulator.domain.scoring import grade, satisfies, task, total

BASH = {"type": "bash_script_scorer", "bash_script": "true"}
PYTHON = {"type": "python_script_scorer", "python_script": "pass"}
COMMAND = {"type": "command_scorer", "command": "true"}


def graded(scorer: dict[str, Any], stdout: str, *, exit_status: int = 0) -> tuple[float, bool]:
    result = grade(scorer, exit_status=exit_status, stdout=stdout, output=stdout)
    return result.score, bool(result.error)


@pytest.mark.parametrize(
    ("stdout", "score"),
    [("score=0.5", 0.5), ("x\nscore=1\n", 1.0), ("score=0.1\nscore=0.9 done", 0.9), ("the score = 0", 0.0)],
)
def test_a_bash_scorer_prints_its_score(stdout: str, score: float) -> None:
    assert graded(BASH, stdout) == (score, False)


@pytest.mark.parametrize("stdout", ["", "0.5", "score=", "score=high", "score=1.5", "score=-1", "score=nan"])
def test_a_bash_scorer_without_a_score_is_an_error(stdout: str) -> None:
    assert graded(BASH, stdout) == (0.0, True)


def test_a_bash_script_may_end_with_any_status() -> None:
    assert graded(BASH, "score=0.5", exit_status=1) == (0.5, False)


@pytest.mark.parametrize(("stdout", "expected"), [("a\n0.25\n", (0.25, False)), ("", (0.0, True)), ("x", (0.0, True))])
def test_a_python_scorer_prints_its_score_last(stdout: str, expected: tuple[float, bool]) -> None:
    assert graded(PYTHON, stdout) == expected


def test_a_python_scorer_that_fails_is_an_error_whatever_it_printed() -> None:
    assert graded(PYTHON, "1.0", exit_status=1) == (0.0, True)


@pytest.mark.parametrize(("exit_status", "score"), [(0, 1.0), (1, 0.0), (137, 0.0)])
def test_a_command_scores_by_its_exit_status(exit_status: int, score: float) -> None:
    assert graded(COMMAND, "score=0.5", exit_status=exit_status) == (score, False)


def test_scores_are_weighed() -> None:
    assert total([0.25, 0.75], [1.0, 0.0]) == 0.25
    assert total([2, 2], [1.0, 0.0]) == 0.5
    assert total([], []) == 0.0


def test_test_files_go_into_the_working_directory_and_scripts_do_not() -> None:
    scorer = {
        "type": "test_based_scorer",
        "test_command": "pytest",
        "test_files": [{"file_path": "a/b.py", "file_contents": "b"}, {"file_path": "/c", "file_contents": "c"}],
    }

    work = task(scorer, scratch="/s", working_directory="/w")

    assert work.files == {"/w/a/b.py": "b", "/c": "c", "/s/script": "pytest"}
    assert work.command == "cd -- /w && bash /s/script"


def test_without_a_working_directory_it_is_the_home() -> None:
    scorer = {
        "type": "test_based_scorer",
        "test_command": "t",
        "test_files": [{"file_path": "a", "file_contents": "b"}],
    }

    work = task(scorer, scratch="/s", working_directory=None)

    assert work.files["a"] == "b"
    assert work.command == "bash /s/script"


def test_requirements_are_installed_where_nobody_else_sees_them() -> None:
    work = task({**PYTHON, "requirements_contents": "six"}, scratch="/s", working_directory=None)

    assert work.files["/s/requirements.txt"] == "six"
    assert "/s/venv/bin/python -m pip install -r /s/requirements.txt" in work.command
    assert work.command.endswith("/s/venv/bin/python /s/script")


@pytest.mark.parametrize(
    ("constraint", "fits"),
    [
        ("==3.11.2", True),
        ("==3.12.10", False),
        ("==3.11.*", True),
        ("!=3.11.*", False),
        ("!=3.12", True),
        (">=3.10,<4", True),
        (">3.11", True),
        ("<=3.11", False),
        ("~=3.10", True),
        ("~=3.11.0", True),
        ("~=3.11.3", False),
        ("~=3.12.0", False),
        ("<3", False),
        ("==3.11.2,!=3.11.2", False),
    ],
)
def test_constraints_on_the_version_of_python(constraint: str, fits: bool) -> None:  # noqa: FBT001 - a table
    assert satisfies("3.11.2", constraint) is fits


@pytest.mark.parametrize("constraint", ["", "3.11", "=3", ">=x", ">=3 <4"])
def test_a_constraint_that_can_not_be_read(constraint: str) -> None:
    with pytest.raises(ValueError, match="no constraint"):
        satisfies("3.11.2", constraint)


@pytest.mark.parametrize(
    ("exit_status", "stdout", "expected"),
    [(0, "a.py:1:x", (1.0, False)), (1, "", (0.0, False)), (0, "", (0.0, False)), (127, "", (0.0, True))],
)
def test_ast_grep_scores_whether_it_found_anything(exit_status: int, stdout: str, expected: tuple[float, bool]) -> None:
    scorer = {"type": "ast_grep_scorer", "pattern": "x", "search_directory": "."}
    assert graded(scorer, stdout, exit_status=exit_status) == expected
