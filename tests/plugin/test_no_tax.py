"""What a run pays that wants no sandbox, and what works without which other plugin.

What is loaded without xdist is tested in ``tests/architecture``.
"""

from __future__ import annotations

import sys

import pytest

HEAVY = {
    *("agents", "openai", "runloop_api_client", "httpx", "httpx2", "vcr", "starlette", "uvicorn", "pydantic"),
    *("filelock", "platformdirs", "sqlite3"),
}


def test_a_worker_that_gets_no_sandbox_test_loads_no_heavy_package(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_runloop.plugin,xdist.plugin")
    empty_project.makepyfile(
        f"""
        import sys

        def test_it():
            assert not {HEAVY!r} & set(sys.modules)
        """
    )

    result = empty_project.run(sys.executable, "-m", "pytest", "-n1")

    result.assert_outcomes(passed=1)


def test_nothing_of_ours_is_autouse(empty_project: pytest.Pytester) -> None:
    empty_project.makepyfile(
        """
        def test_it(request):
            assert not [name for name in request.fixturenames if "runloop" in name]
        """
    )

    result = empty_project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_the_first_test_of_a_replay_alone_opens_the_studio(empty_project: pytest.Pytester) -> None:
    empty_project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_it(request, number):
            assert ("_runloop_studio" in request.node.fixturenames) == (number == 0)
        """
    )

    result = empty_project.runpytest_inprocess("--runloop-target=replay")

    result.assert_outcomes(passed=3)


def test_nothing_is_written_by_a_run_without_sandboxes(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = empty_project.path / "state"
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(state))
    empty_project.makepyfile("def test_it(): ...")

    result = empty_project.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    assert not state.exists()


@pytest.mark.parametrize("without", ["cacheprovider", "xdist", "asyncio", "anyio"])
def test_another_plugin_may_be_missing(project: pytest.Pytester, without: str) -> None:
    project.makepyfile("def test_it(runloop_sandbox): ...")

    result = project.runpytest_inprocess("-p", f"no:{without}")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["=* runloop: 1 sandbox created, 1 deleted =*"])


def test_every_public_name_can_be_imported() -> None:
    import pytest_runloop

    for name in pytest_runloop.__all__:
        assert getattr(pytest_runloop, name).__name__ == name
    assert set(pytest_runloop.__all__) <= set(dir(pytest_runloop))


def test_another_name_is_an_attribute_error() -> None:
    import pytest_runloop

    with pytest.raises(AttributeError, match="has no attribute 'Sandboks'"):
        pytest_runloop.Sandboks  # noqa: B018 - the access is the test
