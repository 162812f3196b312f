"""Putting stored objects and repositories into machines. Contents go through in pieces, and are unpacked inside.

Unpacking is done by the sandbox's own tar, as whoever the machine belongs to: no path of an archive can leave the
sandbox, and tar itself refuses those that would leave the directory.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_runloop.emulator.domain.agents import install_steps
from pytest_runloop.emulator.domain.mounts import CodeMount, code_mount
from pytest_runloop.emulator.domain.objects import ARCHIVES
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request
from pytest_runloop.emulator.service.execution import Execution
from pytest_runloop.emulator.service.files import Download
from pytest_runloop.emulator.service.identity import fresh_id
from pytest_runloop.emulator.service.outputs import tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_runloop.emulator.domain.objects import StoredObject
    from pytest_runloop.emulator.domain.steps import Step
    from pytest_runloop.emulator.machine.machines import Machine
    from pytest_runloop.emulator.service.agents import Agents
    from pytest_runloop.emulator.service.objects import Objects
    from pytest_runloop.emulator.service.roster import Runtime

REPOSITORIES = "PYTEST_RUNLOOP_REPOSITORIES"
"""The environment variable that names a directory of repositories, ``OWNER/NAME``, used instead of GitHub's."""
_GZIP = b"\x1f\x8b"
_BLOCK = 512
_LINES = 20


class MountFailed(Exception):
    """Report a mount that could not be made; the message says which and why."""


class Mounts:
    """Makes the mounts of devboxes."""

    def __init__(self, objects: Callable[[], Objects], *, agents: Callable[[], Agents]) -> None:
        self._objects = objects
        self._agents = agents

    def check(self, mounts: Sequence[Mapping[str, str]]) -> None:
        """Check that what shall be mounted is there.

        Raises:
            ApiProblem: 400, if an object isn't.
        """
        for index, mount in enumerate(mounts):
            if mount["type"] == "object_mount":
                self._objects().readable(mount["object_id"], field=f"mounts[{index}].object_id")
            elif mount["type"] == "agent_mount":
                self._agents().mountable(mount, field=f"mounts[{index}]")

    async def make(self, runtime: Runtime, machine: Machine) -> None:
        """Make all mounts of a devbox, in order.

        Raises:
            MountFailed: One could not be made.
        """
        for mount in runtime.record.mounts:
            if mount["type"] == "object_mount":
                await self._object(machine, mount)
            elif mount["type"] == "code_mount":
                for step in await steps_of(machine, code_mount(mount)):
                    await _run(runtime, machine, step)
            elif mount["type"] == "agent_mount":
                await self._agent(runtime, machine, mount)

    async def _agent(self, runtime: Runtime, machine: Machine, mount: Mapping[str, str]) -> None:
        try:
            agent = self._agents().mountable(mount, field="agent_mount")
        except ApiProblem as problem:
            raise MountFailed(problem.message) from problem
        source = agent.fields["source"]
        if source["type"] == "object":
            await self._object(machine, {**source["object"], "object_path": mount["agent_path"]})
        for step in install_steps(agent, mount):
            await _run(runtime, machine, step)

    async def _object(self, machine: Machine, mount: Mapping[str, str]) -> None:
        path = mount["object_path"]
        try:
            one = self._objects().readable(mount["object_id"], field="object_id")
            content = self._objects().download(one.id)
            await put(machine, one, content, path)
        except ApiProblem as problem:
            raise MountFailed(f"The object {mount['object_id']} can't be mounted at {path!r}: {problem.message}") from (
                problem
            )


async def put(machine: Machine, one: StoredObject, content: Download, path: str) -> None:
    """Put an object into a machine: a file at the path, or what an archive holds into a directory there.

    Raises:
        ApiProblem: 400, if the archive is damaged or the path can't be written.
    """
    if one.content_type in ARCHIVES:
        await unpack(machine, one, content, path)
        return
    try:
        await write_as_root(machine, path, content.chunks())
    finally:
        content.close()


async def write_as_root(machine: Machine, path: str, pieces: AsyncIterator[bytes]) -> None:
    """Write a file of the machine's account where only root may make one.

    Raises:
        ApiProblem: 400, if that doesn't work.
    """
    await _stream(machine, _file_command(path), pieces)


