"""Where recordings lie: node id to path. Injective, also where case is ignored, and safe on Windows. Pure.

A plain name stands for itself. Any other gets a digest of what it really is behind a ``~``, which no plain name has.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

CASSETTES = "cassettes"
BODIES = "bodies"
SHARED = "shared"
PREPARED = "prepared"
SUFFIX = ".json"

LONGEST = 120
"""Characters of one component. File systems allow 255 bytes, Windows' whole paths 260 characters."""

_IDENTIFIERS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)*")
_WORD = re.compile(r"[a-z0-9_][a-z0-9_-]*")
_PARAMETERS = re.compile(r"\[[a-z0-9_.,=+@-]*\]")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.,=+@\[\]-]+")
_RESERVED_BY_WINDOWS = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.IGNORECASE)
_RESERVED_BY_US = frozenset({CASSETTES, BODIES, SHARED, PREPARED})
_DIGITS = 10


def own(nodeid: str) -> PurePosixPath:
    """Return where the recording of a test lies, from the root directory."""
    file, _, test = nodeid.partition("::")
    return _beside(file) / _component(_dotted(test), exact=test, plain=_is_plain_test(test), suffix=SUFFIX)


def shared(scope: str, node: str, key: str) -> PurePosixPath:
    """Return where the recording of a shared sandbox lies.

    Args:
        scope: class, module or session.
        node: The node id of the class or the module; for a session, of the test that asks first.
        key: What tells this sandbox from others of the same scope.
    """
    if scope == "session":
        return _top(node) / SHARED / _keyed(scope, key)
    file, _, classes = node.partition("::")
    return _beside(file) / SHARED / _keyed(f"{scope}-{classes}" if classes else scope, key)


def prepared(nodeid: str, key: str) -> PurePosixPath:
    """Return where the recording of a preparation lies that a test needs."""
    return _top(nodeid) / PREPARED / _keyed("", key)


def _beside(file: str) -> PurePosixPath:
    path = PurePosixPath(file)
    stem = path.stem if path.suffix == ".py" else path.name
    is_plain = path.suffix == ".py" and _WORD.fullmatch(stem) is not None and stem not in _RESERVED_BY_US
    return path.parent / CASSETTES / _component(stem, exact=path.name, plain=is_plain)


def _top(nodeid: str) -> PurePosixPath:
    parents = PurePosixPath(nodeid.partition("::")[0]).parent.parts
    return PurePosixPath(*parents[:1]) / CASSETTES


def _keyed(head: str, key: str) -> str:
    name = f"{head}-{key}" if head else key
    _, _, classes = head.partition("-")
    is_plain = _WORD.fullmatch(key) is not None and (not classes or _has_usual_capitals(classes))
    return _component(_dotted(name), exact=name, plain=is_plain, suffix=SUFFIX)


def _is_plain_test(test: str) -> bool:
    names, bracket, parameters = test.partition("[")
    if not _IDENTIFIERS.fullmatch(names) or (bracket and not _PARAMETERS.fullmatch(bracket + parameters)):
        return False
    classes, _, function = names.rpartition("::")
    return function == function.lower() and (not classes or _has_usual_capitals(classes))


def _has_usual_capitals(classes: str) -> bool:
    """Whether names are written in the one way that goes unmarked: Class, TestClass.

    Two names that differ only in case are one file on Windows and macOS, so one way only can.
    """
    return _IDENTIFIERS.fullmatch(classes) is not None and all(
        name == re.sub(r"^(test)?[a-z]", _capitals, name.lower()) for name in classes.split("::")
    )


def _capitals(head: re.Match[str]) -> str:
    return head[0].capitalize() if head[1] is None else f"Test{head[0][4:].upper()}"


def _dotted(test: str) -> str:
    names, bracket, parameters = test.partition("[")
    return names.replace("::", ".") + bracket + parameters


def _component(text: str, *, exact: str, plain: bool, suffix: str = "") -> str:
    if plain and len(text) + len(suffix) <= LONGEST and not _RESERVED_BY_WINDOWS.match(text):
        return text + suffix
    # A node id may hold halves of surrogate pairs, which UTF-8 has no bytes for.
    digest = hashlib.sha256(exact.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    end = f"~{digest}{suffix}"
    safe = _UNSAFE.sub("-", text).lstrip(".-")
    if not safe or _RESERVED_BY_WINDOWS.match(safe):
        safe = f"_{safe}"
    return safe[: LONGEST - len(end)] + end
