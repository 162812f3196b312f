from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox.setup_source import described

MODULE = """
import os
PACKAGES = ("postgresql",)

class Recipe:
    name = "recipe"

def helper(sandbox):
    sandbox.exec("true")

def again(sandbox, depth=3):
    if depth:
        again(sandbox, depth - 1)

def install(sandbox):
    helper(sandbox)
    for package in PACKAGES:
        sandbox.exec(["apt-get", "install", package, Recipe.name, os.sep])

async def later(sandbox):
    await sandbox.aio.exec("true")

def unrelated():
    pass
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], ModuleType]:
    """Return a module with this text, as the next run would see it."""
    count = iter(range(100))

    def loaded(text: str) -> ModuleType:
        directory = tmp_path / str(next(count))
        directory.mkdir()
        (directory / "recipes.py").write_text(text)
        spec = importlib.util.spec_from_file_location("recipes", directory / "recipes.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


def test_the_same_source_is_the_same_wherever_it_lies(load: Callable[[str], ModuleType]) -> None:
    assert described(load(MODULE).install) == described(load(MODULE).install)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"apt-get"', '"apt"'),
        ('("postgresql",)', '("postgresql", "redis")'),
        ('sandbox.exec("true")\n\ndef again', 'sandbox.exec("false")\n\ndef again'),
        ('"recipe"', '"other recipe"'),
        ("def install(sandbox)", "def install(sandbox, more=1)"),
    ],
)
def test_a_change_of_what_it_does_is_seen(load: Callable[[str], ModuleType], old: str, new: str) -> None:
    assert old in MODULE

    assert described(load(MODULE.replace(old, new)).install) != described(load(MODULE).install)


def test_a_change_elsewhere_in_its_module_is_not(load: Callable[[str], ModuleType]) -> None:
    changed = MODULE.replace("def unrelated():\n    pass", "def unrelated():\n    return 7")

    assert described(load(changed).install) == described(load(MODULE).install)


@pytest.mark.parametrize("name", ["again", "later", "helper"])
def test_recursion_and_coroutines_are_described_as_json(load: Callable[[str], ModuleType], name: str) -> None:
    json.dumps(described(getattr(load(MODULE), name)))


def test_commands_are_themselves() -> None:
    assert described(("a", "b")) != described(("a b",)) != described(())


def make(value: object) -> Callable[[Any], object]:
    return lambda sandbox: sandbox.exec(value)


def test_what_a_closure_holds_counts() -> None:
    assert described(make("a")) == described(make("a")) != described(make("b"))
    assert described(make(Path("a"))) != described(make("a"))
    assert described(make({"x": [1, (2,)]})) != described(make({"x": [1, (3,)]}))
    assert described(make(1)) != described(make(True))


def test_arguments_of_a_partial_count() -> None:
    def install(sandbox: object, package: str, *, version: int = 1) -> None: ...

    assert described(functools.partial(install, package="a")) != described(functools.partial(install, package="b"))
    assert described(functools.partial(install, version=2)) == described(functools.partial(install, version=2))


class Recipe:
    def install(self, sandbox: object) -> None: ...

    def __call__(self, sandbox: object) -> None: ...


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        (make(object()), "'value' of make.<locals>.<lambda> is a object"),
        (make({"x": object()}), "is a dict"),
        (Recipe().install, "self is a Recipe"),
        (Recipe(), "is no function"),
        (print, "is no function"),
        (functools.partial(make("a"), object()), "an argument of partial is a object"),
        (eval("lambda sandbox: None"), "can't be read"),  # noqa: S307 - a function without a file
    ],
)
def test_what_the_next_run_could_not_compare_is_refused(setup: object, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        described(setup)

    assert words in str(caught.value)
    assert caught.value.field == "setup"
