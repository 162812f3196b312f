"""Sandboxes whose tests have changed since they were recorded: each fails at once and says why, and only those do."""

from __future__ import annotations

import fnmatch
import gzip
from pathlib import Path

import pytest

from tests.plugin.running import run

EMULATOR = "--runloop-target=emulator"
REPLAY = "--runloop-target=replay"
SECRET = "hidden-in-an-archive-0123456789"
CHANGING = """
    import os
    import time

    import pytest

    WORD = os.environ["WORD"]

    @pytest.fixture
    def quick():
        began = time.perf_counter()
        yield
        # More than the 0.1 s that are promised, because the computer may be busy; the SDK tries for half a minute.
        assert time.perf_counter() - began < 1

    def test_command(runloop_sandbox, quick):
        runloop_sandbox.exec(f"echo {WORD}")

    def test_swallowed(runloop_sandbox, quick):
        for kind in (Exception, BaseException):
            try:
                runloop_sandbox.exec(f"echo {WORD}")
            except kind:
                pass

    @pytest.mark.xfail
    def test_expected(runloop_sandbox, quick):
        runloop_sandbox.exec(f"echo {WORD}")
        assert 0

    def test_upload(runloop_sandbox, quick):
        runloop_sandbox.write_text("f", WORD)

    @pytest.mark.runloop(setup="echo x > made")
    def test_resume(suspended_snapshot):
        with suspended_snapshot.resume() as sandbox:
            sandbox.exec(f"echo {WORD}")

    @pytest.mark.runloop(env_vars={"NAME": WORD})
    def test_variable(runloop_sandbox): ...

    @pytest.mark.runloop(files={"f": WORD})
    def test_file(runloop_sandbox): ...

    @pytest.mark.runloop(setup=f"echo {WORD}")
    def test_setup(runloop_sandbox): ...

    @pytest.mark.runloop(scope="module", env_vars={"SHARED": WORD})
    def test_shared(runloop_sandbox): ...

    @pytest.mark.runloop(env_vars={"SAME": "same"})
    def test_same(runloop_sandbox):
        assert runloop_sandbox.exec("echo $SAME").stdout == "same\\n"
"""


def test_what_has_changed_fails_and_the_next_test_is_none_the_worse(
    emulated_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulated_project.makepyfile(test_it=CHANGING)
    monkeypatch.setenv("WORD", "old")
    run(emulated_project, EMULATOR, "--runloop-record=all").assert_outcomes(passed=9, xfailed=1)
    run(emulated_project, REPLAY).assert_outcomes(passed=9, xfailed=1)
    monkeypatch.setenv("WORD", "new")

    result = run(emulated_project, REPLAY)

    result.assert_outcomes(passed=1, failed=5, errors=4)
    for words in (
        "test_it.py::test_command: no recording answers exec #1 in devbox *: the command differs",
        "    - command: cd /home/user && bash -c 'echo old'",
        "    + command: cd /home/user && bash -c 'echo new'",
        "    pytest --runloop-target=emulator --runloop-record=all test_it.py::test_command",
        "test_it.py::test_upload: no recording answers upload #1 to devbox *: the file's content differs",
        "    +   NAME: new",
        "cassettes/test_it/shared/module-user-*: nothing is recorded, and the first thing it did was to create *",
        f"cassettes/prepared/*: * was to look for disk snapshots prepared under key {'?' * 32} (*)",
        "    pytest --runloop-target=emulator --runloop-record=all test_it.py::test_setup",
    ):
        assert fnmatch.filter(result.outlines, words), words


def test_a_secret_that_only_the_search_finds_fails_its_test_and_leaves_no_file(
    emulated_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("packed.gz").write_bytes(gzip.compress(SECRET.encode()))
    monkeypatch.setenv("DEPLOY_TOKEN", SECRET)
    emulated_project.makepyfile(
        test_it="""
        from pathlib import Path

        def test_packed(runloop_sandbox):
            runloop_sandbox.write_bytes("f", Path("packed.gz").read_bytes())

        def test_plain(runloop_sandbox):
            import os
            runloop_sandbox.write_text("f", os.environ.get("DEPLOY_TOKEN", "gone"))
        """
    )

    recorded = run(emulated_project, EMULATOR, "--runloop-record=all")

    recorded.assert_outcomes(passed=2, errors=1)
    recorded.stdout.fnmatch_lines(["*DEPLOY_TOKEN*was not kept*"])
    recorded.stdout.no_fnmatch_line(f"*{SECRET}*")
    assert [path.name for path in Path("cassettes/test_it").iterdir()] == ["test_plain.json"]
    assert SECRET not in Path("cassettes/test_it/test_plain.json").read_text()
