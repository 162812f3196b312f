"""Fixtures of a project that outlive a test: what they send has a cassette of its own, and tests replay alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from pytest_runloop.recording.before import command, recorded_target, typed
from pytest_runloop.recording.others import Other
from pytest_runloop.recording.recorder import Recorder

_OURS = ("runloop_", "_runloop_")


class WideFixtures:
    """Those of one process."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._live: dict[str, Other] = {}

    @contextmanager
    def set_up(self, fixture: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> Iterator[None]:
        """Have what a fixture sends belong to its cassette, while it is set up and while it is torn down."""
        name = fixture.argname
        if name.startswith(_OURS):
            yield
            return
        cassette = self._recorder.shared(
            request.scope if request.scope in {"class", "module"} else "session",
            node=request.node.nodeid,
            key="-".join([name, *_place(fixture, request)]),
        )
        teardown = ExitStack()
        # First in, last out: around the fixture's own teardown.
        request.addfinalizer(partial(self._end, name, cassette, teardown))
        with cassette.open():
            yield
        self._live[name] = cassette
        request.addfinalizer(lambda: teardown.enter_context(cassette.open()))

    def check(self, item: pytest.Item) -> None:
        """Refuse a test that is real with a fixture that was replayed, or the other way round."""
        for name in getattr(item, "fixturenames", ()) if self._live else ():
            cassette = self._live.get(name)
            if cassette is None or not cassette.job.touched:
                continue
            was_replayed = cassette.job.mode.value == "replay"
            if was_replayed is not self._recorder.vein().is_replay:
                did, does = ("was replayed", "is real") if was_replayed else ("was recorded", "replays")
                reason = f"{item.nodeid} {does}, but its fixture {name} {did} for an earlier test"
                remedy = command(self._modules(item, name), recorded_target(cassette.job.path), known=True)
                pytest.fail(f"{reason}; record all of its tests together:\n  {remedy}", pytrace=False)

    def _modules(self, item: pytest.Item, name: str) -> list[str]:
        """Return where the tests of the run are that have a fixture, as a user types it."""
        ids = (test.nodeid for test in item.session.items if name in getattr(test, "fixturenames", ()))
        files = sorted({nodeid.partition("::")[0] for nodeid in ids})
        return [typed(file, root=self._recorder.root, here=item.config.invocation_params.dir) for file in files]

    def _end(self, name: str, cassette: Other, teardown: ExitStack) -> None:
        teardown.close()
        was_set_up = self._live.pop(name, None) is not None
        cassette.close(keep=was_set_up)


def _place(fixture: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> Iterator[str]:
    """Tell fixtures of one name apart."""
    if request.scope == "session" and fixture.baseid:
        yield fixture.baseid
    if hasattr(request, "param"):
        yield str(getattr(request, "param_index", 0))
