"""Cassettes that no test uses: told only by a run that could know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REPLAY = "--runloop-target=replay"
OURS = '{"version": 1, "recorded": {"what": "test", "name": "a"}, "interactions": []}'
STALE = "cassettes/test_it/test_gone.json"
TESTS = """
    import pytest

    def test_it(): ...

    @pytest.mark.skip
    def test_skipped(): ...
"""


@pytest.fixture
def project(empty_project: pytest.Pytester) -> pytest.Pytester:
    """A project of two tests, one of them skipped, and three cassettes."""
    empty_project.makepyfile(test_it=TESTS, test_off="import pytest\npytest.importorskip('no_such_module')")
    for name in (STALE, "cassettes/test_it/test_skipped.json", "cassettes/test_off/test_one.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(OURS)
    return empty_project


def test_a_whole_run_lists_them_and_leaves_the_list_in_the_cache(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(REPLAY)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["runloop: 1 cassette is used by no test any more; *prune*", f"  {STALE}"])
    result.stdout.no_fnmatch_line("  cassettes/test_off*")
    result.stdout.no_fnmatch_line("  cassettes/test_it/test_skipped*")
    assert json.loads(Path(".pytest_cache/v/runloop/stale").read_text()) == [STALE]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "it"],
        ["-m", "not slow"],
        ["--deselect", "test_it.py::test_skipped"],
        ["test_it.py"],
        ["test_it.py::test_it"],
        ["--lf"],
        ["--collect-only"],
    ],
)
def test_a_part_of_a_run_says_nothing(project: pytest.Pytester, arguments: list[str]) -> None:
    result = project.runpytest_inprocess(REPLAY, *arguments)

    result.stdout.no_fnmatch_line("*used by no test*")


def test_cassettes_of_other_tools_are_nobody_s_business(project: pytest.Pytester) -> None:
    for name, text in {"test_one.yaml": "interactions: []\nversion: 1\n", "test_two.json": '{"version": 1}'}.items():
        Path("cassettes/test_it", name).write_text(text)

    result = project.runpytest_inprocess(REPLAY)

    result.stdout.fnmatch_lines(["runloop: 1 cassette is used by no test any more*", f"  {STALE}"])


def test_a_run_with_a_failure_says_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(test_fails="def test_it(): assert 0")

    result = project.runpytest_inprocess(REPLAY, "-x")

    result.stdout.no_fnmatch_line("*used by no test*")


def test_another_target_says_nothing(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("--runloop-target=emulator", "--runloop-record=once")

    result.stdout.no_fnmatch_line("*used by no test*")


@pytest.mark.parametrize("arguments", [["-n2"], ["."], ["-p", "no:cacheprovider"]])
def test_it_is_the_same_with(project: pytest.Pytester, arguments: list[str]) -> None:
    result = project.runpytest_inprocess(REPLAY, *arguments)

    result.stdout.fnmatch_lines(["runloop: 1 cassette is used by no test any more*"])
