"""Requests as a person would say them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Request
from pytest_runloop.cassettes.playing import commandline, uploads
from pytest_runloop.sandbox import labels

LONGEST = 100
_LONG_BODY = 1 << 18
_SAID_MODEL = re.compile(rb'"model": ?"([\w.:/-]+)"')


@dataclass(frozen=True)
class Phrase:
    """A request in three parts: what is done, with what exactly, and where."""

    call: str
    detail: str = ""
    place: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.call, self.detail, self.place)))


def of(request: Request) -> str:
    """Return a request in words."""
    return str(phrase(request))


def kind(request: Request) -> str:
    """Return what a request is one of several of: calls alike, at one place; empty for the SDK's own doings."""
    command = command_of(request)
    if command:
        return f"exec {request.path}" if commandline.is_written_by_somebody(command) else ""
    said = phrase(request)
    return f"{said.call} {said.place}"


def numbered(request: Request, number: int) -> str:
    """Return a request as one of several of its kind: ``exec #3 in devbox …``."""
    said = phrase(request)
    if not kind(request):
        return str(said)
    if " " not in said.call:
        return " ".join(filter(None, (said.call, f"#{number}", said.place)))
    return str(said) if number == 1 else f"{said} (no. {number})"


def phrase(request: Request) -> Phrase:
    path = unquote(request.path.partition("?")[0])
    if request.host == OPENAI:
        return _model(request, path)
    if request.host != RUNLOOP:
        return _port(request, path)
    for method, pattern, say in _ROUTES:
        if method in {request.method, "*"} and (match := pattern.fullmatch(path)):
            return say(request, match)
    return Phrase(f"{request.method} {path}")


def shortened(text: str, *, limit: int = LONGEST) -> str:
    """Return the first line of a text, cut to a length."""
    line, more, _ = text.strip().partition("\n")
    return line if len(line) <= limit and not more else f"{line[:limit].rstrip()} …"


def fields(request: Request) -> Mapping[str, object]:
    """Return the fields of a JSON body; of any other none, of a very long one only what is said first."""
    if len(request.body) > _LONG_BODY:
        model = _SAID_MODEL.search(request.body, 0, _LONG_BODY)
        return {"model": model[1].decode()} if model else {}
    try:
        value = json.loads(request.body) if request.body else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def command_of(request: Request) -> str:
    """Return the command a request runs; empty if it runs none."""
    command = fields(request).get("command") if request.host == RUNLOOP and "/execute" in request.path else None
    return command if isinstance(command, str) else ""


def _exec(request: Request, match: re.Match[str]) -> Phrase:
    place = f"in devbox {match[1]}"
    command = command_of(request)
    if not command:
        return Phrase("exec", f"a command of {_bytes(len(request.body))}", place)
    plumbing = commandline.plumbing(command)
    if plumbing is not None:
        return Phrase(plumbing, place=place)
    return Phrase("exec", f"`{shortened(commandline.shown(command))}`", place)


def _upload(request: Request, match: re.Match[str]) -> Phrase:
    parts = {part.name: part for part in uploads.parts(request.body, content_type=request.content_type)}
    path = parts["path"].content.decode("utf-8", "replace") if "path" in parts else "a file"
    size = parts["file"].end - parts["file"].start if "file" in parts else 0
    return Phrase("upload", f"{path} ({_bytes(size)})", f"to devbox {match[1]}")


def _file(call: str, preposition: str) -> Callable[[Request, re.Match[str]], Phrase]:
    def say(request: Request, match: re.Match[str]) -> Phrase:
        given = fields(request)
        return Phrase(call, str(given.get("path") or given.get("file_path") or ""), f"{preposition} devbox {match[1]}")

    return say


def _create(request: Request, _match: re.Match[str]) -> Phrase:
    given = fields(request)
    said = [f"{word} {given[name]}" for name, word in _CREATED_WITH.items() if given.get(name)]
    return Phrase("create a devbox", " ".join(said))


_CREATED_WITH: Mapping[str, str] = MappingProxyType(
    {"name": "named", "snapshot_id": "from disk snapshot", "blueprint_name": "from blueprint", "blueprint_id": "from"}
)


def _await(request: Request, match: re.Match[str]) -> Phrase:
    statuses = fields(request).get("statuses")
    wanted = " or ".join(map(str, sorted(statuses))) if isinstance(statuses, list) else "ready"
    return Phrase(f"wait for devbox {match[1]} to be {wanted}")


