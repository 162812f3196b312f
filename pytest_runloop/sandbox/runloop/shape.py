"""What of a request shapes a disk, as JSON: everything that may make two prepared sandboxes differ, and nothing else.

Left out: names, metadata, timeouts, exposed ports, the values of managed secrets, the test, and what only decides how
long a devbox lives. A field that the SDK adds one day is taken in: too many preparations are better than a wrong one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from agents.sandbox.entries import BaseEntry, Dir, File, LocalDir, LocalFile
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox import digests, setup_source
from pytest_runloop.sandbox.runloop.checking import Native

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.sandbox.manifest import Manifest

    from pytest_runloop.sandbox.boundary import Request
    from pytest_runloop.spec import FileSource

_NOT_SHAPING = frozenset(
    {
        "blueprint_name",  # a Blueprint's is its content, and is there under the same word
        "exposed_ports",
        "launch_parameters",
        "managed_secrets",
        "metadata",
        "name",
        "pause_on_exit",
        "timeouts",
        "type",
    }
)
_LIFETIME = frozenset({"after_idle", "available_ports", "keep_alive_time_seconds", "provisioning_tier"})
_LIFETIME_HOOKS = frozenset({"after_idle", "resume_triggers"})


def shape(request: Request) -> dict[str, object]:
    """Return what shapes the disk of a sandbox made for this request.

    Raises:
        SpecError: It can't be told apart from others by later runs, or its session could not be stored.
    """
    try:
        return _shape(request)
    except SpecError as error:
        message = f"{request.test}: mark.runloop: {error}"
        raise SpecError(message, field=error.field) from error.__cause__


def _shape(request: Request) -> dict[str, object]:
    native = cast("Native", request.native)
    options = native.options.sdk
    return {
        "options": options.model_dump(mode="json", exclude=set(_NOT_SHAPING), exclude_none=True),
        "blueprint": request.blueprint_name,
        "launch": _launch(options.launch_parameters),
        "secrets": sorted(options.managed_secrets or {}),
        "account": request.account,
        "root": request.root,
        "manifest": _manifest(native.manifest),
        "files": {path: _source(source) for path, source in request.files.items()},
        "setup": setup_source.described(request.setup),
    }


def _launch(parameters: object) -> object:
    if not isinstance(parameters, BaseModel):
        return {}
    given = parameters.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude=set(_LIFETIME))
    lifecycle = given.get("lifecycle")
    if isinstance(lifecycle, dict):
        # Its hooks run commands in the sandbox; the rest of it is about time.
        given["lifecycle"] = {name: value for name, value in lifecycle.items() if name not in _LIFETIME_HOOKS}
    return {name: value for name, value in given.items() if value not in ({}, [])}


def _manifest(manifest: Manifest) -> object:
    try:
        # The SDK must be able to store the session later.
        manifest.model_dump(mode="json")
    except (UnicodeDecodeError, PydanticSerializationError) as error:
        message = f"manifest: the SDK can't store it as JSON ({error}); give files that are no text in files="
        raise SpecError(message, field="manifest") from error
    rest = manifest.model_dump(mode="json", exclude={"entries", "root"})
    return {**rest, "entries": _entries(manifest.entries)}


def _entries(entries: Mapping[str | Path, BaseEntry]) -> object:
    return {Path(name).as_posix(): _entry(entry) for name, entry in entries.items()}


def _entry(entry: BaseEntry) -> object:
    if isinstance(entry, Dir):
        return {**entry.model_dump(mode="json", exclude={"children"}), "children": _entries(entry.children)}
    if isinstance(entry, File):
        return {**entry.model_dump(mode="json", exclude={"content"}), "content": digests.content(entry.content)}
    if isinstance(entry, (LocalFile, LocalDir)):
        # Relative ones start where pytest was started, as the SDK has it. The sandbox gets the entry's own mode.
        local = None if entry.src is None else digests.tree(Path(entry.src).resolve(), modes=False)
        return {**entry.model_dump(mode="json", exclude={"src"}), "content": local}
    return entry.model_dump(mode="json")


def _source(source: FileSource) -> object:
    if isinstance(source, Path):
        return digests.tree(source.resolve(), modes=True)
    return {"content": digests.content(source)}
