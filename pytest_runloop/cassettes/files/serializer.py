"""What lets plain vcrpy read and write cassettes of ours: ``my_vcr.register_serializer("runloop", …)``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_runloop.cassettes.exchange import Exchange
from pytest_runloop.cassettes.files import document, layout, plain
from pytest_runloop.cassettes.files.bodies import Aside
from pytest_runloop.cassettes.files.foreign import url_of
from pytest_runloop.cassettes.files.layout import Cassette, Damaged
from pytest_runloop.cassettes.files.names import BODIES
from pytest_runloop.errors import CassetteError

_METADATA = "metadata"
_TYPE = "content-type"
_SCHEME, _HTTP, _HTTPS = "scheme", "http", "https"
_BODY = "body"
"""Beside what we write ourselves: only vcrpy tells http from https, and no body from an empty one."""


class CassetteSerializer:
    """A serializer for vcrpy.

    What it writes has no header, and of a request's headers only the content type. What it reads leaves out requests
    that nobody answered, since vcrpy has no word for them.
    """

    def __init__(self, directory: Path) -> None:
        """Use the directory of a cassette, or that of all of them, whose ``bodies`` they share."""
        self._bodies = document.bodies_beside(Path(directory) / BODIES)

    def serialize(self, cassette_dict: Mapping[str, Any]) -> str:
        """Return the text of what vcrpy recorded."""
        aside = Aside()
        interactions = [_without_headers(interaction) for interaction in cassette_dict["interactions"]]
        exchanges = tuple(map(plain.to_exchange, interactions))
        written: dict[str, Any] = dict(layout.parsed(layout.to_text(Cassette(exchanges=exchanges), aside).decode()))
        document.put_aside(aside.files, self._bodies)
        for form, interaction, exchange in zip(written["interactions"], interactions, exchanges, strict=True):
            form["request"] |= _only_vcrpys(interaction["request"], exchange)
        if cassette_dict.get(_METADATA):
            written[_METADATA] = cassette_dict[_METADATA]
        return layout.dumped(written).decode()

    def deserialize(self, cassette_string: str) -> dict[str, Any]:
        """Return what vcrpy expects of a text.

        Raises:
            CassetteError: It is no cassette of ours.
        """
        try:
            found: Mapping[str, Any] = layout.parsed(cassette_string)
            cassette = layout.to_cassette(found, load=document.load_from(self._bodies))
        except Damaged as error:
            msg = f"a cassette for {self._bodies.parent}: {error}; {error.remedy}"
            raise CassetteError(msg) from None
        forms = zip(found["interactions"], cassette.exchanges, strict=True)
        known = [_interaction(form, exchange) for form, exchange in forms if exchange.response is not None]
        return {"version": 1, "interactions": known, _METADATA: found.get(_METADATA)}


def _without_headers(interaction: Mapping[str, Any]) -> dict[str, Any]:
    request = interaction["request"]
    kept = {name: value for name, value in (request.get("headers") or {}).items() if name.lower() == _TYPE}
    body = request.get(_BODY)
    # vcrpy hands on what the client gave: a file or an iterator, which can be read once.
    if body is not None and not isinstance(body, (str, bytes, Mapping)):
        body = body.read() if hasattr(body, "read") else list(body)
    return {**interaction, "request": {**request, "headers": kept, _BODY: body}}


def _only_vcrpys(request: Mapping[str, Any], exchange: Exchange) -> dict[str, Any]:
    scheme = str(request["uri"]).partition(":")[0]
    usual = url_of(exchange.request).partition(":")[0]
    return {
        **({_SCHEME: scheme} if scheme != usual else {}),
        **({_BODY: None} if request[_BODY] is None else {}),
    }


def _interaction(form: Mapping[str, Any], exchange: Exchange) -> dict[str, Any]:
    interaction = plain.from_exchange(exchange)
    request = interaction["request"]
    sent = form["request"]
    if "uri" not in sent and sent.get(_SCHEME) in {_HTTP, _HTTPS}:
        request["uri"] = sent[_SCHEME] + request["uri"][request["uri"].index(":") :]
    if _BODY in sent and sent[_BODY] is None:
        request[_BODY] = None
    return interaction