def _list(request: Request, match: re.Match[str]) -> Phrase:
    asked = parse_qsl(request.path.partition("?")[2])
    what = match[1].replace("_", " ")
    if key := dict(asked).get(f"metadata[{labels.KEY}]"):
        # The other labels say whose it may be.
        return Phrase(f"look for {what}", f"prepared under key {key}")
    return Phrase(f"list {what}", f"with {', '.join(f'{name}={value}' for name, value in asked)}" if asked else "")


def _named(text: str) -> Callable[[Request, re.Match[str]], Phrase]:
    def say(request: Request, match: re.Match[str]) -> Phrase:
        return Phrase(text.format(*match.groups(), name=fields(request).get("name", "")).rstrip())

    return say


def _model(request: Request, path: str) -> Phrase:
    given = fields(request)
    model = given.get("model")
    if not isinstance(model, str):
        return Phrase(f"{request.method} {path}", place="at the model's API")
    for name, what in (("input", "input item"), ("messages", "message")):
        items = given.get(name)
        if isinstance(items, list):
            return Phrase(f"ask the model {model}", f"({len(items)} {what}{'s' * (len(items) != 1)})")
        if isinstance(items, str):
            return Phrase(f"ask the model {model}", f"`{shortened(items, limit=60)}`")
    return Phrase(f"ask the model {model}")


def _port(request: Request, path: str) -> Phrase:
    port = re.fullmatch(r"(\d+)\.(.+)\.sandbox", request.host)
    place = f"at port {port[1]} of devbox {port[2]}" if port else f"at {request.host}"
    return Phrase(f"{request.method} {path}", place=place)


def _bytes(size: int) -> str:
    return f"{size:,} byte{'s' * (size != 1)}"


_DEVBOX = r"/v1/devboxes/([^/]+)"
_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[[Request, re.Match[str]], Phrase]], ...] = tuple(
    (method, re.compile(pattern), say)
    for method, pattern, say in (
        ("POST", f"{_DEVBOX}/execute(?:_async|_sync)?", _exec),
        ("POST", f"{_DEVBOX}/upload_file", _upload),
        ("POST", f"{_DEVBOX}/download_file", _file("download", "from")),
        ("POST", f"{_DEVBOX}/read_file_contents", _file("read", "in")),
        ("POST", f"{_DEVBOX}/write_file_contents", _file("write", "in")),
        ("POST", "/v1/devboxes(?:/create_and_await_running)?", _create),
        ("POST", f"{_DEVBOX}/executions/[^/]+/wait_for_status", _named("wait for a command to end in devbox {0}")),
        ("GET", f"{_DEVBOX}/executions/[^/]+", _named("ask whether a command has ended in devbox {0}")),
        ("POST", f"{_DEVBOX}/executions/[^/]+/kill", _named("kill a command in devbox {0}")),
        ("GET", f"{_DEVBOX}/executions/[^/]+/stream_(stdout|stderr)_updates", _named("stream {1} from devbox {0}")),
        ("POST", f"{_DEVBOX}/wait_for_status", _await),
        ("POST", f"{_DEVBOX}/(suspend|resume)", _named("{1} devbox {0}")),
        ("POST", f"{_DEVBOX}/shutdown", _named("shut down devbox {0}")),
        ("POST", f"{_DEVBOX}/snapshot_disk(?:_async)?", _named("snapshot the disk of devbox {0}")),
        ("POST", f"{_DEVBOX}/enable_tunnel", _named("open a tunnel to devbox {0}")),
        ("GET", "/v1/devboxes/disk_snapshots/([^/]+)/status", _named("ask how far disk snapshot {0} is")),
        ("POST", "/v1/devboxes/disk_snapshots/([^/]+)/delete", _named("delete disk snapshot {0}")),
        ("GET", "/v1/devboxes/(disk_snapshots)", _list),
        ("GET", "/v1/(devboxes|blueprints|secrets)", _list),
        ("GET", _DEVBOX, _named("ask for the status of devbox {0}")),
        ("POST", _DEVBOX, _named("change the metadata of devbox {0}")),
        ("POST", "/v1/blueprints", _named("build blueprint {name}")),
        ("GET", "/v1/blueprints/([^/]+)", _named("ask how far blueprint {0} is")),
        ("POST", "/v1/blueprints/([^/]+)/delete", _named("delete blueprint {0}")),
        ("POST", "/v1/secrets", _named("make secret {name}")),
        ("POST", "/v1/secrets/([^/]+)", _named("set secret {0}")),
        ("POST", "/_emulator/devboxes/([^/]+)/ports/([^/]+)", _named("open port {1} of devbox {0}")),
    )
)
