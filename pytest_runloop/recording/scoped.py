"""The cassettes of the sandboxes that the tests of one scope share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.wishes import key_of

if TYPE_CHECKING:
    from pytest_runloop.recording.others import Other, Vein
    from pytest_runloop.recording.recorder import Recorder
    from pytest_runloop.spec import SandboxSpec


class ScopeShelf:
    """Where they are; implements ``sharing.Shelf``."""

    def __init__(self, recorder: Recorder, *, scope: str, node: str) -> None:
        """Make a shelf.

        Args:
            recorder: Whose cassettes.
            scope: class, module or session.
            node: The node id of the class or module.
        """
        self._recorder = recorder
        self._scope = scope
        self._node = node

    def vein(self) -> Vein:
        """Return what tests must agree on that share a sandbox."""
        return self._recorder.vein()

    def cassette(self, spec: SandboxSpec) -> Other:
        """Return the cassette of a sandbox that is shared as the spec says."""
        key = key_of(spec, root=self._recorder.root, clean=self._recorder.clean)
        return self._recorder.shared(self._scope, node=self._node, key=key)
