"""A whole spec, checked before anything is provisioned."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from agents.sandbox.errors import InvalidManifestPathError
from agents.sandbox.manifest import Manifest
from pydantic import ValidationError

from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox.boundary import Request, Timeouts
from pytest_runloop.sandbox.runloop.options import Options, check_options, explain, refuse_unknown

if TYPE_CHECKING:
    from pytest_runloop.spec import FileSource, SandboxSpec, Setup


@dataclass(frozen=True)
class Native:
    """The SDK's share of a request."""

    options: Options
    manifest: Manifest


def check(spec: SandboxSpec) -> Request:
    """Return the request a spec makes.

    Raises:
        SpecError: It can't be met; the message names the test, the field and what would be right.
    """
    try:
        return _checked(spec)
    except SpecError as error:
        message = f"{spec.test}: mark.runloop: {error}"
        raise SpecError(message, field=error.field) from error.__cause__


def _checked(spec: SandboxSpec) -> Request:
    options = check_options(_with_blueprint(spec), user=spec.user)
    manifest = _manifest(spec.manifest, home=options.home, account=options.account)
    files = _files(spec.files, root=manifest.root, local_root=spec.local_root)
    _refuse_overlaps(manifest, files)
    return Request(
        test=spec.test,
        native=Native(options, manifest),
        name=options.sdk.name,
        account=options.account,
        root=manifest.root,
        home=options.home,
        exposed_ports=options.sdk.exposed_ports,
        pause_on_exit=options.sdk.pause_on_exit,
        files=files,
        setup=_setup(spec.setup),
        timeouts=_timeouts(options),
        blueprint_name=options.sdk.blueprint_name,
        blueprint=spec.blueprint,
    )


def _with_blueprint(spec: SandboxSpec) -> Mapping[str, object]:
    if spec.blueprint is None:
        return spec.options
    given = [name for name in ("blueprint_id", "blueprint_name") if spec.options.get(name) is not None]
    if given:
        message = f"blueprint, {given[0]}: a sandbox has one blueprint; keep one of them"
        raise SpecError(message, field="blueprint")
    if spec.blueprint.dockerfile is not None and spec.blueprint.base is not None:
        message = "blueprint: it has a dockerfile and a base; keep one: a Dockerfile says itself what it starts from"
        raise SpecError(message, field="blueprint")
    return {**spec.options, "blueprint_name": spec.blueprint.name}


def _manifest(given: object, *, home: str, account: str) -> Manifest:
    manifest = _parsed(given)
    # The SDK's default root is /workspace, which its own Runloop client refuses: nobody can have meant it.
    root = manifest.root if "root" in manifest.model_fields_set else home
    root = posixpath.normpath(root)
    if PurePosixPath(home) not in (PurePosixPath(root), *PurePosixPath(root).parents):
        message = f"manifest: root {root!r} is outside the home of {account!r}; give {home} or a directory in it"
        raise SpecError(message, field="manifest")
    try:
        list(manifest.iter_entries())
    except InvalidManifestPathError as error:
        message = f"manifest: {error}; entries are relative to the root and stay in it"
        raise SpecError(message, field="manifest") from None
    return manifest.model_copy(update={"root": root}, deep=True)


def _parsed(given: object) -> Manifest:
    if given is None:
        return Manifest()
    if isinstance(given, Manifest):
        return given
    if not isinstance(given, Mapping):
        message = f"manifest: got {given!r}; give an agents.sandbox Manifest or a mapping of its fields"
        raise SpecError(message, field="manifest")
    refuse_unknown(given, Manifest.model_fields, owner="manifest")
    try:
        return Manifest.model_validate(dict(given))
    except ValidationError as error:
        raise explain(error, field="manifest", given=given) from None
    except (TypeError, ValueError) as error:
        message = f"manifest: {error}; see the fields of agents.sandbox Manifest"
        raise SpecError(message, field="manifest") from None


def _files(given: Mapping[str, FileSource], *, root: str, local_root: Path) -> dict[str, FileSource]:
    files: dict[str, FileSource] = {}
    for key, source in given.items():
        path = _inside(key, root=root)
        if path in files:
            message = f"files: {key!r} names {path} a second time; give it once"
            raise SpecError(message, field="files")
        files[path] = _source(key, source, local_root=local_root)
    return files


def _inside(key: object, *, root: str) -> str:
    if not isinstance(key, (str, os.PathLike)) or not os.fspath(key) or "\0" in str(key):
        message = f"files: {key!r} is not a path; give one relative to {root}"
        raise SpecError(message, field="files")
    text = str(os.fspath(key))
    path = posixpath.normpath(posixpath.join(root, text))
    if PurePosixPath(root) not in PurePosixPath(path).parents or text.endswith("/"):
        message = f"files: {text!r} is not a file under the root {root}; give a path in it, without '..' at its start"
        raise SpecError(message, field="files")
    return path


def _source(key: str, source: object, *, local_root: Path) -> FileSource:
    if isinstance(source, (str, bytes)):
        return source
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source)
    if not isinstance(source, os.PathLike):
        message = f"files: {key!r} is a {type(source).__name__}; give text, bytes, or a pathlib.Path to a local file"
        raise SpecError(message, field="files")
    local = Path(os.path.abspath(local_root / Path(source)))  # noqa: PTH100 - resolve() would follow links
    if not local.exists():
        message = f"files: {key!r}: {local} does not exist on this computer; relative paths start at {local_root}"
        raise SpecError(message, field="files")
    return local


def _refuse_overlaps(manifest: Manifest, files: Mapping[str, FileSource]) -> None:
    """Refuse two files at one path, and a file where another needs a directory."""
    declared = {str(PurePosixPath(manifest.root, path)): entry.is_dir for path, entry in manifest.iter_entries()}
    solid = {path for path, is_dir in declared.items() if not is_dir} | set(files)
    for path in files:
        if path in declared:
            message = f"files, manifest: both name {path}; keep one"
            raise SpecError(message, field="files")
    for path in (*files, *declared):
        for parent in map(str, PurePosixPath(path).parents):
            if parent in solid and not isinstance(files.get(parent), Path):
                message = f"files: {path} needs a directory at {parent}, where a file is to be; rename one"
                raise SpecError(message, field="files")


def _setup(given: object) -> Setup:
    if callable(given):
        return given
    commands = (given,) if isinstance(given, str) else given
    if not isinstance(commands, (tuple, list)) or not all(isinstance(one, str) and one.strip() for one in commands):
        message = f"setup: got {given!r}; give shell commands (a list of strings), or a callable that takes the sandbox"
        raise SpecError(message, field="setup")
    return tuple(commands)


def _timeouts(options: Options) -> Timeouts:
    given = options.timeouts
    return Timeouts(
        exec_s=given.exec_timeout_unbounded_s,
        create_s=given.create_s,
        cleanup_s=given.cleanup_s,
        fast_op_s=given.fast_op_s,
        upload_s=given.file_upload_s,
        download_s=given.file_download_s,
        suspend_s=given.suspend_s,
        resume_s=given.resume_s,
        snapshot_s=given.snapshot_s,
    )
