"""The composition root: from what was asked to a target, an endpoint and what makes sandboxes. Everything late."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from pytest_runloop.errors import TargetError
from pytest_runloop.local import LocalEmulator, Run
from pytest_runloop.target import RUNLOOP_URL, Endpoint, Record, Target

if TYPE_CHECKING:
    from pytest_runloop.preparation import Preparations
    from pytest_runloop.provisioning import Gate, Provisioner
    from pytest_runloop.recording.others import Vein
    from pytest_runloop.recording.recorder import Recorder


class Terms(NamedTuple):
    """What was asked of a run's sandboxes.

    Attributes:
        owner: Names the project in the account: what it has prepared is found, and swept, under this name.
        max_age_s: How old something prepared may get.
        fresh: Whether to prepare anew what earlier runs have prepared.
        most_devboxes: How many may run at once, over all processes of the run; None is any number.
        record: What of their requests is recorded.
    """

    owner: str = ""
    max_age_s: float = 7 * 86400.0
    fresh: bool = False
    most_devboxes: int | None = None
    record: Record = Record.NONE


class Wiring:
    """What one process of a run shares: which target, and the run's emulator.

    Attributes:
        run: The run this process belongs to.
        target: Where sandboxes run.
        base_url: Where the live target is.
        emulator: This process's hold on the run's emulator.
        recorder: The cassettes of this process; None if nothing is recorded or replayed.
        beside: What tests that have a cassette use instead, if the target is for those that have none.
    """

    def __init__(
        self,
        choice: str,
        *,
        environ: Mapping[str, str],
        run: Run,
        terms: Terms | None = None,
        root: Path | None = None,
        tell: Callable[[str], None] = lambda _: None,
        beside: bool = False,
    ) -> None:
        """Decide the target; start nothing.

        Args:
            choice: ``auto``, or a target's value.
            environ: Read for the key and the address of Runloop, and for the emulator's place.
            run: The run this process belongs to.
            terms: What was asked of the sandboxes; nothing in particular if left out.
            root: The directory that cassettes count from; by default the current one.
            tell: Shows a line to the person who waits.
            beside: Whether there is another, for tests without a cassette.
        """
        self.run = run
        self._terms = terms or Terms()
        self._tell = tell
        self._api_key = environ.get("RUNLOOP_API_KEY", "").strip()
        self.base_url = environ.get("RUNLOOP_BASE_URL", "").rstrip("/") or RUNLOOP_URL
        self.target = Target(choice) if choice != "auto" else Target.LIVE if self._api_key else Target.EMULATOR
        state = environ.get("PYTEST_RUNLOOP_STATE", "")
        self.emulator = LocalEmulator(run, state=Path(state).absolute() if state else None)
        self._root = root or Path()
        self.recorder = self._recorder(beside=beside)
        self.beside: Wiring | None = None
        self._is_auto = choice == "auto"

    @property
    def now(self) -> Wiring:
        """What the running test uses."""
        beside = self.beside
        return self if beside is None or beside.recorder is None or not beside.recorder.plays else beside

    def play_what_there_is(self, tests: Iterable[tuple[Path, str]]) -> Recorder | None:
        """Have tests that have a cassette replayed, if that was left open and one of them has; return their recorder.

        Args:
            tests: The files and node ids of all.
        """
        if not self._is_auto or self.recorder is not None or not _any_cassette(self._root, tests):
            return None
        self.beside = Wiring(
            Target.REPLAY.value, environ={}, run=self.run, terms=self._terms, root=self._root, beside=True
        )
        return self.beside.recorder

    def endpoint(self) -> Endpoint:
        """Return where requests go, starting the emulator if that is the target and nobody has.

        Raises:
            TargetError: The target can't be used here; the message says what can.
        """
        endpoints = {Target.LIVE: self._live, Target.REPLAY: _replay, Target.EMULATOR: self.emulator.endpoint}
        return self._served(endpoints[self.target]())

    def open_studio(self, given: object) -> None:
        """Have all traffic looked at, as a project wants it, if anything is recorded or replayed.

        Args:
            given: What the project says about its recordings.

        Raises:
            CassetteError: It makes no sense.
        """
        from pytest_runloop.recording.config import CassetteConfig

        config = CassetteConfig.read(given)
        if self.recorder is not None:
            self.recorder.open(config)

    def provisioner(self, endpoint: Endpoint) -> Provisioner:
        # The door to the SDK room, opened by the first test that wants a sandbox.
        from pytest_runloop.provisioning import Provisioner

        self._served(endpoint)
        return Provisioner(endpoint, run=self.run.id, gate=self._gate(), taping=self.recorder)

    def preparations(self, provisioner: Provisioner, *, cache_dir: Path | None) -> Preparations:
        """Return what finds and makes prepared sandboxes.

        Args:
            provisioner: Makes the sandboxes.
            cache_dir: Where to note what was found; None is a place of our own.
        """
        from pytest_runloop.preparation import Preparations
        from pytest_runloop.recording.preparations import RecordedPreparations

        if self.recorder is not None:
            recorded = RecordedPreparations(self.recorder, lambda vein: self._recorded(provisioner, vein))
            # All that tests use of the one, the other has.
            return cast("Preparations", recorded)
        # Locks stay out of pytest's cache: --cache-clear empties it in every worker, under whoever holds one.
        ours = self.emulator.state / "prepared"
        return Preparations(
            provisioner,
            cache_dir=cache_dir or ours,
            locks_dir=ours,
            owner=self._terms.owner,
            max_age_s=self._terms.max_age_s,
            fresh=self._terms.fresh,
            tell=self._tell,
        )

    def _served(self, endpoint: Endpoint) -> Endpoint:
        if self.recorder is not None:
            self.recorder.serve(endpoint)
        return endpoint

    def _recorded(self, provisioner: Provisioner, vein: Vein) -> Preparations:
        from pytest_runloop.preparation import Preparations
        from pytest_runloop.preparing.habits import Habits

        if self.recorder is None:
            message = "nothing is recorded in this run"
            raise TargetError(message)
        # Of the run: its workers share what they prepare, and nobody else does.
        shared = self.recorder.directory() if vein.is_replay else self.emulator.directory() / "recorded"
        place = shared / hashlib.sha256(vein.top.encode()).hexdigest()[:16]
        return Preparations(
            provisioner,
            cache_dir=place,
            locks_dir=place / "locks",
            owner=self._terms.owner,
            max_age_s=self._terms.max_age_s,
            tell=(lambda _: None) if vein.is_replay else self._tell,
            habits=Habits(alone=True, ages=not vein.is_replay, clean=self.recorder.clean),
        )

    def _recorder(self, *, beside: bool) -> Recorder | None:
        if self.target is not Target.REPLAY and self._terms.record is Record.NONE:
            return None
        from pytest_runloop.recording.recorder import Recorder

        return Recorder(root=self._root, target=self.target, record=self._terms.record, beside=beside)

    def _gate(self) -> Gate | None:
        most = self._terms.most_devboxes
        if most is None or self.target is Target.REPLAY:
            return None
        from pytest_runloop.provisioning import Gate

        # In the run's own directory: all its processes go through one gate, and nothing of it outlives them.
        return Gate(self.emulator.directory() / "gate", most, tell=self._tell)

    def _live(self) -> Endpoint:
        if not self._api_key:
            msg = (
                "the target is live, but RUNLOOP_API_KEY is not set. Set it to your key from platform.runloop.ai, "
                "or choose --runloop-target=emulator, which runs on this computer and needs no key"
            )
            raise TargetError(msg)
        if _IN_NO_KEY.search(self._api_key):
            msg = (
                "RUNLOOP_API_KEY holds a blank, a quote or a character beyond ASCII; set it to the key and nothing else"
            )
            raise TargetError(msg)
        if urlsplit(self.base_url).scheme not in {"http", "https"}:
            msg = f"RUNLOOP_BASE_URL: {self.base_url!r} is not an http or https address, such as {RUNLOOP_URL}"
            raise TargetError(msg)
        return Endpoint(target=Target.LIVE, base_url=self.base_url, api_key=self._api_key)


_IN_NO_KEY = re.compile(r"[^!-~]|[\"']")


def _replay() -> Endpoint:
    from pytest_runloop.recording.dummies import DUMMIES

    return Endpoint(target=Target.REPLAY, base_url=RUNLOOP_URL, api_key=DUMMIES["RUNLOOP_API_KEY"])


def _any_cassette(root: Path, tests: Iterable[tuple[Path, str]]) -> bool:
    found: dict[Path, bool] = {}
    for file, test in tests:
        folder = file.parent / "cassettes"
        if folder not in found:
            found[folder] = folder.is_dir()
        if found[folder]:
            from pytest_runloop.cassettes.files import names
            from pytest_runloop.recording.before import is_ours

            if is_ours(root / names.own(test)):
                return True
    return False
