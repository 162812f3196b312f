"""A process for the tests of leases: it holds one, again and again, and checks that nobody else does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_runloop.cache.lease import Waiter, hold


def main(lock: Path, rounds: int) -> int:
    """Hold the lease so many times; return how often somebody else held it too."""
    witness, count = lock.with_suffix(".witness"), lock.with_suffix(".count")
    intruders = 0
    for _ in range(rounds):
        with hold(lock, Waiter()):
            try:
                # Fails if the file exists: the operating system's own check, independent of locks.
                os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                intruders += 1
                continue
            # Read, then write: a second holder would lose a count.
            count.write_text(str(int(count.read_text()) + 1))
            witness.unlink()
    return intruders


if __name__ == "__main__":
    sys.exit(min(100, main(Path(sys.argv[1]), int(sys.argv[2]))))
