"""Tests that share something, recorded one after the other and replayed otherwise: in another order, apart, in part."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugin.running import run

EMULATOR = "--runloop-target=emulator"
REPLAY = "--runloop-target=replay"
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
SHARING = """
    import io
    from pathlib import Path

    import pytest

    pytestmark = pytest.mark.runloop(scope="module", files={"who": "moon"})

    @pytest.mark.asyncio
    async def test_a(runloop_sandbox):
        # The first that has the SDK write installs what the SDK checks paths with.
        await runloop_sandbox.session.write(Path("a"), io.BytesIO(b"a"))

    @pytest.mark.asyncio
    async def test_b(runloop_sandbox):
        assert (await runloop_sandbox.session.read(Path("who"))).read() == b"moon"

    def test_c(runloop_sandbox):
        runloop_sandbox.write_text("c", "c")
"""
A_NEW_ONE = """
    def test_new(runloop_sandbox):
        assert runloop_sandbox.exec("cat who").stdout == "moon"
"""
ONE_THAT_NEEDS_OTHERS = """
    def test_new(runloop_sandbox):
        assert runloop_sandbox.read_text("c") == "c"
"""
SUSPENDED = """
    import pytest

    pytestmark = pytest.mark.runloop(setup="echo x > made")

    @pytest.fixture
    def resumed(suspended_snapshot):
        with suspended_snapshot.resume() as sandbox:
            yield sandbox

    @pytest.mark.parametrize("lost", ["", "resume", "execute_async", "suspend", "dbx"])
    def test_resume(resumed, lost):
        assert resumed.exec("head -n1 made").stdout == "x\\n"

    @pytest.mark.parametrize("lost", ["", "execute_async", "create"])
    def test_fork(suspended_snapshot, lost):
        with suspended_snapshot.fork() as sandbox:
            assert sandbox.exec("cat made").stdout == "x\\n"

    def test_state(suspended_snapshot):
        assert suspended_snapshot.state_json

    def test_sandbox(runloop_sandbox):
        assert runloop_sandbox.read_text("made") == "x\\n"
"""
LOST = [
    "resume[resume]",
    "resume[execute_async]",
    "resume[suspend]",
    "resume[dbx]",
    "fork[execute_async]",
    "fork[create]",
]
WELL = ["resume[]", "fork[]", "state", "sandbox"]


def files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path("cassettes").rglob("*") if path.is_file()}


def named(*names: str) -> list[str]:
    return [f"test_it.py::test_{name}" for name in names]


def test_tests_that_share_a_sandbox_replay_in_any_order_and_are_recorded_alike_in_any(
    emulated_project: pytest.Pytester,
) -> None:
    emulated_project.makepyfile(test_it=SHARING)
    run(emulated_project, EMULATOR, "--runloop-record=all").assert_outcomes(passed=3)
    before = files()

    for order in (named("b", "c", "a"), ["-n2"]):
        run(emulated_project, REPLAY, *order).assert_outcomes(passed=3)
    run(emulated_project, REPLAY, *named("b")).assert_outcomes(passed=1)
    run(emulated_project, EMULATOR, "--runloop-record=all", *named("c", "b", "a")).assert_outcomes(passed=3)

    assert files() == before


def test_a_new_test_is_recorded_beside_those_it_shares_a_sandbox_with(emulated_project: pytest.Pytester) -> None:
    emulated_project.makepyfile(test_it=SHARING)
    run(emulated_project, EMULATOR, "--runloop-record=once").assert_outcomes(passed=3)
    before = files()
    emulated_project.makepyfile(test_it=SHARING + A_NEW_ONE)

    added = run(emulated_project, EMULATOR, "--runloop-record=once")

    added.stdout.fnmatch_lines(["=* 3 tests replayed, 1 test recorded, 1 cassette written =*"])
    new = Path("cassettes/test_it/test_new.json")
    assert files() == {**before, new: new.read_bytes()}
    for order in ([], named("new", "a", "b", "c"), named("new")):
        assert run(emulated_project, REPLAY, *order).ret == 0


def test_a_new_test_that_needs_what_others_left_fails_and_is_recorded_with_them(
    emulated_project: pytest.Pytester,
) -> None:
    emulated_project.makepyfile(test_it=SHARING)
    run(emulated_project, EMULATOR, "--runloop-record=once").assert_outcomes(passed=3)
    before = files()
    emulated_project.makepyfile(test_it=SHARING + ONE_THAT_NEEDS_OTHERS)

    alone = run(emulated_project, EMULATOR, "--runloop-record=once")
    kept = files()
    together = run(emulated_project, EMULATOR, "--runloop-record=all")

    alone.assert_outcomes(passed=3, failed=1)
    assert kept == before
    together.assert_outcomes(passed=4)
    assert files().items() >= before.items()
    run(emulated_project, REPLAY, *named("new", "a")).assert_outcomes(passed=2)


def test_what_is_refused_while_a_devbox_is_resumed_or_forked_is_nobody_else_s(
    emulated_project: pytest.Pytester,
) -> None:
    emulated_project.makepyfile(test_it=SUSPENDED)
    run(emulated_project, EMULATOR, "--runloop-record=all").assert_outcomes(passed=len(LOST + WELL))
    for name in LOST:
        lose(Path(f"cassettes/test_it/test_{name}.json"), name.partition("[")[2].rstrip("]"))

    for order in (named(*LOST, *WELL), named(*LOST, *WELL)[::-1], ["-n2"]):
        result = run(emulated_project, REPLAY, *order, "-rA")
        told = [line.partition(" - ")[0].split() for line in result.outlines if " test_it.py::" in line]
        broken = {test for how, test in told if how in {"FAILED", "ERROR"}}

        assert broken == set(named(*LOST)), order
        assert {test for how, test in told if how == "PASSED"} - broken == set(named(*WELL)), order


def test_what_could_not_be_resumed_is_not_missed_at_the_end_of_the_run(emulated_project: pytest.Pytester) -> None:
    emulated_project.makepyfile(test_it=f"{SUSPENDED}\n    def test_last(): ...\n")
    run(emulated_project, EMULATOR, "--runloop-record=all", *named("resume[]", "last")).assert_outcomes(passed=2)
    path = Path("cassettes/test_it/test_resume[].json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "interactions": []}))

    run(emulated_project, REPLAY, *named("resume[]", "last")).assert_outcomes(errors=1, passed=1)


def lose(path: Path, what: str) -> None:
    """Take from a cassette the requests that end with a word, the last one of a path's or its beginning."""
    recorded = json.loads(path.read_text())
    kept = [
        one
        for one in recorded["interactions"]
        if one["request"]["method"] != "POST" or not one["request"]["path"].rsplit("/", 1)[-1].startswith(what)
    ]
    assert len(kept) < len(recorded["interactions"])
    path.write_text(json.dumps({**recorded, "interactions": kept}))
