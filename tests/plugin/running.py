"""A project's tests in a process of their own, as a user runs them."""

from __future__ import annotations

import sys

import pytest


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.run(sys.executable, "-m", "pytest", *arguments)
