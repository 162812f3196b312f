"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_runloop

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_runloop"
SOURCES = sorted(PACKAGE.rglob("*.py"))
EXAMPLES = sorted((ROOT / "examples").glob("test_*.py"))


def fixtures() -> Iterator[tuple[Path, ast.FunctionDef, ast.expr]]:
    """Find every function of the package with a decorator that says fixture, and that decorator."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            for decorator in getattr(node, "decorator_list", ()):
                if isinstance(node, ast.FunctionDef) and "fixture" in ast.unparse(decorator):
                    yield path, node, decorator


def test_no_fixture_is_autouse() -> None:
    found = list(fixtures())

    assert {node.name for _, node, _ in found} >= {"runloop_sandbox", "runloop_root_sandbox", "runloop_sandbox_factory"}
    assert [node.name for _, node, decorator in found if "autouse" in ast.unparse(decorator)] == []


def test_a_fixture_only_translates() -> None:
    lengths = {}
    for _, node, _ in fixtures():
        body = node.body[1:] if ast.get_docstring(node) else node.body
        lengths[node.name] = body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0

    assert {name: length for name, length in lengths.items() if length > 8} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_every_public_name_is_there() -> None:
    missing = [name for name in pytest_runloop.__all__ if getattr(pytest_runloop, name, None) is None]

    assert missing == []
    assert sorted(pytest_runloop.__all__) == list(pytest_runloop.__all__)


def test_a_wrong_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Sandwich"):
        getattr(pytest_runloop, "Sandwich")  # noqa: B009 - mypy would stop the plain form


def test_every_python_block_of_the_readme_is_an_example() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    examples = {path.read_text(): path.name for path in EXAMPLES}

    assert len(blocks) >= 3
    assert [block for block in blocks if block not in examples] == []


def test_the_first_two_shell_blocks_are_one_line_each() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)

    assert [block.count("\n") for block in blocks[:2]] == [1, 1]
    assert "pytest examples" in blocks[0]


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/*.md")]),
                         ids=lambda page: str(page.relative_to(ROOT)))  # fmt: skip
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_docs_name_every_field_of_the_mark() -> None:
    page = (ROOT / "docs/marker-and-fixtures.md").read_text()

    assert [name for name in pytest_runloop.MarkFields.__annotations__ if f"`{name}`" not in page] == []


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building a wheel offline needs hatchling: pip install hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]

    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)

    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        [points] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt")]
    expected = {str(path.relative_to(ROOT)) for path in [*SOURCES, PACKAGE / "py.typed"]}
    assert names == expected
    assert "runloop = pytest_runloop.plugin" in points
    assert "pytest-runloop = pytest_runloop.cli:main" in points
