"""Finding cassettes, and saying what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.files import document, names
from pytest_runloop.cassettes.files.layout import Cassette, Header
from pytest_runloop.cassettes.playing import words
from pytest_runloop.cli.tables import size
from pytest_runloop.errors import CassetteError

HEAD = ("cassette", "of a", "recorded on", "date", "openai-agents", "runloop-api-client", "calls", "size")
_SUFFIXES = frozenset({".json", ".yaml", ".yml"})
_UNKNOWN = "-"


class NotFound(Exception):
    """Report an argument that leads to no cassette."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Cassettes as rows of a table.

    Attributes:
        damaged: What is wrong with those that can't be read.
    """

    rows: Sequence[Sequence[str]]
    total: str
    damaged: Sequence[str]


def counted(number: int, what: str) -> str:
    """Return ``1 cassette``, ``2 cassettes``."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def files(paths: Iterable[str]) -> list[Path]:
    """Return the cassettes at and below some paths.

    Raises:
        NotFound: One of them is not there.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            found |= dict.fromkeys(below(path))
        elif path.is_file():
            found[path] = None
        else:
            msg = f"{path}: there is no such file or folder; see what there is: pytest-runloop cassettes ls"
            raise NotFound(msg)
    return list(found)


def below(folder: Path) -> Iterator[Path]:
    """Return the cassettes below a folder, but for those in hidden folders."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        places = path.absolute().parts[:-1]
        is_hidden = any(part.startswith(".") for part in inside)
        is_cassette = names.CASSETTES in places and places[-1] != names.BODIES
        if path.suffix in _SUFFIXES and is_cassette and not is_hidden and path.is_file():
            yield path


def one(which: str) -> Path:
    """Return the cassette that a path or a node id means.

    Raises:
        NotFound: There is none.
    """
    is_test = "::" in which
    wanted = Path(names.own(which)) if is_test and not Path(which).exists() else Path(which)
    found = document.find(wanted)
    if found is None:
        record = f"; record it: pytest --runloop-record=once {which}" if is_test else ""
        what = f"{which} has no cassette" if is_test else "there is no such cassette"
        msg = f"{wanted}: {what}{record or '; see what there is: pytest-runloop cassettes ls'}"
        raise NotFound(msg)
    return found


def listed(paths: Iterable[Path]) -> Listed:
    """Return cassettes as rows of a table, and their sum."""
    rows, damaged = [], []
    calls, own, sides = 0, 0, dict[Path, int]()
    for path in paths:
        try:
            cassette = document.read(path)
            beside = {document.bodies_beside(path) / name for name in document.side_files(path)}
        except CassetteError as error:
            damaged.append(str(error))
            continue
        sizes = {side: side.stat().st_size for side in beside}
        sides |= sizes
        own += path.stat().st_size
        calls += len(cassette.exchanges)
        rows.append(_row(path, cassette, path.stat().st_size + sum(sizes.values())))
    total = f"{counted(len(rows), 'cassette')}, {counted(calls, 'call')}, {size(own + sum(sides.values()))}"
    if sides:
        total += f", of it {size(sum(sides.values()))} in {counted(len(sides), 'side file')}"
    return Listed(rows=rows, total=total, damaged=damaged)


def _row(path: Path, cassette: Cassette, count: int) -> Sequence[str]:
    header = cassette.header or Header(what="plain vcrpy")
    said = (header.what, header.target, header.date, *map(header.versions.get, HEAD[4:6]))
    return (str(path), *(text or _UNKNOWN for text in said), str(len(cassette.exchanges)), size(count))


def told(path: Path, cassette: Cassette, *, full: bool) -> list[str]:
    """Return the lines that show a cassette.

    Args:
        path: Its file.
        cassette: What is in it.
        full: With the bodies.
    """
    lines = [str(path), *_of_header(cassette.header), ""]
    width = len(str(len(cassette.exchanges)))
    for number, exchange in enumerate(cassette.exchanges, start=1):
        lines.append(f"{number:>{width}}  {words.of(exchange.request)}  →  {_answer(exchange.response)}")
        if full:
            lines += _bodies(exchange.request, exchange.response)
    return lines


def _of_header(header: Header | None) -> list[str]:
    if header is None:
        return ["  written by plain vcrpy: it does not say for what, where or when"]
    texts = {"of a": header.what, "named": header.name, "recorded": f"on {header.target}, {header.date}"}
    versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
    maps = {"with": versions, **header.keys}
    return [f"  {name:<8}  {text}" for name, text in {**texts, **maps}.items() if text]


def _answer(response: Response | None) -> str:
    if response is None:
        return "none: the client gave up"
    said = _fields(response.content)
    words_of_it = [str(response.status), *_short(said)]
    if not said and response.content:
        words_of_it.append(size(len(response.content)))
    if not response.complete:
        words_of_it.append("(not read to its end)")
    return " ".join(words_of_it)


def _short(said: Mapping[str, object]) -> Iterator[str]:
    if isinstance(said.get("exit_status"), int):
        yield f"exit code {said['exit_status']}"
    elif isinstance(said.get("status"), str):
        yield str(said["status"])
    for name in ("stdout", "stderr", "message"):
        text = said.get(name)
        if isinstance(text, str) and text.strip():
            yield f"{name} `{words.shortened(text, limit=60)}`"


def _fields(content: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _bodies(request: Request, response: Response | None) -> Iterator[str]:
    yield f"    {request.method} {request.path}"
    for mark, content in ((">", request.body), ("<", response.content if response else b"")):
        for line in _shown(content).splitlines():
            yield f"    {mark} {line}"
    yield ""


def _shown(content: bytes) -> str:
    try:
        return json.dumps(json.loads(content), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    return text if "\0" not in text else f"({size(len(content))}, binary)"
