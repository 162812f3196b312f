"""A cassette as the text of its file. Pure: the files beside it are handed in and out.

Whatever can be left out is: what is said here is what would differ from the usual.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType

from pytest_runloop.cassettes.exchange import RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.files import bodies, plain
from pytest_runloop.cassettes.files.bodies import Aside, Form, Load, checked

VERSION = 1
"""Of the file format. vcrpy's own files say 1 too."""

_TYPE = "content-type"
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_PHRASES = MappingProxyType({status.value: status.phrase for status in HTTPStatus})
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)
"""What taking apart a document of another shape ends in; a check before every step would double the time to load."""

_AGAIN = "record it again with --runloop-record=all, or take it back from version control"
_UPGRADE = "upgrade pytest-runloop, or record it again with --runloop-record=all"


class Damaged(ValueError):
    """Report a text that is no cassette.

    Attributes:
        remedy: What to do about it.
    """

    def __init__(self, reason: str, *, remedy: str = _AGAIN) -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a cassette says about itself.

    Attributes:
        what: Whose it is: ``test``, ``shared`` or ``prepared``.
        name: Of the test or the sandbox.
        target: Where it was recorded: ``live`` or ``emulator``.
        date: When, as ISO 8601.
        versions: Of what recorded it.
        keys: What else it was recorded for, such as the key of a spec.
    """

    what: str = ""
    name: str = ""
    target: str = ""
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cassette:
    """A recording.

    Attributes:
        header: None if it is not of ours.
        exchanges: In the order in which they were asked for.
    """

    header: Header | None = None
    exchanges: tuple[Exchange, ...] = ()


def to_text(cassette: Cassette, aside: Aside) -> bytes:
    """Return the content of a cassette's file; what is to lie beside it goes to *aside*."""
    header = {} if cassette.header is None else {"recorded": _of_header(cassette.header)}
    interactions = [_of_exchange(exchange, aside) for exchange in cassette.exchanges]
    return dumped({"version": VERSION, **header, "interactions": interactions})


def dumped(document: Mapping[str, object]) -> bytes:
    """Return the text of a document, readable, ending with a line's end."""
    try:
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
    except UnicodeEncodeError:
        # A node id may hold half of a surrogate pair, which has no bytes.
        return json.dumps(document, indent=1).encode() + b"\n"


def parsed(text: str) -> Mapping[str, object]:
    """Return the document that a text holds.

    Raises:
        Damaged: None of this version.
    """
    try:
        document = json.loads(text)
    except _BROKEN as error:
        reason = f"it is cut off, or no JSON ({error})"
        raise Damaged(reason) from None
    return supported(document)


def supported(document: object) -> Mapping[str, object]:
    """Return a document as it came.

    Raises:
        Damaged: It is not one that this version can read.
    """
    if not isinstance(document, dict) or not isinstance(document.get("interactions"), list):
        reason = "it holds no recording"
        raise Damaged(reason)
    version = document.get("version")
    if type(version) is int and version > VERSION:
        reason = f"it was written by a newer pytest-runloop (format {version}; this one reads {VERSION})"
        raise Damaged(reason, remedy=_UPGRADE)
    if version != VERSION or type(version) is not int:
        reason = f"its format is {version!r}, not {VERSION}"
        raise Damaged(reason)
    return document


def to_cassette(document: Mapping[str, object], *, load: Load) -> Cassette:
    """Return the recording that a document holds, be it of ours or one that vcrpy wrote.

    Raises:
        Damaged: It is of another shape.
    """
    header = None
    try:
        if "recorded" in document:
            header = _to_header(checked(document["recorded"], dict))
    except _BROKEN as error:
        reason = f"its header can't be read ({_words(error)})"
        raise Damaged(reason) from None
    return Cassette(header=header, exchanges=tuple(_exchanges(document, load=load)))


def side_files(document: Mapping[str, object]) -> set[str]:
    """Return the names of the files that a document needs beside it."""
    interactions = checked(document["interactions"], list)
    forms = [form for interaction in interactions for form in interaction.values() if isinstance(form, dict)]
    try:
        return {name for form in forms for name in bodies.files_of(form)}
    except _BROKEN as error:
        reason = f"its bodies can't be read ({_words(error)})"
        raise Damaged(reason) from None


