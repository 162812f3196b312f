"""``pytest-runloop cassettes``, as a process of its own, on recordings that were made with the library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.files.layout import Cassette, Header

ROOT = Path(__file__).parents[2]
SECRET = "k9X2mQ7vL4tR8wZ1pN6b"
MODULE = Path("tests/cassettes/test_a")
STALE = Path(".pytest_cache/v/runloop/stale")
PLAIN = """
interactions:
- request: {method: POST, uri: "https://api.runloop.ai/v1/devboxes", body: '{"name": "k9X2mQ7vL4tR8wZ1pN6b"}',
            headers: {authorization: [Bearer k9X2mQ7vL4tR8wZ1pN6b]}}
  response: {status: {code: 200, message: OK}, headers: {}, body: {string: "{}"}}
version: 1
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    kept = {name: value for name, value in os.environ.items() if "RUNLOOP" not in name}

    def call(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest_runloop.cli", "cassettes", *map(str, arguments)]
        environment = {**kept, "PYTHONPATH": str(ROOT), **variables}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a cassette of commands and what they print; returns its path from the project."""

    def cassette(name: str, *calls: tuple[str, str]) -> Path:
        path = tmp_path / MODULE / name
        header = Header(
            what="test",
            name=f"tests/test_a.py::{path.stem}",
            target="emulator",
            date="2026-01-02",
            versions={"openai-agents": "0.24.0", "runloop-api-client": "1.32.0"},
        )
        exchanges = tuple(exchange(command, output) for command, output in calls)
        document.write(
            path,
            Cassette(header=header, exchanges=exchanges),
            key_of=lambda request: repr(request.body),
            same_answer=lambda one, other: one == other,
        )
        return MODULE / name

    return cassette


def exchange(command: str, output: str) -> Exchange:
    answer = json.dumps({"status": "completed", "exit_status": 0, "stdout": output}).encode()
    return Exchange(
        request=Request(
            method="POST",
            host="runloop",
            path="/v1/devboxes/dbx_1/execute_async",
            content_type="application/json",
            body=json.dumps({"command": command}).encode(),
        ),
        response=Response(status=200, headers={"content-type": "application/json"}, chunks=(answer,)),
    )


def git(directory: Path, *arguments: str) -> None:
    identity: Sequence[str] = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=directory, capture_output=True, check=True)


@pytest.mark.parametrize("task", ["ls", "show", "diff", "scrub", "prune", "verify"])
def test_every_task_explains_itself(run: Run, task: str) -> None:
    done = run(task, "-h")

    assert done.returncode == 0
    assert "Exit code: 0 fine" in done.stdout
    assert task in run("-h").stdout


def test_ls_shows_each_with_a_sum_that_counts_shared_bodies_once(run: Run, write: Callable[..., Path]) -> None:
    for name in ("test_x.json", "test_y.json"):
        write(name, ("seq 5000", "\n".join(map(str, range(5000)))), ("true", ""))

    done = run("ls")

    assert done.returncode == 0, done.stderr
    head, first, second, _, total = done.stdout.splitlines()
    assert head.split()[:2] == ["cassette", "of"]
    assert first.startswith("tests/cassettes/test_a/test_x.json")
    assert first.split()[1:7] == ["test", "emulator", "2026-01-02", "0.24.0", "1.32.0", "2"]
    assert second.split()[0].endswith("test_y.json")
    assert total.startswith("2 cassettes, 4 calls, ")
    assert total.endswith("in 1 side file")


def test_ls_names_what_is_damaged(run: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / write("test_x.json", ("true", ""))).write_text("{")

    done = run("ls")

    assert done.returncode == 1
    assert "test_x.json: it is cut off" in done.stderr
    assert "record it again" in done.stderr


@pytest.mark.parametrize("which", ["tests/cassettes/test_a/test_x.json", "tests/test_a.py::test_x"])
def test_show_tells_the_calls_in_words(run: Run, write: Callable[..., Path], which: str) -> None:
    write("test_x.json", ("echo one", "one\n"))

    short, full = run("show", which), run("show", which, "--full")

    assert short.returncode == full.returncode == 0
    assert "1  exec `echo one` in devbox dbx_1  →  200 exit code 0 stdout `one`" in short.stdout
    assert "on emulator, 2026-01-02" in short.stdout
    assert '>  "command": "echo one"' in full.stdout
    assert '"command"' not in short.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "tests/test_a.py::test_z"], "record it: pytest --runloop-record=once tests/test_a.py::test_z"),
        (["ls", "nowhere"], "nowhere: there is no such file or folder"),
        (["scrub", "--secret", "NO_SUCH", "."], "--secret NO_SUCH: there is no such variable"),
        (["ls", "--", "x"], "nothing can follow `--`"),
    ],
)
def test_a_wrong_call_is_explained(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert said in done.stderr


def test_diff_tells_what_changed(run: Run, write: Callable[..., Path]) -> None:
    old = write("old.json", ("echo one", "one\n"))
    new = write("new.json", ("echo one", "two\n"))

    differing, same = run("diff", old, new), run("diff", old, old)

    assert differing.returncode == 1
    assert "exec `echo one` in devbox dbx_1: the answer differs" in differing.stdout
    assert (same.returncode, same.stdout) == (0, "no difference\n")


def test_diff_compares_with_what_git_has_also_its_bodies(run: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    long = "\n".join(map(str, range(5000)))
    path = write("test_x.json", ("seq", long))
    uncommitted = run("diff", path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=all")
    unchanged = run("diff", path)
    (tmp_path / path).unlink()
    write("test_x.json", ("seq", f"{long}\nmore"))

    changed = run("diff", path)

    assert uncommitted.returncode == 1
    assert "name two files" in uncommitted.stderr
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr
    assert changed.returncode == 1
    assert "more" in changed.stdout


def test_scrub_takes_a_secret_out_and_its_body_too(run: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("test_x.json", ("true", ""), ("cat it", f"{SECRET}\n" * 400))
    variables = {"MINE": SECRET}

    dry = run("scrub", ".", "--secret", "MINE", "--dry-run", **variables)
    still = SECRET in everything(tmp_path)
    done = run("scrub", ".", "--secret", "MINE", **variables)

    assert (dry.returncode, still) == (1, True)
    assert done.returncode == 0, done.stderr
    assert f"{path}: call 2, exec `cat it` in devbox dbx_1: <secret:MINE>" in done.stdout
    assert "1 cassette changed" in done.stdout
    assert SECRET not in everything(tmp_path)
    assert len(document.read(tmp_path / path).exchanges) == 2
    assert "0 cassettes changed" in run("scrub", ".", "--secret", "MINE", **variables).stdout


def test_scrub_makes_a_file_of_plain_vcrpy_one_of_ours(run: Run, tmp_path: Path) -> None:
    (tmp_path / MODULE).mkdir(parents=True)
    (tmp_path / MODULE / "test_x.yaml").write_text(PLAIN)

    done = run("scrub", ".", SOME_TOKEN=SECRET)

    assert done.returncode == 0, done.stderr
    assert "written in the format of this plugin" in done.stdout
    assert [path.name for path in (tmp_path / MODULE).iterdir()] == ["test_x.json"]
    assert SECRET not in everything(tmp_path)


def test_prune_deletes_what_is_unused_and_nothing_that_has_changed_since(
    run: Run, write: Callable[..., Path], tmp_path: Path
) -> None:
    long = "\n".join(map(str, range(5000)))
    used, gone = write("test_x.json", ("true", "")), write("test_gone.json", ("seq", long))
    again = write("test_again.json", ("true", ""))
    (tmp_path / STALE).parent.mkdir(parents=True)
    (tmp_path / STALE).write_text(json.dumps([str(gone), str(again), "../outside.json", "tests/cassettes/no.json"]))
    later = time.time() + 10
    os.utime(tmp_path / again, (later, later))

    dry = run("prune", "--dry-run")
    kept = (tmp_path / gone).exists()
    done = run("prune")

    assert (dry.returncode, kept) == (0, True)
    assert f"{gone}  used by no test" in dry.stdout
    assert "used by no cassette" in dry.stdout
    assert "2 files would be deleted" in dry.stdout
    assert "2 files deleted" in done.stdout
    assert f"{again}: left, because it has changed" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("tests/**/*.*")) == ["test_again.json", used.name]


def test_prune_deletes_what_killed_runs_left_half_written(run: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / write("test_x.json", ("true", ""))
    dying = "import os, pathlib, sys; from pytest_runloop.cassettes.files import atomic; "
    dying += "pathlib.Path.replace = lambda *_: os._exit(9); atomic.replace(pathlib.Path(sys.argv[1]), b'{')"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", dying, path], check=False).returncode == 9
    left, busy = sorted(set(path.parent.iterdir()) - {path})
    os.utime(left, (time.time() - 3600,) * 2)

    done = run("prune")

    assert f"{left.relative_to(tmp_path)}  half written by a run that was killed" in done.stdout
    assert set(path.parent.iterdir()) == {path, busy}


def test_prune_keeps_bodies_beside_a_damaged_cassette(run: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("test_x.json", ("seq", "\n".join(map(str, range(5000)))))
    (tmp_path / path).write_text("{")

    done = run("prune")

    assert "0 files deleted" in done.stdout
    assert "left, because nobody knows" in done.stderr
    assert len(list(tmp_path.rglob("bodies/*"))) == 1


def test_verify_runs_pytest_with_its_arguments(run: Run, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "def pytest_configure(config):\n    print('GOT', config.invocation_params.args)\n"
    )
    (tmp_path / "test_it.py").write_text("def test_it(): ...\n")

    done = run("verify", "test_it.py", "--", "-s", "-q")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "GOT ('--runloop-record=verify', 'test_it.py', '-s', '-q')" in done.stdout


def test_it_works_where_python_has_nothing_of_what_the_emulator_needs(tmp_path: Path) -> None:
    program = (
        "import sys, argparse, subprocess, pathlib, tempfile, importlib.metadata\n"
        "sys.platform = 'win32'; sys.modules['fcntl'] = None\n"
        "from pytest_runloop.cli import main; sys.exit(main(['cassettes', 'ls']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no cassettes here")


def everything(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("tests/**/*.*") if path.is_file())
