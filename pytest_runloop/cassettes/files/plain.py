"""Recordings in vcrpy's own form: interactions with ``uri``, from its YAML and its JSON, of this and older versions."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.files.foreign import place_of, url_of

_CLIENTS = MappingProxyType(
    {RUNLOOP: re.compile(r"(?:Async)?Runloop/Python\b"), OPENAI: re.compile(r"(?:Async)?OpenAI/")}
)
_DROPPED = frozenset(
    {
        *("connection", "content-encoding", "content-length", "date", "keep-alive", "server", "set-cookie"),
        *("strict-transport-security", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""What says how an answer travelled, and not what it says; cookies are credentials."""

_DEEPEST = 100
"""Far more than any recording needs."""

_PHRASES = MappingProxyType({status.value: status.phrase for status in HTTPStatus})


def to_exchange(interaction: Mapping[str, Any]) -> Exchange:
    """Return what vcrpy calls an interaction.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: It is none.
    """
    sent, answered = interaction["request"], interaction["response"]
    headers = _headers(sent.get("headers") or {})
    return Exchange(request=_request(sent, headers), response=_response(answered))


def from_exchange(exchange: Exchange) -> dict[str, Any]:
    """Return the interaction; vcrpy has no word for a request without an answer, so there must be one."""
    request, response = exchange.request, exchange.response
    if response is None:
        msg = "vcrpy has no word for a request that nobody answered"
        raise ValueError(msg)
    return {
        "request": {
            "method": request.method,
            "uri": url_of(request),
            "body": request.body,
            "headers": {"content-type": [request.content_type]} if request.content_type else {},
        },
        "response": {
            "status": {
                "code": response.status,
                "message": response.reason or _PHRASES.get(response.status, ""),
            },
            "headers": {name: [text] for name, text in response.headers.items()},
            "body": {"string": response.content},
        },
    }


def from_yaml(text: str) -> object:
    """Return the document of a YAML text, which can make nothing but values.

    Raises:
        ValueError: It is no YAML.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a safe loader, with constructors that only make values
    # Its constructors of dates and numbers raise what Python's raise.
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError) as error:
        msg = str(error)
        raise ValueError(msg) from None


def _request(sent: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    host, path = place_of(_text(sent["uri"]))
    client = headers.get("user-agent", "")
    # Whatever the address was: it may have been an emulator's.
    host = next((name for name, agent in _CLIENTS.items() if agent.match(client)), host)
    return Request(
        method=_text(sent["method"]).upper(),
        host=host,
        path=path,
        content_type=headers.get("content-type", ""),
        body=_bytes(sent.get("body")),
    )


def _response(answered: Mapping[str, Any]) -> Response:
    headers = _headers(answered.get("headers") or {})
    if "status_code" in answered:
        # As older versions wrote answers to httpx.
        status, reason, content = answered["status_code"], "", _bytes(answered.get("content"))
    else:
        status, reason = answered["status"]["code"], answered["status"].get("message") or ""
        content = _bytes((answered.get("body") or {}).get("string"))
    if type(status) is not int:
        msg = f"the status {status!r} is no number"
        raise TypeError(msg)
    content = _decoded(content, encoding=headers.get("content-encoding", ""))
    return Response(
        status=status,
        reason="" if reason == _PHRASES.get(status) else _text(reason),
        headers={name: text for name, text in headers.items() if name not in _DROPPED},
        chunks=(content,) if content else (),
    )


def _headers(form: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> dict[str, str]:
    pairs = form.items() if isinstance(form, Mapping) else form
    return {_text(name).lower(): _joined(value) for name, value in pairs}


def _joined(value: object) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, (bytes, str)):
        return value.decode("latin-1") if isinstance(value, bytes) else value
    msg = f"{type(value).__name__} instead of a text"
    raise TypeError(msg)


def _bytes(value: object) -> bytes:
    if value is None or isinstance(value, (bytes, bytearray)):
        return bytes(value or b"")
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Mapping):
        return b"&".join(_bytes(name) + b"=" + _bytes(text) for name, text in value.items())
    if hasattr(value, "read"):
        return _bytes(value.read())
    if isinstance(value, Iterable):
        return b"".join(map(_bytes, value))
    msg = f"{type(value).__name__} instead of a body"
    raise TypeError(msg)


def _decoded(content: bytes, *, encoding: str) -> bytes:
    """Undo the compression that vcrpy stores answers in; a file that was changed by hand may name one it lacks."""
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        if name not in _DECODERS:
            msg = f"its content is compressed as {name}; record with decode_compressed_response=True"
            raise ValueError(msg)
        try:
            content = _DECODERS[name](content)
        except zlib.error:
            return content
    return content


def _gunzip(content: bytes) -> bytes:
    return zlib.decompress(content, zlib.MAX_WBITS | 32)


def _inflate(content: bytes) -> bytes:
    try:
        return zlib.decompress(content)
    except zlib.error:
        return zlib.decompress(content, -zlib.MAX_WBITS)


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {"gzip": _gunzip, "x-gzip": _gunzip, "deflate": _inflate, "identity": bytes}
)


def _loader() -> Any:  # noqa: ANN401 - PyYAML has no types
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("_Loader", (base,), {"depth": 0, "descend_resolver": _descend, "ascend_resolver": _ascend})
    python = "tag:yaml.org,2002:python/"
    for name in ("str", "unicode"):
        loader.add_constructor(f"{python}{name}", lambda self, node: self.construct_scalar(node))
    loader.add_constructor(f"{python}tuple", lambda self, node: self.construct_sequence(node, deep=True))
    # A body that was a file or an iterator; what it held is all that is made of it.
    loader.add_constructor(f"{python}object/new:_io.BytesIO", lambda self, node: _held(self, node, "state"))
    loader.add_constructor(f"{python}object/apply:builtins.iter", lambda self, node: _held(self, node, "args"))
    return loader


def _descend(loader: Any, *_: object) -> None:  # noqa: ANN401 - PyYAML has no types
    """Enter a node; without a bound, PyYAML before 6.0.4 overflows the stack of the process."""
    loader.depth += 1
    if loader.depth > _DEEPEST:
        msg = f"it is nested more than {_DEEPEST} deep"
        raise ValueError(msg)


def _ascend(loader: Any) -> None:  # noqa: ANN401 - PyYAML has no types
    loader.depth -= 1


def _held(loader: Any, node: object, name: str) -> object:  # noqa: ANN401 - PyYAML has no types
    held = loader.construct_mapping(node, deep=True).get(name) or [b""]
    return held[0]