def _exchanges(document: Mapping[str, object], *, load: Load) -> Iterator[Exchange]:
    for number, interaction in enumerate(checked(document["interactions"], list), start=1):
        try:
            is_plain = "uri" in interaction["request"]
            exchange = plain.to_exchange(interaction) if is_plain else _to_exchange(interaction, load=load)
        except Damaged:
            raise
        except _BROKEN as error:
            reason = f"interaction {number} can't be read ({_words(error)})"
            raise Damaged(reason) from None
        yield exchange


def _words(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__


def _of_header(header: Header) -> dict[str, object]:
    texts = {"what": header.what, "name": header.name, "target": header.target, "date": header.date}
    maps = {"versions": header.versions, "keys": header.keys}
    return {
        **{name: text for name, text in texts.items() if text},
        **{name: dict(sorted(values.items())) for name, values in maps.items() if values},
    }


def _to_header(form: Form) -> Header:
    texts = {name: checked(form[name], str) for name in ("what", "name", "target", "date") if name in form}
    maps = {name: _texts(form[name]) for name in ("versions", "keys") if name in form}
    return Header(**texts, **maps)  # type: ignore[arg-type] # the fields have the names of the form


def _of_exchange(exchange: Exchange, aside: Aside) -> Form:
    form: Form = {"request": _of_request(exchange.request, aside)}
    if exchange.response is not None:
        form["response"] = _of_response(exchange.response, aside)
    return form


def _to_exchange(form: Mapping[str, object], *, load: Load) -> Exchange:
    request = _to_request(checked(form["request"], dict), load=load)
    if "response" not in form:
        return Exchange(request=request, response=None)
    return Exchange(request=request, response=_to_response(checked(form["response"], dict), load=load))


def _of_request(request: Request, aside: Aside) -> Form:
    body = bodies.of_request(request.body, content_type=request.content_type, aside=aside)
    form: Form = {"method": request.method}
    if request.host != RUNLOOP:
        form["host"] = request.host
    form["path"] = request.path
    implied = _implied(request.method, body)
    # The boundary in the type is made up anew by every request.
    if request.content_type != implied and "parts" not in body:
        form["type"] = request.content_type
    return form | body


def _to_request(form: Form, *, load: Load) -> Request:
    method = checked(form["method"], str)
    return Request(
        method=method,
        host=checked(form.get("host", RUNLOOP), str),
        path=checked(form["path"], str),
        content_type=checked(form["type"], str) if "type" in form else _implied(method, form),
        body=bodies.to_body(form, load=load),
    )


def _implied(method: str, form: Mapping[str, object]) -> str:
    if form.keys() & _BODIES:
        return bodies.implied_type(form)
    # Runloop's clients say it of every request that could have a body.
    return "" if method in _WITHOUT_BODY else "application/json"


_BODIES = frozenset({"json", "text", "base64", "file", "parts"})


def _of_response(response: Response, aside: Aside) -> Form:
    headers = dict(sorted(response.headers.items()))
    content = bodies.of_response(response.chunks, content_type=headers.get(_TYPE, ""), aside=aside)
    if headers.get(_TYPE) and headers[_TYPE] == bodies.implied_type(content):
        del headers[_TYPE]
    form: Form = {"status": response.status}
    if response.reason not in {"", _PHRASES.get(response.status)}:
        form["reason"] = response.reason
    if headers:
        form["headers"] = headers
    form |= content
    if not response.complete:
        form["complete"] = False
    return form


def _to_response(form: Form, *, load: Load) -> Response:
    headers = _texts(form["headers"]) if "headers" in form else {}
    implied = bodies.implied_type(form)
    if implied and _TYPE not in headers:
        headers[_TYPE] = implied
    return Response(
        status=checked(form["status"], int),
        reason=checked(form.get("reason", ""), str),
        headers=headers,
        chunks=bodies.to_chunks(form, load=load),
        complete=checked(form.get("complete", True), bool),
    )


def _texts(form: object) -> dict[str, str]:
    return {checked(name, str): checked(text, str) for name, text in checked(form, dict).items()}
