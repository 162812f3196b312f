"""``suspended_snapshot``, and sandboxes whose mark has a set-up. On an emulator: ``test_prepared.py``."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_a_fixture_prepares_once_and_gives_a_handle_with_two_verbs(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(setup="make")

        def test_one(suspended_snapshot):
            assert suspended_snapshot.created
            with suspended_snapshot.fork() as one, suspended_snapshot.fork() as two:
                assert one.devbox_id != two.devbox_id

        def test_two(suspended_snapshot):
            assert not suspended_snapshot.created
            with suspended_snapshot.resume() as sandbox:
                assert sandbox.devbox_id == "dbx_prepared"
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)
    assert log() == [
        *("prepare make as user", "fork dbx_1", "fork dbx_2", "delete dbx_2", "delete dbx_1"),
        *("resume dbx_prepared", "suspend dbx_prepared", "put back", "close"),
    ]


def test_a_root_s_snapshot_is_another(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(setup="make")
        def test_it(suspended_snapshot, suspended_root_snapshot):
            assert suspended_snapshot.spec.user == "user"
            assert suspended_root_snapshot.spec.user == "root"
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    assert sorted(log()) == ["close", "prepare make as root", "prepare make as user"]


def test_a_mark_with_a_set_up_makes_every_sandbox_a_fork_and_one_without_a_fresh_one(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(setup="make")
        def test_fork(runloop_sandbox): ...

        @pytest.mark.runloop(setup="make")
        def test_root(runloop_root_sandbox): ...

        @pytest.mark.runloop(setup="make")
        def test_factory(runloop_sandbox_factory):
            runloop_sandbox_factory()
            runloop_sandbox_factory(setup=None)

        @pytest.mark.runloop(files={"a": "1"})
        def test_fresh(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=4)
    assert log() == [
        *("prepare make as user", "fork dbx_1", "delete dbx_1"),
        *("prepare make as root", "fork dbx_2", "delete dbx_2"),
        *("fork dbx_3", "create dbx_4", "delete dbx_4", "delete dbx_3"),
        *("create dbx_5", "delete dbx_5", "close"),
    ]


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("pass", "put back"),
        ("pytest.skip('half-way')", "put back"),
        ("assert not 'after the sandbox was given back'", "discard"),
        ("pytest.fail('on purpose')", "discard"),
        ("pytest.xfail('it is known')", "discard"),
    ],
)
def test_what_a_failed_test_resumed_is_discarded(
    project: pytest.Pytester, log: Callable[[], list[str]], body: str, verdict: str
) -> None:
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.runloop(setup="make")
        def test_it(suspended_snapshot):
            with suspended_snapshot.resume():
                pass
            {body}
        """
    )

    project.runpytest_inprocess()

    assert log()[-3:] == ["suspend dbx_prepared", verdict, "close"]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("", "raise ValueError", "discard"),
        ("raise ValueError", "", "put back"),
    ],
)
def test_only_the_test_s_own_outcome_counts(
    project: pytest.Pytester, log: Callable[[], list[str]], first: str, second: str, verdict: str
) -> None:
    project.makepyfile(
        f"""
        import pytest

        def test_before():
            {first or "pass"}

        @pytest.mark.runloop(setup="make")
        def test_it(suspended_snapshot):
            with suspended_snapshot.resume():
                pass
            {second or "pass"}
        """
    )

    project.runpytest_inprocess()

    assert log()[-2:] == [verdict, "close"]


