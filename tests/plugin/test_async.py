"""The same fixtures under every async plugin."""

from __future__ import annotations

import pytest

ASYNC_TEST = """
    import asyncio
    import pytest

    {mark}
    async def test_it(runloop_sandbox, runloop_root_sandbox):
        await asyncio.sleep(0)
        assert runloop_sandbox.spec.user == "user"
        assert runloop_root_sandbox.spec.user == "root"
"""


def test_pytest_asyncio_strict(project: pytest.Pytester) -> None:
    project.makepyfile(ASYNC_TEST.format(mark="@pytest.mark.asyncio"))

    result = project.runpytest_inprocess("--asyncio-mode=strict")

    result.assert_outcomes(passed=1)


def test_pytest_asyncio_auto(project: pytest.Pytester) -> None:
    project.makepyfile(ASYNC_TEST.format(mark=""))

    result = project.runpytest_inprocess("--asyncio-mode=auto")

    result.assert_outcomes(passed=1)


def test_anyio_on_asyncio_works_and_on_trio_says_why_not(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=ASYNC_TEST.format(mark="@pytest.mark.anyio"))

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["test_it.py::test_it[[]trio[]]: runloop_sandbox needs asyncio, *this test runs under trio*anyio_backend*"]
    )


def test_anyio_with_options_for_trio_says_why_not_as_well(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "trio", {}

        @pytest.mark.anyio
        async def test_it(runloop_sandbox_factory): ...

        def test_sync(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*runloop_sandbox_factory needs asyncio*"])


def test_a_factory_s_calls_can_be_awaited_together(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import asyncio
        import pytest

        @pytest.mark.asyncio
        async def test_it(runloop_sandbox_factory):
            one, two = await asyncio.gather(
                runloop_sandbox_factory.aio(name="one"), runloop_sandbox_factory.aio(name="two", user="root")
            )
            assert (one.devbox_id, one.spec.user) == ("one", "user")
            assert (two.devbox_id, two.spec.user) == ("two", "root")
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)
