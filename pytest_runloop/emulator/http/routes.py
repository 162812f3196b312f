"""The table of Runloop's routes in ``docs/routes.md``, made from the code: ``python -m`` this module prints it."""

from __future__ import annotations

import pkgutil
import re
import sys
from collections.abc import Iterator
from importlib import import_module

from starlette.routing import Route

from pytest_runloop.emulator import http
from pytest_runloop.emulator.http.differences import DIFFERENCES
from pytest_runloop.emulator.http.unsupported import NOT_EMULATED

_HEAD = """# Runloop's routes

Made by `python -m pytest_runloop.emulator.http.routes > docs/routes.md`. [The emulator](emulator.md) says more.

| route | emulated | differs in |
|---|---|---|
"""


def emulated() -> set[str]:
    """List Runloop's routes that are emulated."""
    return set(_routes())


def document() -> str:
    """Write the table."""
    rows = {name: ("yes", DIFFERENCES.get(name, "")) for name in emulated()}
    rows |= {name: ("no (501)", reason) for name, reason in NOT_EMULATED.items()}
    ordered = sorted(rows.items(), key=lambda row: row[0].split(" ")[::-1])
    return _HEAD + "".join(f"| `{name}` | {emulated} | {text} |\n" for name, (emulated, text) in ordered)


def _routes() -> Iterator[str]:
    for module in pkgutil.iter_modules(http.__path__, http.__name__ + "."):
        if module.name == __name__ or module.name.endswith(".routes"):
            continue
        for route in getattr(import_module(module.name), "ROUTES", ()):
            # What begins with an underscore is the emulator's own.
            if isinstance(route, Route) and route.methods and not route.path.startswith("/_"):
                path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
                yield from (f"{method} {path}" for method in route.methods - {"HEAD"})


if __name__ == "__main__":
    sys.stdout.write(document())
