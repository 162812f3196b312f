"""The one request with which the SDK's client makes a devbox, led elsewhere.

``RunloopSandboxClient.create`` does much that is wanted (secrets, environment, the session's state) and then makes a
devbox in the one way it knows: from a blueprint. A client whose SDK is one of these makes it from a disk snapshot, or
takes one that exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.sandbox.runloop.sessions import LoopLocalSdk

if TYPE_CHECKING:
    from runloop_api_client.sdk import AsyncRunloopSDK
    from runloop_api_client.sdk.async_devbox import AsyncDevbox

    from pytest_runloop.sandbox.looplocal import LoopLocal

BLUEPRINT_FIELDS = frozenset({"blueprint_id", "blueprint_name"})


class FromSnapshot(LoopLocalSdk):
    """Make every devbox from one disk snapshot."""

    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK], snapshot_id: str) -> None:
        super().__init__(sdk)
        self.devbox = _SnapshotDevboxes(sdk, snapshot_id)


class Adopting(LoopLocalSdk):
    """Take a devbox that exists; nothing is sent, secrets included."""

    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK], devbox_id: str) -> None:
        super().__init__(sdk)
        self.devbox = _ExistingDevbox(sdk, devbox_id)
        self.secret = _NoSecrets()


class _SnapshotDevboxes:
    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK], snapshot_id: str) -> None:
        self._sdk = sdk
        self._snapshot_id = snapshot_id

    async def create(self, **fields: object) -> AsyncDevbox:
        # The API takes one source; the blueprint stays in the session's state all the same.
        others = {name: value for name, value in fields.items() if name not in BLUEPRINT_FIELDS}
        return await self._sdk.get().devbox.create(snapshot_id=self._snapshot_id, **others)  # type: ignore[arg-type] # the SDK's own fields, passed on


class _ExistingDevbox:
    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK], devbox_id: str) -> None:
        self._sdk = sdk
        self._devbox_id = devbox_id

    async def create(self, **_: object) -> AsyncDevbox:
        return self._sdk.get().devbox.from_id(self._devbox_id)


class _NoSecrets:
    """The account has them since the devbox was made."""

    async def create(self, **_: object) -> None:
        """Do nothing."""
