"""``scope=``: who shares a sandbox, and when it goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_tests_of_a_module_that_ask_for_the_same_share_one(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    body = """
        import pytest

        pytestmark = pytest.mark.runloop(scope="module", files={"a": "1"}, exposed_ports=(80,))

        def test_one(runloop_sandbox): ...

        @pytest.mark.runloop(exposed_ports=[80])
        def test_the_same_in_other_words(runloop_sandbox): ...

        @pytest.mark.runloop(files={"a": "2"})
        def test_other_wish(runloop_sandbox): ...

        def test_other_user(runloop_root_sandbox): ...
        """
    project.makepyfile(test_a=body, test_b=body)

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=8)
    assert log() == [
        *("create dbx_1", "create dbx_2", "create dbx_3", "delete dbx_3", "delete dbx_2", "delete dbx_1"),
        *("create dbx_4", "create dbx_5", "create dbx_6", "delete dbx_6", "delete dbx_5", "delete dbx_4"),
        "close",
    ]


def test_a_class_shares_within_itself(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(scope="class")

        class TestA:
            def test_one(self, runloop_sandbox): ...
            def test_two(self, runloop_sandbox): ...

        class TestB:
            def test_one(self, runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=3)
    assert log() == ["create dbx_1", "delete dbx_1", "create dbx_2", "delete dbx_2", "close"]


def test_outside_a_class_the_scope_class_means_the_test_alone(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(scope="class")

        def test_one(runloop_sandbox): ...
        def test_two(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)
    assert log() == ["create dbx_1", "delete dbx_1", "create dbx_2", "delete dbx_2", "close"]


def test_a_run_shares_over_modules(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    body = "import pytest\n@pytest.mark.runloop(scope='session')\ndef test_it(runloop_sandbox): ..."
    project.makepyfile(test_a=body, test_b=body)

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)
    assert log() == ["create dbx_1", "delete dbx_1", "close"]


def test_tests_that_share_a_set_up_share_one_fork_of_it(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    body = """
        import pytest

        pytestmark = pytest.mark.runloop(scope="module", setup=["make"])

        def test_one(runloop_sandbox): ...

        @pytest.mark.runloop(setup="make")
        def test_the_same_in_other_words(runloop_sandbox): ...
        """
    project.makepyfile(test_a=body, test_b=body)

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=4)
    assert log() == ["prepare make as user", "fork dbx_1", "delete dbx_1", "fork dbx_2", "delete dbx_2", "close"]


def test_a_sandbox_that_could_not_be_made_is_not_shared(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(scope="module", name="broken")

        def test_one(runloop_sandbox): ...
        def test_two(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=2)
