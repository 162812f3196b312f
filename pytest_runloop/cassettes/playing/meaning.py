"""What a request means: the same in a recording and today, whatever was made up anew in between. Pure.

Method, host, path, query and body decide; headers don't. Two requests mean the same if they differ only in what
``volatile`` knows, in the order of JSON keys and of statuses waited for, in how long a poll is held, and in boundaries,
times and owners in what is uploaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Request
from pytest_runloop.cassettes.playing import contents, uploads
from pytest_runloop.cassettes.playing.volatile import CONTEXTS, NO_RULES, Masking, Rules

__all__ = ["NO_RULES", "Meaning", "Rules", "alias", "of", "route"]

_compact = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode

LONGEST_MASKED = 1 << 18
"""Characters. A longer text is told by its digest."""

_PARK = re.compile(rb'name="path"\r\n\r\n([^\r\n]*)\r\n')
_PARK_WITHIN = 4096
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SNAPSHOT_NAME = re.compile(r"sandbox-([0-9a-f]{12})")
_GENERATED_CACHE_KEY = "agents-sdk:"
_BARE = re.compile(r"true|false|null|-?[0-9][0-9.eE+-]*|\s.*|.*\s|", re.DOTALL)
"""Strings that would read as something else, or as nothing, without quotes."""

_CREATE, _CREATE_AND_AWAIT = "/v1/devboxes", "/v1/devboxes/create_and_await_running"
_ALIASES: Mapping[str, str] = MappingProxyType({_CREATE: _CREATE_AND_AWAIT, _CREATE_AND_AWAIT: _CREATE})


class Meaning:
    """What a request means.

    Attributes:
        key: The same for all requests that mean the same, in one word.
        way: Where it goes, as ``route`` says.
        volatile: What is volatile in it and may come up elsewhere, in order; as many in all that mean the same.
    """

    def __init__(self, head: str, value: object, *, way: str, volatile: tuple[str, ...]) -> None:
        self._head = head
        self._value = value
        self.way = way
        self.volatile = volatile
        said = f"{head}\n{'' if value is None else _compact(value)}"
        self.key = hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @cached_property
    def text(self) -> str:
        """All of it, for people: in lines, those of a script as lines of their own."""
        return "\n".join([self._head, *lines(self._value)])


def of(request: Request, rules: Rules = NO_RULES) -> Meaning:
    """Return what a request means."""
    masking = _masking(request, rules)
    head = _head(request, masking)
    try:
        value = _body(request, masking)
    except RecursionError:
        value = contents.digest(request.body)
    return Meaning(head, value, way=_way(request, head, rules), volatile=tuple(masking.found))


def route(request: Request, rules: Rules = NO_RULES) -> str:
    """Return where a request goes, without looking at much of its body: what means the same goes the same way."""
    return _way(request, _head(request, _masking(request, rules)), rules)


def lines(value: object, *, name: str = "") -> list[str]:
    """Return a value as lines much like YAML's; they are only for people."""
    if isinstance(value, dict) and value:
        return _under(name, [line for one, given in value.items() for line in lines(given, name=f"{one}:")])
    if isinstance(value, list) and value:
        return _under(name, [line for one in value for line in lines(one, name="-")])
    if isinstance(value, str) and "\n" in value:
        return _under(f"{name} |", value.removesuffix("\n").split("\n"))
    shown = value if isinstance(value, str) and not _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return [] if value is None and not name else [f"{name} {shown}".lstrip()]


def _under(name: str, lines: list[str]) -> list[str]:
    return [name, *(f"  {line}" for line in lines)] if name else lines


def alias(request: Request) -> Request | None:
    """Return the same request as another version of the vendor's client would send it; None if all do alike."""
    path = _ALIASES.get(request.path)
    if path is None or request.method != "POST" or request.host != RUNLOOP:
        return None
    return Request(method="POST", host=RUNLOOP, path=path, content_type=request.content_type, body=request.body)


def _masking(request: Request, rules: Rules) -> Masking:
    return Masking(rules, contexts=CONTEXTS if request.host in {RUNLOOP, OPENAI} else ())


def _way(request: Request, head: str, rules: Rules) -> str:
    if not request.content_type.startswith("multipart/"):
        return head
    # Contents of files are long: those that go elsewhere need not be looked at.
    parked = _PARK.search(request.body, 0, _PARK_WITHIN)
    return head if parked is None else f"{head} {_masking(request, rules).text(parked[1].decode('utf-8', 'replace'))}"


