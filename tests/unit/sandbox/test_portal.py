from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from pytest_runloop.sandbox.portal import Portal, ThreadLoops


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal("test")
    yield portal
    portal.close()


class Work:
    """Run until cancelled or let go, and note how it ended."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go = asyncio.Event()
        self.noticed = threading.Event()
        self.ended = ""

    async def __call__(self) -> str:
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.noticed.set()
            # A clean-up that takes a while, as killing a remote command does.
            await asyncio.sleep(0.01)
            self.ended = "cancelled"
            raise
        self.noticed.set()
        self.ended = "finished"
        return "done"


def interrupt_once_started(
    work: Work, ctrl_c: Callable[[threading.Event], None], *, then_go: Portal | None = None
) -> None:
    async def let_go() -> None:
        work.go.set()

    def act() -> None:
        work.started.wait()
        if then_go is None:
            ctrl_c(work.noticed)
        else:
            # Whether the caller has noticed can't be seen from here: it goes on waiting.
            threading.Timer(0.1, lambda: then_go.call(let_go())).start()
            ctrl_c(work.noticed)

    threading.Thread(target=act).start()


async def thread_name() -> str:
    return threading.current_thread().name


async def broken() -> None:
    message = "broken on purpose"
    raise ValueError(message)


def test_no_thread_is_started_before_the_first_call() -> None:
    before = threading.active_count()

    Portal("idle").close()

    assert before == threading.active_count()


def test_every_call_runs_in_the_portals_one_thread(portal: Portal) -> None:
    assert [portal.call(thread_name()), portal.call(thread_name())] == ["test", "test"]


def test_an_error_arrives_at_the_caller(portal: Portal) -> None:
    with pytest.raises(ValueError, match="broken on purpose"):
        portal.call(broken())


def test_an_interrupt_cancels_the_work_and_waits_for_its_clean_up(
    portal: Portal, ctrl_c: Callable[[threading.Event], None]
) -> None:
    work = Work()
    interrupt_once_started(work, ctrl_c)

    with pytest.raises(KeyboardInterrupt):
        portal.call(work())

    assert work.ended == "cancelled"


def test_an_interrupt_does_not_stop_what_must_finish(portal: Portal, ctrl_c: Callable[[threading.Event], None]) -> None:
    work = Work()
    interrupt_once_started(work, ctrl_c, then_go=portal)

    with pytest.raises(KeyboardInterrupt):
        portal.finish(work())

    assert work.ended == "finished"


def test_work_can_be_awaited_from_another_loop(portal: Portal) -> None:
    async def elsewhere() -> str:
        return await portal.acall(thread_name())

    assert asyncio.run(elsewhere()) == "test"


def test_cancelling_an_awaiter_cancels_the_work_and_waits_for_its_clean_up(portal: Portal) -> None:
    work = Work()

    async def elsewhere() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(portal.acall(work()), 0.05)

    asyncio.run(elsewhere())

    assert work.ended == "cancelled"


def test_a_blocking_call_from_the_portal_itself_is_refused(portal: Portal) -> None:
    async def inside() -> None:
        portal.call(thread_name())

    with pytest.raises(RuntimeError, match=r"sandbox\.aio"):
        portal.call(inside())


def test_closing_cancels_what_still_runs(portal: Portal) -> None:
    work = Work()
    outcome: list[BaseException] = []

    def call() -> None:
        try:
            portal.call(work())
        except asyncio.CancelledError as error:
            outcome.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    work.started.wait()
    portal.close()
    caller.join()

    assert work.ended == "cancelled"
    assert len(outcome) == 1


def test_a_closed_portal_says_so(portal: Portal) -> None:
    portal.call(thread_name())
    portal.close()

    with pytest.raises(RuntimeError, match="closed"):
        portal.call(thread_name())


def test_a_thread_keeps_its_loop_from_one_run_to_the_next() -> None:
    loops = ThreadLoops()

    async def running() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    first, second = loops.run(running()), loops.run(running())

    assert first is second
    loops.close()
    assert first.is_closed()


def test_an_interrupt_of_a_thread_loop_cancels_its_work(ctrl_c: Callable[[threading.Event], None]) -> None:
    loops = ThreadLoops()
    work = Work()
    interrupt_once_started(work, ctrl_c)

    with pytest.raises(KeyboardInterrupt):
        loops.run(work())

    assert work.ended == "cancelled"
    loops.close()
