"""Takes secrets out of what is recorded and out of what is looked up, and puts them back into answers. Pure.

The same function changes what is written and what a replay looks up: what stood where a secret's name stands never
matters, and what else is known to be secret is replaced wherever it appears, in every usual spelling.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import unquote

from pytest_runloop.cassettes.exchange import RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.secrets import events, packed, searching, tars
from pytest_runloop.cassettes.secrets.fields import Fields, texts_changed
from pytest_runloop.cassettes.secrets.forms import encoded, unview, view
from pytest_runloop.cassettes.secrets.known import MIN_TELLING, Known, Source, is_secret_name, is_strong
from pytest_runloop.cassettes.secrets.places import Places, may_hold_places, one_quoting, patterns

_NONE: Mapping[str, str] = {}
_PASSWORD_IN_URL = re.compile(r"://[^/@:\s]*:([^/@\s]+)@")
_HEADER_LINE = re.compile(r"[\w-]+:\s*(?:Bearer\s+|Basic\s+)?(\S+)", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"


class Scrubber:
    """What is secret in this process, and what is done about it. Safe to use from several threads.

    Args:
        environ: Variables with names of secrets are secrets, if their values can't appear by chance.
        extra: Further secrets by name, as the user told them.
    """

    def __init__(self, environ: Mapping[str, str], extra: Mapping[str, str] = _NONE) -> None:
        self._shared = self._own = Known()
        self._lock = threading.Lock()
        self._built: tuple[tuple[int, int], searching.Index] | None = None
        for name, value in sorted(environ.items()):
            self._know_variable(name, value)
        for name, value in sorted(extra.items()):
            # Whoever names a secret means it, even if it is a plain word.
            self._shared.add(name, value, Source.TOLD, if_worth=lambda text: len(text) >= MIN_TELLING)

    def _know_variable(self, name: str, value: str) -> None:
        if is_secret_name(name):
            self._shared.add(name, value, Source.ENVIRONMENT, if_worth=is_strong)
        elif found := _PASSWORD_IN_URL.search(value):
            self._shared.add(name, unquote(found[1]), Source.ENVIRONMENT, if_worth=is_strong)
        elif name.endswith("_CUSTOM_HEADERS"):
            for header in _HEADER_LINE.finditer(value):
                self._shared.add(name, header[1], Source.ENVIRONMENT, if_worth=is_strong)

    def scoped(self) -> Scrubber:
        """Return a scrubber for one cassette: what it learns that is less than unmistakable stays its own.

        Without this, a plain value that one test calls secret would change what is recorded of the next one, which
        then would not replay alone.
        """
        scope = Scrubber(_NONE)
        scope._shared, scope._lock = self._shared, self._lock
        return scope

    def know(self, name: str, value: str) -> None:
        """Learn of a secret: a key of an API, a managed secret."""
        with self._lock:
            self._shared.add(name, value, Source.TOLD)

    def learn_value(self, name: str, value: str) -> None:
        """Learn of a secret that another cassette shows, and this one may mention."""
        self._add(name, value, Source.TOLD)

    def exchanges(self, exchanges: Iterable[Exchange]) -> tuple[Exchange, ...]:
        """Return all exchanges of a cassette with placeholders: a later one may show what is secret in an earlier."""
        first = [(exchange, self._version, self.exchange(exchange)) for exchange in exchanges]
        now = self._version
        return tuple(done if version == now else self.exchange(exchange) for exchange, version, done in first)

    def request(self, request: Request) -> Request:
        """Return a request with placeholders, having learned what it shows to be secret."""
        body = self._scrubbed(request, request.body, is_answer=False)
        path = self._path(request.path)
        index = self._index()
        host = index.hidden(request.host) if index.touches(request.host) else request.host
        if body is request.body and (path, host) == (request.path, request.host):
            return request
        return dataclasses.replace(request, body=body, path=path, host=host)

    def exchange(self, exchange: Exchange) -> Exchange:
        """Return an exchange with placeholders, having learned what it shows to be secret."""
        request = self.request(exchange.request)
        response = exchange.response
        if response is not None:
            response = self._response(exchange.request, response)
        if request is exchange.request and response is exchange.response:
            return exchange
        return dataclasses.replace(exchange, request=request, response=response)

    def restored(self, response: Response) -> Response:
        """Return an answer with today's values, as far as they are known; other placeholders stay."""

        def back(text: str) -> str:
            return tars.changed(text, lambda part: searching.restored(part, self._today))

        headers = response.headers
        if any("secret" in value for value in headers.values()):
            headers = {name: unview(back(view(value))) for name, value in headers.items()}
        chunks = _in_chunks(response.chunks, back)
        if chunks is response.chunks and headers == response.headers:
            return response
        return dataclasses.replace(response, headers=headers, chunks=chunks)

    def text(self, text: str) -> str:
        """Return a message or a report without secrets."""
        seen = view(text)
        places = self._places(Source.FOUND)
        hidden = self._index().hidden(seen)
        self._learn_patterns(hidden)
        return unview(self._index().hidden(places.masked(hidden)))

    def description(self, text: str) -> str:
        """Return a description of a sandbox, JSON, without secrets: as in a request, their names decide."""
        described = Request(method="POST", host=RUNLOOP, path="", body=encoded(text))
        # In a scope of its own: nothing of it may change what is recorded of others.
        return json.dumps(self.scoped()._json_body(described, json.loads(text), is_answer=False))  # noqa: SLF001 - another of this class

    def leaks(self, data: bytes) -> list[str]:
        """Return the names of the secrets that are in a finished file, in whatever spelling; never a value."""
        index, seen = self._index(), data.decode("latin-1")
        names = {*index.found(seen), *(name for name, _ in patterns(seen))}
        for content in packed.contents(data):
            names.update(index.found(content.decode("latin-1")))
        return sorted(names)

    def _response(self, request: Request, response: Response) -> Response:
        def hide(text: str) -> str:
            body = text.encode("latin-1")
            new = self._scrubbed(request, body, is_answer=True)
            return text if new is body else new.decode("latin-1")

        headers = {name: self.text(value) for name, value in response.headers.items()}
        chunks = _in_chunks(response.chunks, hide)
        if chunks is response.chunks and headers == response.headers:
            return response
        return dataclasses.replace(response, headers=headers, chunks=chunks)

    def _scrubbed(self, request: Request, body: bytes, *, is_answer: bool) -> bytes:
        seen = body.decode("latin-1")
        index = self._index()
        touched = index.touches(seen)
        telling = "/v1/secrets" in request.path or may_hold_places(seen) or bool(patterns(seen))
        if not (touched or telling or "secret" in seen or events.is_stream(seen)):
            return body
        parsed = _json(seen)
        if parsed is None:
            vain = None if touched else index
            new = tars.changed(seen, lambda part: self._text_body(request, part, is_answer=is_answer, vain=vain))
            return body if new == seen else new.encode("latin-1")
        changed = self._json_body(request, parsed, is_answer=is_answer)
        if changed == parsed:
            return body
        return encoded(json.dumps(changed, ensure_ascii=False, separators=(",", ":")))

    def _json_body(self, request: Request, body: object, *, is_answer: bool) -> object:
        if is_answer:
            body = texts_changed(body, self._index().hidden)
        places = self._places(Source.FOUND if is_answer else Source.SHOWN)
        body = Fields(places=places, request=request, is_answer=is_answer).masked(body)
        texts_changed(body, self._learn_patterns)
        if is_answer:
            return texts_changed(body, self._last(is_answer=True))
        return texts_changed(body, self._last(is_answer=False), command=self._last_of_command)

    def _text_body(self, request: Request, text: str, *, is_answer: bool, vain: searching.Index | None) -> str:
        """Return a text with placeholders; *vain* has been looked for in all of it, in vain."""
        if is_answer and self._index() is not vain:
            text = self._index().hidden(text)
        before = text
        places = self._places(Source.FOUND if is_answer else Source.SHOWN)
        if _FORM in request.content_type and not is_answer:
            text = dataclasses.replace(places, sure=True).masked(f"&{text}")[1:]
        elif "\0" not in text[:8192]:
            text = places.masked(text)
        self._learn_patterns(text)
        last = self._last(is_answer=is_answer)
        if text != before or self._index() is not vain or "secret" in text:
            text = last(text)
        return events.whole(text, last) if events.is_stream(text) else text

    def _last(self, *, is_answer: bool) -> Callable[[str], str]:
        hidden = self._index().hidden
        return hidden if is_answer else lambda text: searching.one_spelling(hidden(text))

    def _last_of_command(self, text: str) -> str:
        return one_quoting(self._last(is_answer=False)(text))

    def _path(self, path: str) -> str:
        if "=" in path or "@" in path:
            path = self._places(Source.SHOWN, sure=True).masked(path)
        index = self._index()
        return searching.one_spelling(index.hidden(path) if index.touches(path) else path)

    def _places(self, source: Source, *, sure: bool = False) -> Places:
        def show(name: str, value: str) -> None:
            self._add(name, unview(value), source)

        def end(text: str, start: int) -> int:
            return self._index().end(text, start)

        return Places(show=show, end=end, sure=sure)

    def _learn_patterns(self, text: str) -> str:
        for name, value in patterns(text):
            self._add(name, unview(value), Source.FOUND)
        return text

    def _add(self, name: str, value: str, source: Source) -> None:
        with self._lock:
            self._own.add(name, value, source)
            if self._own is not self._shared and is_strong(value.strip()):
                self._shared.add(name, value, Source.ELSEWHERE)

    def _today(self, name: str) -> str | None:
        return self._own.today(name) or self._shared.today(name)

    @property
    def _version(self) -> tuple[int, int]:
        return self._own.version, self._shared.version

    def _index(self) -> searching.Index:
        version, built = self._version, self._built
        if built is None or built[0] != version:
            with self._lock:
                built = self._built = (version, searching.index(self._own, self._shared))
        return built[1]


def _json(text: str) -> object | None:
    if text[:1] not in ("{", "[", '"') and text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        parsed: object = json.loads(unview(text))
    except (ValueError, RecursionError):
        return None
    return parsed


def _in_chunks(chunks: Sequence[bytes], change: Callable[[str], str]) -> Sequence[bytes]:
    """Return content changed, in the same pieces if what was changed lies within them."""
    whole = b"".join(chunks).decode("latin-1")
    new = change(whole)
    if new == whole:
        return chunks
    if len(chunks) > 1:
        each = [change(chunk.decode("latin-1")) for chunk in chunks]
        pieces = each if "".join(each) == new else events.split(new)
        return tuple(piece.encode("latin-1") for piece in pieces)
    return (new.encode("latin-1"),)