def test_another_fixture_that_fails_fails_the_test(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def resumed(suspended_snapshot):
            with suspended_snapshot.resume() as sandbox:
                yield sandbox

        @pytest.fixture
        def broken(resumed):
            raise ValueError

        @pytest.mark.runloop(setup="make")
        def test_it(resumed, broken): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    assert log()[-3:] == ["suspend dbx_prepared", "discard", "close"]


def test_a_test_that_is_cut_short_has_not_passed(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(setup="make")
        def test_it(suspended_snapshot):
            with suspended_snapshot.resume():
                pass
            raise KeyboardInterrupt
        """
    )

    result = project.runpytest_inprocess(no_reraise_ctrlc=True)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert log()[-3:] == ["suspend dbx_prepared", "discard", "close"]


def test_a_test_that_is_run_again_starts_with_a_clean_record(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        conftest=(project.path / "conftest.py").read_text()
        + """
def pytest_runtest_protocol(item, nextitem):
    from _pytest.runner import runtestprotocol
    runtestprotocol(item, log=False, nextitem=nextitem)
    runtestprotocol(item, nextitem=nextitem)
    return True
""",
        test_it="""
        import pytest

        attempts = []

        @pytest.mark.runloop(setup="make")
        def test_it(suspended_snapshot):
            with suspended_snapshot.resume():
                pass
            attempts.append(1)
            assert len(attempts) > 1
        """,
    )

    project.runpytest_inprocess()

    assert [line for line in log() if line in {"discard", "put back"}] == ["discard", "put back"]


def test_a_set_up_that_fails_fails_its_test_with_one_message(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        pytestmark = pytest.mark.runloop(setup="impossible")

        def test_it(suspended_snapshot): ...
        def test_fork(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [f"test_it.py::test_{name}: set-up failed: $ impossible (exit code 127): *" for name in ("it", "fork")]
    )
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_a_wrong_mark_prepares_nothing(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.runloop(blueprnt="x")
        def test_name(suspended_snapshot): ...

        @pytest.mark.runloop(name="impossible")
        def test_value(suspended_snapshot): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*unexpected keyword argument 'blueprnt'*", "*name: 'impossible' can't be had*"])
    assert not [line for line in log() if line.startswith("prepare")]


def test_a_failed_test_shows_the_commands_of_what_it_forked_and_resumed(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(setup="make")
        def test_it(suspended_snapshot):
            with suspended_snapshot.fork() as fork, suspended_snapshot.resume() as resumed:
                fork.exec("in the fork")
                resumed.exec("in the resumed")
            raise ValueError
        """
    )

    result = project.runpytest_inprocess()

    result.stdout.fnmatch_lines(
        [
            *("-* runloop: latest commands in dbx_1 -*", "$ in the fork"),
            *("-* runloop: latest commands in dbx_prepared -*", "$ in the resumed"),
        ]
    )


@pytest.mark.parametrize(
    ("mark", "mode"), [("@pytest.mark.asyncio", "strict"), ("", "auto"), ("@pytest.mark.anyio", "strict")]
)
def test_async_tests_may_wait_or_await(
    project: pytest.Pytester, log: Callable[[], list[str]], mark: str, mode: str
) -> None:
    project.makepyfile(
        f"""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        {mark}
        @pytest.mark.runloop(setup="make")
        async def test_it(suspended_snapshot):
            async with suspended_snapshot.fork():
                pass
            await suspended_snapshot.resume()
        """
    )

    result = project.runpytest_inprocess(f"--asyncio-mode={mode}")

    result.assert_outcomes(passed=1)
    assert log()[1:] == [
        *("fork dbx_1", "delete dbx_1", "resume dbx_prepared", "suspend dbx_prepared", "put back", "close")
    ]


def test_trio_is_refused_here_as_well(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["trio"])
        async def test_it(suspended_snapshot): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*suspended_snapshot needs asyncio*"])


def test_a_fixture_of_the_project_can_keep_one_for_a_scope_of_its_own(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        """
        import pytest
        from contextlib import closing
        from pytest_runloop import SandboxSpec

        @pytest.fixture(scope="module")
        def database(runloop_preparations):
            spec = SandboxSpec(test="database", setup=("initdb",))
            with closing(runloop_preparations.prepared(spec)) as snapshot, snapshot.fork() as sandbox:
                yield sandbox

        def test_one(database): ...
        def test_two(database): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)
    assert log() == ["prepare initdb as user", "fork dbx_1", "delete dbx_1", "close"]
