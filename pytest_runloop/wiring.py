"""The composition root: from what was asked to a target, an endpoint and a provisioner. Everything is made late."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_runloop.errors import TargetError
from pytest_runloop.local import LocalEmulator, Run
from pytest_runloop.target import Endpoint, Target

if TYPE_CHECKING:
    from pytest_runloop.provisioning import Provisioner

RUNLOOP_URL = "https://api.runloop.ai"


class Wiring:
    """What one process of a run shares: which target, and the run's emulator.

    Attributes:
        run: The run this process belongs to.
        target: Where sandboxes run.
        base_url: Where the live target is.
        emulator: This process's hold on the run's emulator.
    """

    def __init__(self, choice: str, *, environ: Mapping[str, str], run: Run) -> None:
        """Decide the target; start nothing.

        Args:
            choice: ``auto``, or a target's value.
            environ: Read for the key and the address of Runloop, and for the emulator's place.
            run: The run this process belongs to.
        """
        self.run = run
        self._api_key = environ.get("RUNLOOP_API_KEY", "")
        self.base_url = environ.get("RUNLOOP_BASE_URL", "").rstrip("/") or RUNLOOP_URL
        self.target = Target(choice) if choice != "auto" else Target.LIVE if self._api_key else Target.EMULATOR
        state = environ.get("PYTEST_RUNLOOP_STATE", "")
        self.emulator = LocalEmulator(run, state=Path(state).absolute() if state else None)

    def endpoint(self) -> Endpoint:
        """Return where requests go, starting the emulator if that is the target and nobody has.

        Raises:
            TargetError: The target can't be used here; the message says what can.
        """
        endpoints = {Target.LIVE: self._live, Target.REPLAY: _replay, Target.EMULATOR: self.emulator.endpoint}
        return endpoints[self.target]()

    def provisioner(self, endpoint: Endpoint) -> Provisioner:
        # The door to the SDK room, opened by the first test that wants a sandbox.
        from pytest_runloop.provisioning import Provisioner

        return Provisioner(endpoint, run=self.run.id)

    def _live(self) -> Endpoint:
        if not self._api_key:
            msg = (
                "the target is live, but RUNLOOP_API_KEY is not set. Set it to your key from platform.runloop.ai, "
                "or choose --runloop-target=emulator, which runs on this computer and needs no key"
            )
            raise TargetError(msg)
        if urlsplit(self.base_url).scheme not in {"http", "https"}:
            msg = f"RUNLOOP_BASE_URL: {self.base_url!r} is not an http or https address, such as {RUNLOOP_URL}"
            raise TargetError(msg)
        return Endpoint(target=Target.LIVE, base_url=self.base_url, api_key=self._api_key)


def _replay() -> Endpoint:
    msg = (
        "the target is replay, but this version records no cassettes yet. Choose --runloop-target=emulator, "
        "which needs no key, or --runloop-target=live with RUNLOOP_API_KEY set"
    )
    raise TargetError(msg)