def _head(request: Request, masking: Masking) -> str:
    path, mark, query = request.path.partition("?")
    path = masking.text(path)
    if mark:
        path = f"{path}?{'&'.join(sorted(_asked(query, masking)))}"
    where = path if request.host == RUNLOOP else f"{request.host}{path}"
    return f"{request.method} {where}"


def _asked(query: str, masking: Masking) -> list[str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    return [f"{name}={masking.label(_label_of(name), value)}" for name, value in pairs]


def _label_of(name: str) -> str:
    return name[9:-1] if name.startswith("metadata[") and name.endswith("]") else ""


def _body(request: Request, masking: Masking) -> object:
    if not request.body:
        return None
    kind = request.content_type
    if "json" in kind or (not kind and request.body[:1] in b"{["):
        try:
            # Not as ``structure`` reads it: what would be lost there (``1.10``) does not matter here.
            value = json.loads(request.body)
        except ValueError:
            return contents.digest(request.body)
        return _json(value, request, masking)
    if kind.startswith("multipart/"):
        return _masked(_form(request), masking)
    if kind.startswith("application/x-www-form-urlencoded"):
        return _masked(sorted(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)), masking)
    return _masked(contents.described(request.body), masking)


def _json(value: object, request: Request, masking: Masking) -> object:
    if not isinstance(value, dict):
        return None if value is None else _masked(value, masking)
    special = _SPECIAL.get(request.host, {})
    meant = {name: _field(name, given, request, masking, special) for name, given in sorted(value.items())}
    # An empty body, an empty object and none at all are sent for the same by different clients.
    return {name: given for name, given in meant.items() if given is not _LEFT_OUT} or None


def _field(
    name: str,
    value: object,
    request: Request,
    masking: Masking,
    special: Mapping[str, Callable[[Any, Request, Masking], object]],
) -> object:
    read = special.get(name)
    return _masked(value, masking) if read is None else read(value, request, masking)


def _masked(value: object, masking: Masking) -> object:
    if isinstance(value, str):
        # An image, or a file: no context stands in there, and every search takes a millisecond.
        is_long = len(value) > LONGEST_MASKED
        return contents.digest(value.encode("utf-8", "surrogatepass")) if is_long else masking.text(value)
    if isinstance(value, dict):
        return {name: _masked(one, masking) for name, one in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_masked(one, masking) for one in value]
    return value


def _form(request: Request) -> object:
    parts = uploads.parts(request.body, content_type=request.content_type)
    if not parts:
        return contents.digest(request.body)
    said = [(part.name, contents.described(part.content)) for part in parts]
    if request.host != RUNLOOP:
        return [[name, content, part.filename, part.type] for (name, content), part in zip(said, parts, strict=True)]
    return dict(said) if len({name for name, _ in said}) == len(said) else [list(one) for one in said]


_LEFT_OUT = object()


def _timeout(value: object, request: Request, masking: Masking) -> object:
    return _LEFT_OUT if request.path.endswith("/wait_for_status") else _masked(value, masking)


def _statuses(value: object, request: Request, masking: Masking) -> object:
    # The client makes them from a set, whose order is another one in every process.
    is_set = request.path.endswith("/wait_for_status") and isinstance(value, list)
    return sorted(map(str, value)) if isinstance(value, list) and is_set else _masked(value, masking)


def _metadata(value: object, _request: Request, masking: Masking) -> object:
    if not isinstance(value, dict):
        return _masked(value, masking)
    return {
        name: masking.label(name, given) if isinstance(given, str) else _masked(given, masking)
        for name, given in sorted(value.items())
    }


def _name(value: object, request: Request, masking: Masking) -> object:
    name = _SNAPSHOT_NAME.fullmatch(value) if isinstance(value, str) and "/snapshot_disk" in request.path else None
    return _masked(value, masking) if name is None else f"sandbox-{masking.learn(name[1])}"


def _generated_id(value: object, _request: Request, masking: Masking) -> object:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return masking.learn(value)
    return _masked(value, masking)


def _cache_key(value: object, _request: Request, masking: Masking) -> object:
    if isinstance(value, str) and value.startswith(_GENERATED_CACHE_KEY):
        # It is sent to OpenAI itself only, not to another address that stands for it.
        return _LEFT_OUT
    return _masked(value, masking)


_SPECIAL: Mapping[str, Mapping[str, Callable[[Any, Request, Masking], object]]] = MappingProxyType(
    {
        RUNLOOP: {
            "command_id": _generated_id,
            "metadata": _metadata,
            "name": _name,
            "shell_name": _generated_id,
            "statuses": _statuses,
            "timeout_seconds": _timeout,
        },
        OPENAI: {"prompt_cache_key": _cache_key},
    }
)
"""Fields at the top of a body that mean something else than they say."""
