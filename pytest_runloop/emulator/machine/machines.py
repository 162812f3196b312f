"""All machines of one emulator: the composition root of this room."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from pytest_runloop.emulator.machine import bwrap, cgroups, image, support
from pytest_runloop.emulator.machine.account import Account
from pytest_runloop.emulator.machine.disk import Disks
from pytest_runloop.emulator.machine.doorway import Doorway
from pytest_runloop.emulator.machine.egress import Outside
from pytest_runloop.emulator.machine.machine import BootError, Machine
from pytest_runloop.emulator.machine.namespaces import FIRST_HOST_ID, STAGE
from pytest_runloop.emulator.machine.watch import Limits

__all__ = ["Account", "BootError", "Limits", "Machine", "Machines", "Outside"]

_log = logging.getLogger(__name__)
_TMPFS_SHARE = 4
"""/run and /dev/shm may each hold this part of a machine's memory."""
_PROBE_LIMITS = Limits(memory_bytes=1 << 30, pids=64)


class Machines:
    """All the machines of one emulator, with the disks they share with other emulators on this computer.

    Attributes:
        disks: The disks under the state directory.
        all_ids: Whether machines have every uid (root's emulator) or just one (an ordinary user's).
    """

    def __init__(self, state: Path, *, program: str, doorway: Doorway, base: image.Image) -> None:
        self.all_ids = _all_ids()
        self._program = program
        self._doorway = doorway
        self._image = base
        self.disks = Disks(state / "disks", self._image.trees, owner=FIRST_HOST_ID if self.all_ids else None)
        self._running: set[Machine] = set()
        self._removals: set[asyncio.Future[None]] = set()

    @classmethod
    async def open(cls, state: Path) -> Machines:
        """Start the doorman, and make sure that a machine can boot here.

        Args:
            state: Directory of disks and images, made if missing and closed to other users of the host.

        Raises:
            Unsupported: This computer can't; the message tells why and what would help.
        """
        if problem := support.no_linux():
            raise support.Unsupported(problem)
        doorway = Doorway.open()
        try:
            # In a thread, since the server that opens this has imports of its own to do.
            program, base = await asyncio.to_thread(_prepare, state)
            machines = cls(state, program=program, doorway=doorway, base=base)
            await machines._probe(state)
        except BaseException:
            await doorway.close()
            raise
        return machines

    async def boot(
        self,
        disk: str,
        *,
        account: Account,
        limits: Limits,
        hostname: str,
        on_death: Callable[[str], None],
        docker: bool = False,
        outside: Outside | None = None,
    ) -> Machine:
        """Boot a machine on a disk that no other machine uses.

        Args:
            disk: A disk's name.
            account: Whose commands it runs; made if the disk doesn't know it.
            limits: What all its processes together may use.
            hostname: What it calls itself.
            docker: Whether it must be able to run containers; it gets what this computer can give for that.
            outside: What it can reach; None for everything but this computer.
            on_death: Called once with ``out_of_memory``, ``too_many_processes`` or ``stopped`` if it ends by itself.

        Raises:
            BootError: It did not come up; nothing of it is left but the disk.
        """
        machine = Machine(
            disk,
            account,
            limits,
            doorway=self._doorway,
            on_death=on_death,
            all_ids=self.all_ids,
            outside=outside or Outside(),
        )
        groups = await self._groups(disk) if docker else None
        overlays, stage = self._mounts(disk)
        argv = bwrap.arguments(
            overlays,
            hostname=hostname,
            tmpfs_bytes=limits.memory_bytes // _TMPFS_SHARE,
            uid=None if self.all_ids else account.uid,
            binds=groups.binds if groups else (),
        )
        self._running.add(machine)
        machine.when_gone(lambda: self._gone(machine, groups))
        # It may lie where only the host's root can look, and it starts as the sandbox's.
        parts = bwrap.parts(self._program) if self.all_ids else []
        stage += [(str(part), part.name, True) for part in parts]
        program = f"{STAGE}/{Path(self._program).relative_to(parts[0].parent)}" if parts else self._program
        await machine.start(program, argv, stage if self.all_ids else None, procs=groups.procs if groups else ())
        return machine

    async def close(self) -> None:
        """Halt every machine and end the doorman."""
        await asyncio.gather(*(machine.halt() for machine in tuple(self._running)))
        await asyncio.gather(*self._removals)
        await self._doorway.close()

    async def _groups(self, disk: str) -> cgroups.Cgroups | None:
        """Delegate control groups, if this computer lets us."""
        if not self.all_ids:
            return None
        try:
            return await asyncio.to_thread(cgroups.delegate, disk)
        except OSError as error:
            _log.warning("%s can't run containers: no control groups of its own (%s)", disk, error)
            return None

    def _gone(self, machine: Machine, groups: cgroups.Cgroups | None) -> None:
        self._running.discard(machine)
        if groups is not None:
            removal = asyncio.get_running_loop().run_in_executor(None, groups.remove)
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    async def _probe(self, state: Path) -> None:
        """Boot one machine, once for each boot of this computer and each bubblewrap."""
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        stamp = state / f"works-{os.geteuid()}"
        content = f"{boot_id} {self._program} {image.VERSION}"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == content:
            return
        disk = f"probe-{os.getpid()}"
        await self.disks.create(disk)
        try:
            machine = await self.boot(
                disk, account=Account(), limits=_PROBE_LIMITS, hostname="probe", on_death=lambda _: None
            )
            await machine.halt()
        except BootError as error:
            raise support.Unsupported(support.explain(str(error), state)) from error
        finally:
            await self.disks.remove(disk)
        stamp.write_text(content, encoding="utf-8")

    def _mounts(self, disk: str) -> tuple[list[bwrap.Overlay], list[tuple[str, str, bool]]]:
        """Give the overlays, and what to stage for them: root's bubblewrap sees only what is staged."""
        stage: dict[str, tuple[str, bool]] = {}

        def staged(path: Path, name: str, *, shift: bool = False) -> str:
            if not self.all_ids:
                return str(path)
            stage[name] = (str(path), shift)
            return f"{STAGE}/{name}"

        top = Path(staged(self.disks.path(disk), "disk"))
        layer = Path(staged(self._image.layer, "layer"))
        bases = [Path(staged(self.disks.path(base), f"base{n}")) for n, base in enumerate(self.disks.lowers(disk))]
        overlays = [
            bwrap.Overlay(
                tree=tree,
                lowers=[
                    *([staged(Path("/", tree), f"host-{tree}", shift=True)] if tree in self._image.hosts else []),
                    *(str(layer / part.name) for part in self._image.own(tree)),
                    *(str(base / "up" / tree) for base in bases),
                ],
                upper=str(top / "up" / tree),
                work=str(top / "work" / tree),
            )
            for tree in self._image.trees
        ]
        return overlays, [(source, name, shift) for name, (source, shift) in stage.items()]


def _prepare(state: Path) -> tuple[str, image.Image]:
    """Find bubblewrap, and build the image that all sandboxes start from."""
    program = bwrap.find()
    if program is None:
        raise support.Unsupported(support.no_bwrap())
    for directory in (state, state / "images"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    state.chmod(0o700)  # what sandboxes write is nobody else's to run or to read
    return program, image.build(state / "images", all_ids=_all_ids())


def _all_ids() -> bool:
    return os.geteuid() == 0
