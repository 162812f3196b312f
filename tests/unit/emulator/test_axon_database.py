"""An axon's file, while others delete it."""

from __future__ import annotations

import collections
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_runloop.emulator.service.axon_database import AxonDatabase, Gone


def test_whoever_reads_while_it_is_deleted_is_told_that_it_is_gone(tmp_path: Path) -> None:
    def read(database: AxonDatabase, begun: threading.Barrier) -> None:
        begun.wait()
        with pytest.raises(Gone):
            collections.deque((database.after(0, limit=10) for _ in itertools.count()), maxlen=0)

    with ThreadPoolExecutor(3) as readers:
        for number in range(50):
            database = AxonDatabase(tmp_path / f"{number}.sqlite3")
            database.create()
            begun = threading.Barrier(4)
            reading = [readers.submit(read, database, begun) for _ in range(3)]
            begun.wait()
            database.remove()
            for one in reading:
                one.result(timeout=30)
