"""The documentation's table of routes against the code, and against the vendor's OpenAPI where there is one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from pytest_runloop.emulator.http.differences import DIFFERENCES
from pytest_runloop.emulator.http.routes import document, emulated
from pytest_runloop.emulator.http.unsupported import NOT_EMULATED, why_not

ROUTES = Path(__file__).parents[2] / "docs" / "routes.md"
DOCUMENT = os.environ.get("RUNLOOP_OPENAPI", "")


def test_the_table_is_up_to_date() -> None:
    assert ROUTES.read_text() == document()


def test_a_difference_is_one_of_a_route_that_is_emulated() -> None:
    assert set(DIFFERENCES) - emulated() == set()
    assert not set(NOT_EMULATED) & emulated()


@pytest.mark.parametrize("route", NOT_EMULATED)
def test_the_answer_says_what_the_table_says(route: str) -> None:
    method, template = route.split(" ")

    assert why_not(method, re.sub(r"\{\w+\}", "x", template)) == NOT_EMULATED[route]
    assert why_not("PATCH", template) is None


@pytest.mark.skipif(not DOCUMENT, reason="RUNLOOP_OPENAPI is not set to the vendor's OpenAPI document")
def test_no_route_of_the_vendor_is_missing() -> None:
    paths = yaml.safe_load(Path(DOCUMENT).read_text())["paths"]
    vendors = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}

    assert {_plain(route) for route in vendors} - {_plain(route) for route in emulated() | set(NOT_EMULATED)} == set()


def _plain(route: str) -> str:
    return re.sub(r"\{\w+\}", "{}", route)
