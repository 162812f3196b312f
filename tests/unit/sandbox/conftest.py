from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[threading.Event], None]]:
    """What a person does on Ctrl-C, to be called from another thread: press it until it works.

    A signal that arrives just before the main thread goes to sleep does not wake it: no Python program is free of that.
    """
    # A process started in the background ignores the signal, and so would Python.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None

    def press(noticed: threading.Event) -> None:
        signal.pthread_kill(main, signal.SIGINT)
        while not noticed.wait(0.5):
            signal.pthread_kill(main, signal.SIGINT)

    yield press
    signal.signal(signal.SIGINT, before)
