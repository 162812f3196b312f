"""The cassettes of the sandboxes that the tests of one scope share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.cassettes.secrets.known import is_secret_name
from pytest_runloop.wishes import key_of, secrets_of

if TYPE_CHECKING:
    from pytest_runloop.recording.others import Other, Vein
    from pytest_runloop.recording.recorder import Recorder
    from pytest_runloop.spec import SandboxSpec


def note(recorder: Recorder, spec: SandboxSpec) -> None:
    """Have the running test's cassette say which sandbox it asks for, and keep out of it what that is not to tell."""
    recorder.teach(secrets_of(spec, is_secret_name))
    if not recorder.vein().is_replay:
        recorder.note(_key(recorder, spec))


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
        return self._recorder.shared(self._scope, node=self._node, key=_key(self._recorder, spec))


def _key(recorder: Recorder, spec: SandboxSpec) -> str:
    return key_of(spec, root=recorder.root, clean=recorder.clean)
