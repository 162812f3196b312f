"""The blueprints every account can use. All of them are this computer's own system here. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from pytest_runloop.emulator.domain.problems import bad_request

BASE_BLUEPRINTS: Mapping[str, str] = MappingProxyType(
    {
        "runloop/universal-ubuntu-24.04-x86_64-dnd": "bpt_baseuniversalubuntu2404x8664dnd",
        "runloop/universal-ubuntu-24.04-x86_64": "bpt_baseuniversalubuntu2404x8664",
        "runloop/universal-ubuntu-24.04-arm64-dnd": "bpt_baseuniversalubuntu2404arm64dnd",
        "runloop/universal-ubuntu-24.04-arm64": "bpt_baseuniversalubuntu2404arm64",
        "runloop/starter-x86_64": "bpt_basestarterx8664",
        "runloop/starter-arm64": "bpt_basestarterarm64",
    }
)
"""Ids of the vendor's base blueprints by name."""


def blueprint_id(*, name: str | None, given_id: str | None) -> str | None:
    """Find the blueprint a create request means; None for the default image.

    Raises:
        ApiProblem: 400, naming the closest known ones.
    """
    if given_id is not None and given_id not in BASE_BLUEPRINTS.values():
        raise bad_request(
            f"blueprint_id: no blueprint {given_id!r}. {_hint(given_id, tuple(BASE_BLUEPRINTS.values()))}"
        )
    if name is not None and name not in BASE_BLUEPRINTS:
        raise bad_request(f"blueprint_name: no built blueprint {name!r}. {_hint(name, tuple(BASE_BLUEPRINTS))}")
    return given_id if name is None else BASE_BLUEPRINTS[name]


def _hint(wanted: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    return f"Close to it: {', '.join(close)}." if close else f"Known are: {', '.join(known)}."