async def unpack(machine: Machine, one: StoredObject, content: Download, path: str) -> None:
    """Unpack an object into a directory of a machine, whatever its content type says.

    Raises:
        ApiProblem: 400, if it is no archive, or a damaged one, or the directory can't be written.
    """
    try:
        head = content.peek(64 * 1024)
        if _is_tar(head):
            await _stream(machine, _tar_command(path, compressed=head.startswith(_GZIP)), content.chunks())
        elif head.startswith(_GZIP) and one.content_type == "gzip":
            target = f"{path.rstrip('/')}/{Path(one.name).name.removesuffix('.gz') or one.id}"
            await _stream(machine, _file_command(target, through="gzip --decompress --stdout"), content.chunks())
        else:
            raise bad_request(f"object {one.id}, {one.content_type}, is no archive that tar knows.")
    finally:
        content.close()


async def steps_of(machine: Machine, mount: CodeMount) -> list[Step]:
    """Give what makes a code mount; a repository of this computer is put into the machine first.

    Raises:
        ApiProblem: 400, if that repository can't be read.
    """
    repository = local_repository(mount)
    if repository is None:
        return mount.steps()
    bundle = f"/tmp/.code-mount-{mount.owner}-{mount.name}.bundle"  # noqa: S108 - in the sandbox
    content = Download(await _bundle(repository))
    await _stream(machine, f"cat >{shlex.quote(bundle)}", content.chunks())
    return mount.steps(source=bundle)


def local_repository(mount: CodeMount) -> Path | None:
    """Find the repository of this computer that stands for one of GitHub's."""
    directory = os.environ.get(REPOSITORIES)
    if not directory:
        return None
    names = (mount.name, f"{mount.name}.git")
    return next((path for name in names if (path := Path(directory, mount.owner, name)).is_dir()), None)


async def _bundle(repository: Path) -> IO[bytes]:
    """Pack a repository of this computer into one unnamed file."""
    git = shutil.which("git")
    if git is None:
        raise bad_request(f"git is not installed on this computer, so {repository} can't be mounted.")
    bundle = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the caller closes it
    process = await asyncio.create_subprocess_exec(
        *(git, "-c", "safe.directory=*", "-C", str(repository), "bundle", "create", "--quiet", "-", "HEAD", "--all"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=bundle,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode:
        bundle.close()
        raise bad_request(f"{repository} can't be mounted: {errors.decode(errors='replace').strip()}")
    bundle.seek(0)
    return bundle


async def _run(runtime: Runtime, machine: Machine, step: Step) -> None:
    execution = Execution(execution_id=fresh_id("exe"), command=step.command, source="setup_commands")
    runtime.setup.append(execution)
    execution.begin(await machine.run(step.command, env={**runtime.record.environment, **step.environment}))
    if status := await execution.finish():
        said = tail(execution.output("stderr"), lines=_LINES)[0].strip()
        raise MountFailed(f"{step.title}: ended with exit status {status}: {said}")


async def _stream(machine: Machine, command: str, pieces: AsyncIterator[bytes]) -> None:
    process = await machine.run(command, env={"LC_ALL": "C"}, stdin=True)
    try:
        async for piece in pieces:
            await process.write_stdin(piece)
    except BrokenPipeError:
        pass  # it has given up, and says why
    finally:
        process.close_stdin()
    if status := await process.wait():
        said = tail(process.stderr, lines=_LINES)[0].strip()
        raise bad_request(f"it ended with exit status {status}: {said}")


def _tar_command(path: str, *, compressed: bool) -> str:
    directory = _quoted(path)
    options = "--gzip " if compressed else ""
    return f"{_directory(directory)}\ntar --extract {options}--no-same-owner --file=- --directory={directory}"


def _file_command(path: str, *, through: str = "cat") -> str:
    target = _quoted(path)
    return (
        f"parent=$(dirname -- {target})\n{_directory(chr(34) + '$parent' + chr(34))}\n"
        f'if [ -w "$parent" ] || [ -w {target} ]; then {through} >{target}\n'
        f'else sudo install -o "$(id -un)" -m 0644 /dev/null {target} && {through} >{target}; fi'
    )


def _directory(quoted: str) -> str:
    """Make a directory; outside the user's own places it takes root to make one that belongs to the user."""
    return f'mkdir -p -- {quoted} 2>/dev/null || sudo install -d -o "$(id -un)" -- {quoted} || exit'


def _quoted(path: str) -> str:
    """Quote a path for the shell, which starts in the home: where ``~`` and relative paths begin."""
    if path == "~" or path.startswith("~/"):
        return f'"$HOME"/{shlex.quote(path[2:])}'
    return shlex.quote(path if path.startswith("/") else f"./{path}")


def _is_tar(head: bytes) -> bool:
    block = head[:_BLOCK]
    if head.startswith(_GZIP):
        try:
            block = zlib.decompressobj(31).decompress(head, _BLOCK)
        except zlib.error:
            return False
    if block and not block.strip(b"\0"):
        return True  # an empty archive
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
