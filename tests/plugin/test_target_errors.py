"""A target that can't be used: one clear error in a run, and short ones after it."""

from __future__ import annotations

import pytest

THREE_TESTS = """
    def test_one(runloop_sandbox): ...
    def test_two(runloop_sandbox_factory): ...
    def test_three(runloop_root_sandbox): ...
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_the_whole_story_is_told_once(empty_project: pytest.Pytester, workers: int) -> None:
    empty_project.makepyfile(THREE_TESTS)

    result = empty_project.runpytest_inprocess("--runloop-target=live", f"-n{workers}", "--tb=short")

    result.assert_outcomes(errors=3)
    told = [line for line in result.outlines if line.startswith("the target is live, but")]
    assert len(told) == 1
    result.stdout.fnmatch_lines(["the target is live, but RUNLOOP_API_KEY is not set. Set it *=emulator*"])
    short = "the live target can't be used; the first error of this run says why and what to do"
    assert result.outlines.count(short) == 2


def test_tests_that_want_no_sandbox_don_t_care(empty_project: pytest.Pytester) -> None:
    empty_project.makepyfile("def test_it(): ...")

    result = empty_project.runpytest_inprocess("--runloop-target=live")

    result.assert_outcomes(passed=1)


def test_a_wrong_address_is_named(empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNLOOP_API_KEY", "ak_secret")
    monkeypatch.setenv("RUNLOOP_BASE_URL", "api.runloop.ai")
    empty_project.makepyfile("def test_it(runloop_sandbox): ...")

    result = empty_project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["RUNLOOP_BASE_URL: 'api.runloop.ai' is not an http or https address*"])


@pytest.mark.parametrize("key", ['"ak_secret"', "ak_secret # mine", "ak_sécret"])
def test_a_key_that_can_be_none_is_not_sent(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("RUNLOOP_API_KEY", key)
    monkeypatch.setenv("RUNLOOP_BASE_URL", "http://127.0.0.1:9")
    empty_project.makepyfile("def test_it(runloop_sandbox): ...")

    result = empty_project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["RUNLOOP_API_KEY holds a blank, a quote or *; set it to the key and nothing else"])
    assert "ak_s" not in result.stdout.str()


def test_a_place_that_can_t_be_written_is_named(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", "/dev/null/state")
    empty_project.makepyfile(THREE_TESTS)

    result = empty_project.runpytest_inprocess()

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["this run can't write to /dev/null/state/runs/*PYTEST_RUNLOOP_STATE"])


def test_an_endpoint_of_the_project_s_own_needs_neither_key_nor_emulator(empty_project: pytest.Pytester) -> None:
    empty_project.makepyfile(
        """
        import pytest
        from pytest_runloop import Endpoint, Target

        @pytest.fixture(scope="session")
        def runloop_endpoint():
            return Endpoint(target=Target.LIVE, base_url="http://127.0.0.1:9", api_key="ak_mine")

        def test_it(runloop_endpoint):
            assert "ak_mine" not in repr(runloop_endpoint)
        """
    )

    result = empty_project.runpytest_inprocess("--runloop-target=live")

    result.assert_outcomes(passed=1)
