"""What a failed test shows of its sandboxes."""

from __future__ import annotations

import pytest


def test_a_wrong_output_names_its_command_exit_code_and_streams(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(runloop_sandbox):
            runloop_sandbox.exec("first", stdout="other")
            result = runloop_sandbox.exec("make it", stdout="out", stderr="err", exit_code=3)
            assert result.stdout == "hello"
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: assert 'out' == 'hello'",
            *("E * $ make it  (exit code 3)", "E * stdout: 'out'", "E * stderr: 'err'"),
            "E *- hello",
        ]
    )


def test_a_comparison_of_something_else_is_left_alone(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(runloop_sandbox):
            runloop_sandbox.exec("make it", stdout="out")
            assert "out" == "hello"
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("E *make it*")


def test_a_failed_test_shows_the_latest_commands_of_each_of_its_sandboxes(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(runloop_sandbox, runloop_root_sandbox, runloop_sandbox_factory):
            for number in range(6):
                runloop_sandbox.exec(f"command {number}", stderr="oh")
            runloop_sandbox_factory().exec("another")
            raise ValueError
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("$ command 0")
    result.stdout.no_fnmatch_line("*latest commands in dbx_2*")
    result.stdout.fnmatch_lines(
        [
            *("-* runloop: latest commands in dbx_1 -*", "$ command 1", "exit code 0*", "oh"),
            *("-* runloop: latest commands in dbx_3 -*", "$ another"),
        ]
    )


def test_commands_of_an_earlier_test_are_not_shown(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(scope="module")

        def test_earlier(runloop_sandbox):
            runloop_sandbox.exec("earlier")

        def test_it(runloop_sandbox):
            runloop_sandbox.exec("mine")
            raise ValueError

        def test_later():
            raise ValueError
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.no_fnmatch_line("$ earlier")
    assert result.outlines.count("$ mine") == 1


def test_a_passed_test_shows_nothing(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(runloop_sandbox): runloop_sandbox.exec('quiet')")

    result = project.runpytest_inprocess("-rA")

    result.stdout.no_fnmatch_line("*quiet*")
