"""Which cassette what is sent belongs to: one for each test, and others for what outlives a test. Knows no pytest."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_runloop import tape
from pytest_runloop.cassettes.files import names
from pytest_runloop.errors import CassetteError
from pytest_runloop.recording.before import command, is_ours, recorded_target, stamp, there_is, told, typed
from pytest_runloop.recording.others import Other, Vein
from pytest_runloop.recording.stage import set_up
from pytest_runloop.target import RUNLOOP_URL, Endpoint, Record, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_runloop.cassettes.playing.replay import Unrecorded
    from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
    from pytest_runloop.cassettes.traffic.jobs import Job, Mode
    from pytest_runloop.cassettes.traffic.studio import Studio
    from pytest_runloop.recording.config import CassetteConfig


class Recorder:
    """The cassettes of one process; implements ``taping.Taping``.

    Attributes:
        root: The directory that node ids and cassettes count from.
        target: Where requests go that are not replayed.
        record: What is recorded.
        beside: Whether tests that have no cassette are let alone, though the target is a replay.
        is_alone: Whether the running test is one of these.
        counts: How many tests replayed, recorded or verified something, or were skipped or deselected.
        used: The cassettes of this run, from the root; a folder ends with a slash.
        written: Those that were written.
        refusal: Makes what is raised when something is refused; by default, nothing that a test runner would know.
    """

    def __init__(self, *, root: Path, target: Target, record: Record, beside: bool = False) -> None:
        self.root = root
        self.target = target
        self.record = record
        self.beside = beside
        self.counts: Counter[str] = Counter()
        self.used: set[str] = set()
        self.written: set[str] = set()
        self.refusal: Callable[[str], Unrecorded] | None = None
        self._studio: Studio | None = None
        self._scrubber: Scrubber | None = None
        self._fails_on_unplayed = True
        self._test = self._typed = ""
        self._keys: set[str] = set()
        self._is_over = True
        self.is_alone = False
        self._running: Job | None = None
        self._has_folder: dict[str, bool] = {}
        self._others: dict[tuple[Path, Mode], Job] = {}
        self._heard: dict[Job, int] = {}
        self._numbers: Counter[Job | str] = Counter()
        self._lock = threading.RLock()
        self._directory: Path | None = None

    @property
    def is_open(self) -> bool:
        """Whether traffic is looked at."""
        return self._studio is not None

    @property
    def plays(self) -> bool:
        """Whether nothing of the running test is real, with a cassette or without."""
        return self.target is Target.REPLAY and not self.is_alone

    @property
    def studio(self) -> Studio:
        """Where traffic meets cassettes.

        Raises:
            CassetteError: The first test of the process has not begun.
        """
        if self._studio is None:
            message = "nothing can be recorded or replayed before the first test begins; do it in a fixture"
            raise CassetteError(message)
        return self._studio

    def open(self, config: CassetteConfig) -> None:
        """Look at all traffic, as a project wants it, until ``close``."""
        self._fails_on_unplayed = config.unplayed == "fail"
        replay = self.target is Target.REPLAY and not self.beside
        self._studio, self._scrubber = set_up(config, base_url=RUNLOOP_URL, replay=replay, refusal=self.refusal)
        self._studio.ask(self._own)
        self._studio.install()

    def close(self) -> None:
        """Look at nothing any more; what the running test has recorded is dropped. Idempotent."""
        self.end(keep=False)
        if self._studio is not None:
            self._studio.close()
            self._studio = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def serve(self, endpoint: Endpoint) -> None:
        """Take an address for that of the Runloop API; it is known late, because somebody may have to start it."""
        if self._studio is not None and self.target is not Target.REPLAY:
            self._studio.serve(endpoint.base_url)
            self._studio.know_secret("RUNLOOP_API_KEY", endpoint.api_key)

    def clean(self, text: str) -> str:
        """Return a description of a sandbox, JSON, without secrets."""
        return text if self._scrubber is None else self._scrubber.description(text)

    def directory(self) -> Path:
        """Return a directory of this process, for what it pretends to have prepared."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="pytest-runloop-"))
        return self._directory

    # ── the running test ─────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, test: str, *, here: Path | None = None, real: bool = False) -> None:
        """Make a test of a run started *here* the running one; *real*: it is to be let alone if that is possible."""
        self._test, self._typed = test, typed(test, root=self.root, here=here or self.root)
        self._is_over = False
        self.is_alone = self.beside and (real or not is_ours(self.root / names.own(test)))
        self._keys.clear()
        self._heard = {job: heard for job, heard in self._heard.items() if not job.closed}

    def note(self, key: str) -> None:
        """Have the running test's cassette say for which description of a sandbox it was recorded."""
        self._keys.add(key)

    def teach(self, secrets: Mapping[str, str]) -> None:
        """Keep the values of secrets, by name, out of the running test's cassette: another may show them."""
        job = self._own()
        if secrets and job is not None:
            self.studio.teach(job, secrets)

    def end(self, *, keep: bool, was_skipped: bool = False) -> list[str]:
        """End the running test, and return in words what is wrong with its cassette.

        Args:
            keep: Whether it went as it should; else nothing is written.
            was_skipped: Whether it has skipped itself: what it sent before is recorded, and it need not send it all.
        """
        # A test that has sent nothing has left everything.
        job = self._own() if keep and not was_skipped and self._is_recorded() else self._running
        self._is_over, self._running = True, None
        if job is None or self._studio is None:
            return []
        if self._keys:
            # Sandboxes that are made at once are asked for in any order.
            job.keys = {"spec": ", ".join(sorted(self._keys))}
        problems = self.finish(job, keep=keep and not (was_skipped and job.mode.value == "replay"))
        if job.touched and keep:
            self.counts[job.mode.value] += 1
        return problems

    def vein(self) -> Vein:
        """Return what the running test shares with others."""
        job = None if self.target is Target.REPLAY else self._own()
        is_replay = self.plays if job is None else job.mode.value == "replay"
        return Vein(is_replay, str(names.prepared(self._test, "").parent.parent))

    def refused(self) -> list[str]:
        """Return what was refused since this was last asked."""
        told: list[str] = []
        # Asked after each phase of every test, and hardly ever for something.
        for job, heard in tuple(self._heard.items()):
            if len(job.misses) > heard:
                told += [miss.message for miss in job.misses[heard:]]
                self._heard[job] = len(job.misses)
        if self._studio is not None:
            told += [miss.message for miss in self._studio.misses]
            self._studio.misses.clear()
        return told

    # ── what outlives a test ─────────────────────────────────────────────────────────────────────────────────────────

    def shared(self, scope: str, *, node: str, key: str) -> Other:
        """Return the cassette of something that tests share.

        Args:
            scope: What shares it: class, module or session.
            node: The class or module.
            key: What tells it from others of the same scope.
        """
        node = self._test if scope == "session" else node
        return self._other(self.root / names.shared(scope, node, key), "shared", key)

    def prepared(self, key: str) -> Other:
        """Return the cassette of something prepared."""
        return self._other(self.root / names.prepared(self._test, key), "prepared", key)

    def finish(self, job: Job, *, keep: bool) -> list[str]:
        """Close a cassette, and return in words what is wrong with it."""
        name = job.path.relative_to(self.root).as_posix()
        if job.touched:
            self.used.add(name)
        ignored = job.mode.value == "replay" and not self._fails_on_unplayed
        before = stamp(job.path) if job.touched else None
        problems = self.studio.finish(job, keep=keep and not ignored)
        if job.touched and stamp(job.path) != before:
            self.written.add(name)
        return told(job, problems)

    def forget(self, job: Job) -> None:
        """Drop a cassette that nothing came of; what it has refused is still told."""
        if not job.misses:
            self._heard.pop(job, None)

    def skip(self, test: str) -> None:
        """Note that a test was skipped: its cassette is not unused."""
        self.counts["skipped"] += 1
        self.used.add(names.own(test).as_posix())

    def skip_module(self, module: str) -> None:
        """Note that a whole module was skipped, nobody knows with which tests."""
        self.counts["skipped"] += 1
        self.used.add(f"{names.own(f'{module}::test').parent.as_posix()}/")

    def name(self, job: Job, raw: str, role: str) -> None:
        """Give an id that several cassettes will mention one name in all of them."""
        if job.mode.value != "replay":
            self.studio.call_id(raw, f"{job.name}-{role}")

    def _own(self) -> Job | None:
        """Return the running test's cassette; None if none is running."""
        with self._lock:
            if self._running is None and not self._is_over and not self.is_alone:
                path = self.root / names.own(self._test)
                replays = self.record is Record.NONE or (self.record is Record.ONCE and there_is(path))
                self._running = self._job(path, "test", self._test, replays=replays)
            return self._running

    def _is_recorded(self) -> bool:
        module = self._test.partition("::")[0]
        if module not in self._has_folder:
            self._has_folder[module] = (self.root / names.own(f"{module}::test").parent).is_dir()
        return self._has_folder[module] and (self.root / names.own(self._test)).is_file()

    def _other(self, path: Path, what: str, key: str) -> Other:
        from pytest_runloop.cassettes.traffic.jobs import Mode

        # Once recorded, it stays: other tests replay it.
        is_wanted = self.record is not Record.ONCE or self.vein().is_replay or not there_is(path)
        job = self._others.get((path, Mode.REPLAY if self.vein().is_replay else Mode.RECORD))
        if job is None or job.closed:
            label = path.relative_to(self.root).with_suffix("").as_posix()
            job = self._job(path, what, label, replays=self.vein().is_replay, keys={"spec": key})
            self._others[path, Mode.REPLAY if self.vein().is_replay else Mode.RECORD] = job
        return Other(self, job, is_wanted=is_wanted)

    def _job(self, path: Path, what: str, name: str, *, replays: bool, keys: dict[str, str] | None = None) -> Job:
        from pytest_runloop.cassettes.traffic.jobs import Job, Mode

        real = Mode.VERIFY if self.record is Record.VERIFY else Mode.RECORD
        job = Job(
            path=path,
            what=what,
            name=name,
            mode=Mode.REPLAY if replays else real,
            command=command([self._typed], recorded_target(path), known=there_is(self.root / names.own(self._test))),
            target=self.target.value,
            keys=keys or {},
        )
        self._heard[job] = 0
        return job

    # ── what sandboxes tell ──────────────────────────────────────────────────────────────────────────────────────────

    def number(self, test: str) -> int:
        """Return which sandbox of its cassette the next one is."""
        whose = self._current() or test
        with self._lock:
            self._numbers[whose] += 1
            return self._numbers[whose]

    def created(self, devbox_id: str, *, number: int) -> None:
        """Give a devbox one name in all cassettes, if several will mention it."""
        job = self._current()
        if job is not None and job is not self._own():
            self.name(job, devbox_id, f"devbox-{number}")

    def exposed(self, url: str, *, devbox_id: str, port: int) -> None:
        """Record a port of a sandbox as well."""
        self.studio.expose(url, devbox_id, port)

    def recorded_on(self) -> Target | None:
        """Return where the requests of this place were recorded, if they are replayed."""
        job = self._current()
        return Target(recorded_target(job.path)) if job is not None and job.mode.value == "replay" else None

    def _current(self) -> Job | None:
        return cast("Job | None", tape.CURRENT.get()) or self._own()
