"""Event loops for callers that have none: the private loop of a provisioner, and one per thread for agents.

An async SDK client may only be used from one event loop. So everything the plugin itself sends runs on the portal's
loop, whatever loop (or none) the test runs on. Knows nothing of sandboxes.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_runloop import tape

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class Portal:
    """Run coroutines on one event loop in one daemon thread, started by the first call."""

    def __init__(self, name: str) -> None:
        """Make a portal; costs nothing until it is used."""
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work and return its result; an interrupt of the caller cancels it and waits for its clean-up.

        Raises:
            RuntimeError: The portal is closed, or the caller is the portal itself and would wait for ever.
        """
        if threading.current_thread() is self._thread:
            work.close()
            message = "a blocking call was made by a coroutine that runs on the portal; await it: sandbox.aio"
            raise RuntimeError(message)
        job = self._job(work)
        # Started inside the try: an interrupt may come between any two steps.
        try:
            job.start()
            return job.outcome.result()
        except BaseException:
            # Ctrl-C or a test timeout raised in this thread; the work's own errors arrive when it is done.
            job.cancel()
            job.settled.result()
            raise

    def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work to its end even if the caller is interrupted once; meant for deleting what costs money."""
        job = self._job(work)
        try:
            job.start()
            return job.outcome.result()
        except BaseException:
            job.start()
            job.settled.result()
            raise

    async def acall(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work from any asyncio loop; cancelling the caller cancels it and waits for its clean-up."""
        job = self._job(work)
        job.start()
        # A waiter is never able to cancel the outcome itself: it is marked as running from the start.
        waiter = asyncio.wrap_future(job.outcome)
        try:
            return await waiter
        except asyncio.CancelledError:
            job.cancel()
            await asyncio.wrap_future(job.settled)
            raise

    def close(self) -> None:
        """Cancel what still runs, end the loop and its thread. Idempotent; the portal can't be used again."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = None
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _job(self, work: Coroutine[Any, Any, T]) -> _Job[T]:
        try:
            return _Job(work, self._running_loop())
        except BaseException:
            work.close()
            raise

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._thread is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            if self._loop is None:
                message = f"the portal {self._name!r} is closed; its sandboxes are gone"
                raise RuntimeError(message)
            return self._loop


class ThreadLoops:
    """Keep one event loop per calling thread, for agents that synchronous tests run.

    The loop outlives a single call, because model clients keep connections that belong to it.
    """

    def __init__(self) -> None:
        """Make an empty set of loops."""
        self._here = threading.local()
        self._all: list[asyncio.AbstractEventLoop] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work in this thread and return its result; an interrupt cancels it and waits for its clean-up."""
        loop = self._loop()
        task = loop.create_task(work)
        try:
            return loop.run_until_complete(task)
        except BaseException:
            if not task.done():
                task.cancel()
                loop.run_until_complete(asyncio.wait([task]))
            raise

    def close(self) -> None:
        """End every loop with what still runs on it."""
        while self._all:
            _wind_down(self._all.pop())
        self._here = threading.local()

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop | None = getattr(self._here, "loop", None)
        if loop is None:
            loop = self._here.loop = asyncio.new_event_loop()
            self._all.append(loop)
        return loop


class _Job(Generic[T]):
    """One coroutine on its way through the portal.

    Attributes:
        outcome: Its result or error; never cancelled by a waiter.
        settled: Done when the coroutine has ended, clean-up included; never an error.
    """

    def __init__(self, work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self.outcome: Future[T] = Future()
        self.outcome.set_running_or_notify_cancel()
        self.settled: Future[None] = Future()
        self.settled.set_running_or_notify_cancel()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[T] | None = None
        # Not in the caller's context: what runs there may have noted "trio" in it for HTTP clients to find. Only the
        # cassette of what is sent goes along.
        self._context = contextvars.Context()
        self._context.run(tape.CURRENT.set, tape.CURRENT.get())

    def start(self) -> None:
        """Have the loop begin; only the first call counts."""
        if not self.outcome.done():
            self._loop.call_soon_threadsafe(self._start, context=self._context)

    def cancel(self) -> None:
        """Have the loop cancel the work, wherever it stands; harmless once it has ended."""
        if not self.outcome.done():
            # Work that is cancelled before it began still begins, to end at once.
            self._loop.call_soon_threadsafe(self._cancel, context=self._context)

    def _start(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._work)
            self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        # A task that is cancelled before its first step never runs the coroutine, and still ends.
        self._start()
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.outcome.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(task.result())
        self.settled.set_result(None)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        asyncio.set_event_loop(None)
        _wind_down(loop)


def _wind_down(loop: asyncio.AbstractEventLoop) -> None:
    # What asyncio.run does at its end; asyncio.Runner would do it too, but Python 3.10 has none.
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
