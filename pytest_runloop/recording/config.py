"""What a project says about its recordings, in the fixture ``runloop_cassette_config``: read and checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pytest_runloop.cassettes.secrets.known import MIN_TELLING
from pytest_runloop.errors import CassetteError

FIXTURE = "runloop_cassette_config"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class CassetteConfig(NamedTuple):
    """How recordings of a project differ from others'.

    Attributes:
        vcr: vcrpy's own settings, such as ``before_record_request`` and ``filter_headers``.
        configure: Called with the ``vcr.VCR`` that these settings are applied to, to register matchers of one's own.
        hosts: More hosts whose traffic is recorded, and refused in a replay.
        volatile: What in a request may differ from its recording; a group, if there is one, is the part that may.
        secrets: Names and values of secrets that are in no environment variable.
        unplayed: ``fail`` or ``ignore``: what recordings mean that a passing test did not ask for.
    """

    vcr: Mapping[str, Any] = _NOTHING
    configure: Callable[[object], None] | None = None
    hosts: tuple[str, ...] = ()
    volatile: tuple[re.Pattern[str], ...] = ()
    secrets: Mapping[str, str] = _NOTHING
    unplayed: str = "fail"

    @classmethod
    def read(cls, value: object) -> CassetteConfig:
        """Check what the fixture gave.

        Raises:
            CassetteError: It names the key, what it got and what would be right.
        """
        if not isinstance(value, Mapping):
            msg = f"{FIXTURE}: it gave a {type(value).__name__}; return a mapping with some of {', '.join(_READ)}"
            raise CassetteError(msg)
        for key in value:
            if key not in _READ:
                msg = f"{FIXTURE}: {key!r} is not one of {', '.join(_READ)}"
                raise CassetteError(msg)
        return cls(**{key: _READ[key](key, given) for key, given in value.items()})


def _mapping(key: str, given: object) -> Mapping[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise _wrong(key, given, "a mapping of vcrpy's settings by name")
    return given


def _function(key: str, given: object) -> Callable[[object], None]:
    if not callable(given):
        raise _wrong(key, given, "a function that gets the vcr.VCR")
    return given


def _secrets(key: str, given: object) -> Mapping[str, str]:
    if not isinstance(given, Mapping) or not all(isinstance(part, str) for pair in given.items() for part in pair):
        # Not shown: it may hold a secret.
        msg = f"{FIXTURE}: {key}: it has to be a mapping of names to values, both text"
        raise CassetteError(msg)
    for name, value in given.items():
        if 0 < len(value.strip()) < MIN_TELLING:
            msg = (
                f"{FIXTURE}: {key}: the value of {name!r} is so short that it would be found in other text; give one "
                f"of {MIN_TELLING} characters or more, or an empty one where there is none"
            )
            raise CassetteError(msg)
    return given


def _hosts(key: str, given: object) -> tuple[str, ...]:
    hosts = _texts(key, given, "a list of host names, such as ['api.example.com']")
    for host in hosts:
        if "/" in host:
            raise _wrong(key, host, "a host name without scheme and path")
    return hosts


def _patterns(key: str, given: object) -> tuple[re.Pattern[str], ...]:
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise _wrong(key, given, "a list of regular expressions")
    return tuple(_pattern(key, one) for one in given)


def _pattern(key: str, one: object) -> re.Pattern[str]:
    if isinstance(one, re.Pattern) and isinstance(one.pattern, str):
        return one
    try:
        pattern = re.compile(one) if isinstance(one, str) else None
    except re.error as error:
        raise _wrong(key, one, f"a regular expression ({error})") from error
    if pattern is None or pattern.groups > 1:
        raise _wrong(key, one, "a regular expression with at most one group")
    return pattern


def _unplayed(key: str, given: object) -> str:
    if given not in {"fail", "ignore"}:
        raise _wrong(key, given, "fail or ignore")
    return str(given)


def _texts(key: str, given: object, right: str) -> tuple[str, ...]:
    if (
        not isinstance(given, Sequence)
        or isinstance(given, (str, bytes))
        or not all(isinstance(one, str) for one in given)
    ):
        raise _wrong(key, given, right)
    return tuple(given)


def _wrong(key: str, given: object, right: str) -> CassetteError:
    return CassetteError(f"{FIXTURE}: {key}: {given!r} is not {right}")


_READ: Mapping[str, Callable[[str, object], Any]] = MappingProxyType(
    {
        "vcr": _mapping,
        "configure": _function,
        "hosts": _hosts,
        "volatile": _patterns,
        "secrets": _secrets,
        "unplayed": _unplayed,
    }
)
