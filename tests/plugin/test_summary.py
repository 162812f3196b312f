"""The last line about sandboxes."""

from __future__ import annotations

import pytest


def test_a_run_that_made_sandboxes_says_how_many(project: pytest.Pytester) -> None:
    project.makepyfile("def test_one(runloop_sandbox): ...\ndef test_two(runloop_sandbox, runloop_root_sandbox): ...")

    result = project.runpytest_inprocess()

    result.stdout.fnmatch_lines(["=* runloop: 3 sandboxes created, 3 deleted =*"])


def test_a_suspended_sandbox_counts_as_such(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(pause_on_exit=True)
        def test_it(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.stdout.fnmatch_lines(["=* runloop: 1 sandbox created, 0 deleted, 1 suspended =*"])


def test_what_was_prepared_found_forked_and_resumed_is_counted(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(setup="make")

        def test_one(runloop_sandbox): ...
        def test_two(runloop_sandbox): ...
        def test_three(suspended_snapshot):
            with suspended_snapshot.resume(): ...

        @pytest.mark.runloop(setup=None)
        def test_fresh(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.stdout.fnmatch_lines(
        ["=* runloop: 3 sandboxes created (2 forked), 1 resumed, 1 prepared, 2 found, 3 deleted, 1 suspended =*"]
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_mended_is_told_once(project: pytest.Pytester, workers: int) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(setup="gone")
        @pytest.mark.parametrize("number", range(4))
        def test_it(suspended_snapshot, number): ...
        """
    )

    result = project.runpytest_inprocess(f"-n{workers}")

    assert result.outlines.count("noticed: the disk snapshot was gone") == 1


def test_what_was_swept_is_counted(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(setup="old")
        def test_it(suspended_snapshot): ...
        """
    )

    result = project.runpytest_inprocess()

    result.stdout.fnmatch_lines(["=* runloop: 0 sandboxes created, 1 prepared, 0 deleted, 1 swept =*"])


def test_a_run_without_sandboxes_says_nothing(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(): ...")

    result = project.runpytest_inprocess()

    result.stdout.no_fnmatch_line("*created*")


def test_what_was_left_behind_is_named_with_what_to_do(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNLOOP_API_KEY", "ak_secret")
    project.makepyfile(
        """
        def test_it(runloop_sandbox_factory):
            runloop_sandbox_factory(name="sticky_1"), runloop_sandbox_factory(name="sticky_2")
        """
    )

    result = project.runpytest_inprocess()

    result.stdout.fnmatch_lines(
        [
            "=* runloop: 2 sandboxes created, 0 deleted =*",
            "left behind: sticky_2, sticky_1; they may still run and still be billed: *platform.runloop.ai",
        ]
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_the_numbers_of_all_workers_are_added_up(project: pytest.Pytester, workers: int) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(runloop_sandbox, number): ...

        @pytest.mark.runloop(name="sticky")
        def test_sticky(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess(f"-n{workers}")

    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["=* runloop: 5 sandboxes created, 4 deleted =*", "left behind: sticky; they end*"])


def test_a_crashed_worker_is_not_passed_over(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import os

        def test_crash(runloop_sandbox):
            os._exit(1)
        """
    )

    result = project.runpytest_inprocess("-n1", "--max-worker-restart=0")

    result.stdout.fnmatch_lines(["crashed workers: 1; their sandboxes are not counted here and may be left behind"])
