"""The local index: a directory with a file per prepared sandbox. It saves look-ups, and may vanish at any time."""

from __future__ import annotations

from pathlib import Path

from pytest_runloop.cache import entry as entries
from pytest_runloop.cache.entry import Damaged, Entry
from pytest_runloop.cache.texts import replace_text


class Index:
    """The index in one directory, shared by all processes of this computer that use it."""

    def __init__(self, directory: Path) -> None:
        """Use a directory, which is made when something is written."""
        self._directory = directory

    def read(self, key: str) -> Entry | None:
        """Return what is known of a key, or None.

        Raises:
            Damaged: There is something, and it is of no use; it stays until it is replaced.
        """
        path = self._file(key)
        try:
            return entries.from_text(path.read_text(encoding="utf-8"), key=key)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, Damaged) as error:
            reason = f"{path} is not used: {error}"
            raise Damaged(reason) from error

    def write(self, entry: Entry) -> None:
        """Remember an entry, replacing what was known of its key.

        Raises:
            OSError: Nothing can be written there.
        """
        replace_text(self._file(entry.key), entries.to_text(entry))

    def _file(self, key: str) -> Path:
        return self._directory / f"{key}.json"
