from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict

import pytest

from pytest_runloop.sandbox.results import LONGEST_STREAM, SHORT_REPR, ExecResult, Output, explained

FAILED = ExecResult(command="make", stdout="out\n", stderr="err\n", exit_code=3, duration_s=0.5, devbox_id="dbx_1")


def long_result(**changes: object) -> ExecResult:
    fields: dict[str, object] = {
        "command": "c" * 500, "stdout": "o" * 5000, "stderr": "e" * 5000, "exit_code": 1, "duration_s": 1.0
    }  # fmt: skip
    return ExecResult(**{**fields, **changes})  # type: ignore[arg-type]  # the fields' types are what varies here


@pytest.mark.parametrize(("exit_code", "ok"), [(0, True), (1, False), (137, False)])
def test_only_exit_code_0_is_ok(exit_code: int, ok: bool) -> None:  # noqa: FBT001 - parametrised
    assert ExecResult(command="x", stdout="", stderr="", exit_code=exit_code, duration_s=0).ok is ok


def test_a_result_shows_command_exit_code_and_both_streams() -> None:
    assert repr(FAILED) == r"<exit 3: `make`, stdout='out\n', stderr='err\n'>"


@pytest.mark.parametrize("short", [{}, {"stdout": "short"}, {"stderr": "short"}, {"command": "short"}])
def test_a_long_result_fits_what_pytest_shows(short: dict[str, object]) -> None:
    shown = repr(long_result(**short))

    assert len(shown) <= SHORT_REPR
    assert all(text in shown for text in map(str, short.values()))


def test_the_description_holds_everything() -> None:
    assert FAILED.describe().splitlines() == [
        "$ make",
        "exit code 3 after 0.50 s in devbox dbx_1",
        "--- stdout ---",
        "out",
        "--- stderr ---",
        "err",
    ]


def test_the_description_says_what_was_left_out() -> None:
    shown = long_result(stdout="x" * (LONGEST_STREAM + 7), stderr="").describe()

    assert "[… 7 characters left out …]" in shown
    assert "--- stderr: empty ---" in shown


def test_a_failed_comparison_tells_the_command_near_the_top() -> None:
    assert explained(["'out' == 'x'", "", "- x"], FAILED.stdout.strip(), "x") == [
        "'out' == 'x'",
        "$ make  (exit code 3)",
        r"stdout: 'out\n'",
        r"stderr: 'err\n'",
        "",
        "- x",
    ]


def test_other_comparisons_are_left_alone() -> None:
    assert explained(["1 == 2"], 1, 2) == ["1 == 2"]
    assert explained([], FAILED.stdout, "x") == []
    assert explained(["'a' == 'b'"], Output("a"), "b") == ["'a' == 'b'"]


def test_an_output_is_text_everywhere() -> None:
    assert FAILED.stdout == "out\n"
    assert json.dumps({"text": FAILED.stdout}) == '{"text": "out\\n"}'
    assert {"out\n": 1}[FAILED.stdout] == 1


@pytest.mark.parametrize("copied", [copy.copy(FAILED), copy.deepcopy(FAILED), pickle.loads(pickle.dumps(FAILED))])  # noqa: S301
def test_a_copy_of_a_result_equals_it(copied: ExecResult) -> None:
    assert copied == FAILED
    assert asdict(copied)["stdout"] == "out\n"
