"""Taking secrets out of recordings that exist already."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_runloop.cassettes.exchange import Exchange
from pytest_runloop.cassettes.files import atomic, document, layout
from pytest_runloop.cassettes.files.bodies import Aside
from pytest_runloop.cassettes.files.layout import Cassette
from pytest_runloop.cassettes.files.names import SUFFIX
from pytest_runloop.cassettes.playing import words
from pytest_runloop.cassettes.secrets.known import PLACEHOLDER
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cli.shelves import NotFound, below
from pytest_runloop.errors import CassetteError


class Scrub:
    """What is taken out.

    Args:
        secrets: Names of variables that hold secrets, beside those whose names say so.

    Raises:
        NotFound: One of them is not set.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        for name in secrets:
            if not os.environ.get(name):
                msg = f"--secret {name}: there is no such variable; set it to the value that is to be taken out"
                raise NotFound(msg)
        self._scrubber = Scrubber(os.environ, {name: os.environ[name] for name in secrets})

    def file(self, path: Path, *, write: bool) -> list[str]:
        """Take secrets out of a file, and return what was done, in words.

        Args:
            path: The file.
            write: Whether it is to be changed.

        Raises:
            CassetteError: It can't be read, or a secret would be left in it; it is as it was.
        """
        old = document.read(path)
        scrubber = self._scrubber.scoped()
        new = Cassette(header=old.header, exchanges=scrubber.exchanges(old.exchanges))
        said = [f"{path}: {line}" for line in _changes(old, new)]
        if old.header is None:
            said.append(f"{path}: written in the format of this plugin, which has no headers of requests")
        if said:
            aside = Aside()
            text = layout.to_text(new, aside)
            for content in (text, *aside.files.values()):
                _check(path, scrubber.leaks(content))
            if write:
                _replace(path, text, aside)
        return said


def _changes(old: Cassette, new: Cassette) -> Iterator[str]:
    for number, (before, after) in enumerate(zip(old.exchanges, new.exchanges, strict=True), start=1):
        if before != after:
            found = ", ".join(_placeholders(after) - _placeholders(before)) or "a secret in another spelling"
            yield f"call {number}, {words.of(after.request)}: {found}"


def _placeholders(exchange: Exchange) -> Counter[str]:
    content = exchange.response.content + repr(exchange.response.headers).encode() if exchange.response else b""
    whole = b"\n".join([exchange.request.path.encode(), exchange.request.body, content])
    return Counter(PLACEHOLDER.findall(whole.decode("utf-8", "replace")))


def _check(path: Path, leaks: Sequence[str]) -> None:
    if leaks:
        msg = f"{path}: {', '.join(leaks)} can't be taken out, so it was left as it is; delete it, and record again"
        raise CassetteError(msg)


def _replace(path: Path, text: bytes, aside: Aside) -> None:
    needed = document.side_files(path)
    directory = document.bodies_beside(path)
    document.put_aside(aside.files, directory)
    atomic.replace(path.with_suffix(SUFFIX), text)
    if path.suffix != SUFFIX:
        path.unlink()
    others = {name for other in below(directory.parent) for name in _needed(other)}
    for name in needed - others:
        (directory / name).unlink(missing_ok=True)


def _needed(path: Path) -> set[str]:
    try:
        return document.side_files(path)
    except CassetteError:
        return set()
