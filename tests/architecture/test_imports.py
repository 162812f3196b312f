"""Who may import whom: pyproject.toml says it, import-linter finds it out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_import_contracts_hold(tmp_path: Path) -> None:
    pytest.importorskip("importlinter", reason="needs import-linter; `tox -e imports` runs the same contracts")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"

    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
