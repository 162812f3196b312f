"""Prepared sandboxes on an emulator: one preparation, found by others, with real disks."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
PREPARED = """
    import pytest
    from pathlib import Path

    pytestmark = pytest.mark.runloop(setup=["date +%N > when", "mkdir made"])

    @pytest.mark.parametrize("number", range(4))
    def test_it(suspended_snapshot, number):
        with suspended_snapshot.fork() as sandbox:
            assert sandbox.exists("made")
            when = sandbox.read_text("when")
        with Path("seen").open("a") as seen:
            seen.write(f"{suspended_snapshot.created} {when}")
"""


# Two tests on two workers reach the end of this at the same time, with what takes long already loaded.
TOGETHER = """
    import time
    import pytest
    from pathlib import Path

    @pytest.fixture(params=range(2))
    def together(request, runloop_provisioner):
        from pytest_runloop import preparation
        from pytest_runloop.sandbox.runloop import provider
        Path(f"ready-{request.param}").touch()
        while len(list(Path().glob("ready-*"))) < 2:
            time.sleep(0.01)
"""


@pytest.fixture
def project(
    empty_project: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    _sdk: None,
) -> Iterator[pytest.Pytester]:
    """A project with an account of its own: what it finds, it has prepared."""
    state = tmp_path_factory.mktemp("account")
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(state))
    yield empty_project
    assert not list((state / "runs").iterdir())


def summary(result: pytest.RunResult) -> str:
    return next(line.strip("= ") for line in result.outlines if " created" in line)


def seen() -> list[str]:
    """What the tests noted down since this was last asked."""
    lines = Path("seen").read_text().splitlines()
    Path("seen").unlink()
    return lines


def test_one_preparation_serves_all_workers_and_the_next_run(project: pytest.Pytester) -> None:
    project.makepyfile(PREPARED)

    first = project.runpytest_inprocess("-n4")
    made = seen()
    second = project.runpytest_inprocess()
    found = seen()

    first.assert_outcomes(passed=4)
    second.assert_outcomes(passed=4)
    assert len({line.split()[1] for line in (*made, *found)}) == 1
    assert {line.split()[0] for line in made} == {"True"}
    assert {line.split()[0] for line in found} == {"False"}
    assert ", 1 prepared," in summary(first)
    assert summary(second) == "runloop: 4 sandboxes created (4 forked), 1 found, 4 deleted"


@pytest.mark.parametrize("arguments", [("-p", "no:cacheprovider"), ("--cache-clear",), ("--cache-clear", "-n2")])
def test_the_account_is_the_cache(project: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    project.makepyfile(PREPARED)
    project.runpytest_inprocess()
    made = seen()

    result = project.runpytest_inprocess(*arguments)

    result.assert_outcomes(passed=4)
    found = seen()
    assert {line.split()[0] for line in found} == {"False"}
    assert {line.split()[1] for line in found} == {line.split()[1] for line in made}
    assert "prepared" not in summary(result)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fresh_run_prepares_anew_once_and_replaces(project: pytest.Pytester, workers: int) -> None:
    project.makepyfile(PREPARED)
    project.runpytest_inprocess()
    (old,) = {line.split()[1] for line in seen()}

    fresh = project.runpytest_inprocess("--runloop-fresh", f"-n{workers}")
    (new,) = {line.split()[1] for line in seen()}
    project.runpytest_inprocess()
    (later,) = {line.split()[1] for line in seen()}

    assert ", 1 prepared," in summary(fresh)
    assert old != new == later


def test_what_is_too_old_is_prepared_anew(project: pytest.Pytester) -> None:
    project.makepyfile(PREPARED)
    project.runpytest_inprocess()
    (old,) = {line.split()[1] for line in seen()}
    project.makeini(f"{INI}runloop_max_age = 1s\n")

    # Ages are whole seconds; this takes longer than one.
    project.runpytest_inprocess("-n1")
    result = project.runpytest_inprocess("-k", "0")

    (new,) = {line.split()[1] for line in seen()[-1:]}
    assert old != new
    assert "1 prepared" in summary(result)


def test_a_worker_that_waits_for_another_s_preparation_says_so(project: pytest.Pytester) -> None:
    project.makepyfile(
        TOGETHER
        + """
    @pytest.mark.runloop(setup="sleep 2.5")
    def test_it(together, request):
        assert request.getfixturevalue("runloop_sandbox").exec("true").ok
