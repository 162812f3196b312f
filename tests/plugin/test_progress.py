"""Lines that a person sees while a run waits, whoever captures what.

Run as processes: a worker's stderr is its controller's.
"""

from __future__ import annotations

import sys

import pytest

WAITING = """
    import pytest
    from pytest_runloop.progress import teller

    @pytest.fixture
    def waited(request):
        teller(request.config)("waiting for somebody")

    def test_it(waited): ...
"""


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(WAITING)
    return pytester.run(sys.executable, "-m", "pytest", *arguments)


@pytest.mark.parametrize("arguments", [[], ["-q"], ["--capture=sys"], ["-v"]])
def test_a_line_reaches_the_terminal(empty_project: pytest.Pytester, arguments: list[str]) -> None:
    result = run(empty_project, *arguments)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["runloop: waiting for somebody"])


@pytest.mark.parametrize("arguments", [[], ["-q"]])
def test_a_line_is_not_glued_to_the_dots(empty_project: pytest.Pytester, arguments: list[str]) -> None:
    empty_project.makepyfile(WAITING + "    def test_again(waited): ...")

    result = empty_project.run(sys.executable, "-m", "pytest", *arguments)

    result.assert_outcomes(passed=2)
    assert result.outlines.count("runloop: waiting for somebody") == 2


@pytest.mark.parametrize("arguments", [[], ["-q"], ["--capture=sys"]])
def test_a_worker_s_line_reaches_the_controller_s_stderr(empty_project: pytest.Pytester, arguments: list[str]) -> None:
    result = run(empty_project, "-n1", *arguments)

    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["runloop: waiting for somebody (gw0)"])


@pytest.mark.parametrize("without", ["terminal", "capture"])
def test_a_line_gets_through_without(empty_project: pytest.Pytester, without: str) -> None:
    result = run(empty_project, "-p", f"no:{without}")

    assert result.ret == 0
    assert "runloop: waiting for somebody" in result.outlines + result.errlines


def test_the_capture_goes_on_afterwards(empty_project: pytest.Pytester) -> None:
    empty_project.makepyfile(
        """
        from pytest_runloop.progress import teller

        def test_it(pytestconfig, capfd):
            print("before")
            teller(pytestconfig)("now")
            print("after")
            assert capfd.readouterr().out == "before\\nafter\\n"
        """
    )

    result = empty_project.run(sys.executable, "-m", "pytest")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["runloop: now"])


def test_any_thread_may_tell(empty_project: pytest.Pytester) -> None:
    empty_project.makepyfile(
        """
        from concurrent.futures import ThreadPoolExecutor
        from pytest_runloop.progress import teller

        def test_it(pytestconfig):
            tell = teller(pytestconfig)
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(tell, [f"line {number}" for number in range(20)]))
        """
    )

    result = empty_project.run(sys.executable, "-m", "pytest")

    result.assert_outcomes(passed=1)
    assert {line for line in result.outlines if line.startswith("runloop: line")} == {
        f"runloop: line {number}" for number in range(20)
    }