"""
    )

    # A process of its own: its workers write to its stderr.
    result = project.run(sys.executable, "-m", "pytest", "-n2", "-q")

    result.assert_outcomes(passed=2)
    assert ", 1 prepared, 1 found," in summary(result)
    result.stderr.re_match_lines_random(
        [r"runloop: preparing the sandbox of .* \(gw[01]\)", r"runloop: waiting for another process .* \(gw[01]\)"]
    )


def test_a_set_up_that_fails_shows_its_command_and_output_and_keeps_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        pytestmark = pytest.mark.runloop(setup=["true", "echo some output; echo some error >&2; exit 3"])

        def test_handle(suspended_snapshot): ...
        def test_fork(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "test_it.py::test_handle: *$ echo some output; echo some error >&2; exit 3",
            *("exit code 3 after *", "some output", "some error"),
        ]
    )
    assert re.fullmatch(r"runloop: 2 sandboxes created, 2 deleted", summary(result))


def test_sandboxes_with_a_set_up_are_forks_of_one_preparation(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(setup="date +%N > when", scope="module")
        seen = set()

        def test_shared(runloop_sandbox):
            seen.add(runloop_sandbox.read_text("when"))

        @pytest.mark.runloop(scope="function")
        def test_own(runloop_sandbox, runloop_sandbox_factory):
            seen.add(runloop_sandbox.read_text("when"))
            seen.add(runloop_sandbox_factory().read_text("when"))
            assert len(seen) == 1

        def test_root(runloop_root_sandbox):
            assert runloop_root_sandbox.read_text("/root/when") not in seen
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=3)
    assert "(4 forked), 2 prepared," in summary(result)


def test_a_devbox_that_a_failed_test_resumed_is_not_handed_on(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(setup="echo 0 > visits")

        def visit(snapshot):
            with snapshot.resume() as sandbox:
                sandbox.exec("echo $(($(cat visits) + 1)) > visits", check=True)
                return sandbox.read_text("visits")

        def test_one(suspended_snapshot):
            assert visit(suspended_snapshot) == "1\\n"

        def test_two_fails_outside_the_block(suspended_snapshot):
            assert visit(suspended_snapshot) == "nonsense"

        def test_three_starts_again(suspended_snapshot):
            assert visit(suspended_snapshot) == "1\\n"

        def test_four_fails_inside_the_block(suspended_snapshot):
            with suspended_snapshot.resume() as sandbox:
                sandbox.exec("echo 100 > visits", check=True)
                raise ValueError

        def test_five_starts_again(suspended_snapshot):
            assert visit(suspended_snapshot) == "1\\n"

        def test_six_goes_on(suspended_snapshot):
            assert visit(suspended_snapshot) == "2\\n"
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=4, failed=2)


def test_the_next_run_resumes_what_this_one_left(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(setup="touch visits")
        def test_it(suspended_snapshot, pytestconfig):
            with suspended_snapshot.resume() as sandbox:
                sandbox.exec("echo visit >> visits", check=True)
                visits = sandbox.read_text("visits").split()
            assert len(visits) == (1 if suspended_snapshot.created else 2)
        """
    )

    for _ in range(2):
        project.runpytest_inprocess().assert_outcomes(passed=1)


def test_what_a_test_awaited_ends_with_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(setup="echo prepared > note")

        @pytest.mark.asyncio
        async def test_awaited(suspended_snapshot):
            one, two = await suspended_snapshot.fork(), await suspended_snapshot.resume()
            assert await one.aio.read_text("note") == await two.aio.read_text("note") == "prepared\\n"

        @pytest.mark.asyncio
        async def test_with(suspended_snapshot):
            async with suspended_snapshot.fork() as one, suspended_snapshot.resume() as two:
                assert one.devbox_id != two.devbox_id

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        async def test_anyio(suspended_snapshot):
            async with suspended_snapshot.fork() as sandbox:
                assert await sandbox.aio.read_text("note") == "prepared\\n"
        """
    )

    result = project.runpytest_inprocess("--asyncio-mode=strict")

    result.assert_outcomes(passed=3)
    assert "3 sandboxes created" not in summary(result)
    assert ", 2 resumed," in summary(result)


def test_tests_wait_for_their_turn_under_a_cap(project: pytest.Pytester) -> None:
    project.makeini(f"{INI}runloop_max_devboxes = 1\n")
    project.makepyfile(
        TOGETHER
        + """
    def test_it(together, request):
        sandbox = request.getfixturevalue("runloop_sandbox")
        Path("running").touch(exist_ok=False)
        # Long enough for the other worker to say that it waits.
        sandbox.exec("sleep 2.5", check=True)
        Path("running").unlink()
"""
    )

    # A process of its own: its workers write to its stderr.
    result = project.run(sys.executable, "-m", "pytest", "-n2")

    result.assert_outcomes(passed=2)
    result.stderr.re_match_lines([r"runloop: waiting for a place: .* \(gw[01]\)"])


def test_more_than_the_cap_allows_is_an_error_and_no_endless_wait(project: pytest.Pytester) -> None:
    project.makeini(f"{INI}runloop_max_devboxes = 1\n")
    project.makepyfile("def test_it(runloop_sandbox, runloop_root_sandbox): ...")

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*runloop_max_devboxes allows 1 at once*"])


def test_a_devbox_that_was_deleted_by_hand_is_made_again_and_told(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import json
        import pytest
        from runloop_api_client import Runloop

        @pytest.mark.runloop(setup="echo prepared > note")
        @pytest.mark.parametrize("number", range(2))
        def test_it(suspended_snapshot, runloop_endpoint, number):
            with suspended_snapshot.resume() as sandbox:
                assert sandbox.read_text("note") == "prepared\\n"
                devbox_id = sandbox.devbox_id
            if number == 0:
                with Runloop(base_url=runloop_endpoint.base_url, bearer_token=runloop_endpoint.api_key) as api:
                    api.devboxes.shutdown(devbox_id)
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["noticed: devbox *"])
