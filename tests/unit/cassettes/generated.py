"""Exchanges of every kind, made up by Hypothesis: what a server, a client or a user might send."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Exchange, Request, Response

JSON = "application/json"

_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_documents = st.builds(
    lambda value, ascii_only, spaces: json.dumps(value, ensure_ascii=ascii_only, indent=spaces).encode(),
    _values,
    st.booleans(),
    st.sampled_from([None, 0, 2]),
)
_ALMOST = (
    b'{"a":1,"a":2}',
    b"[1.10]",
    b"[-0]",
    b"[NaN]",
    b'["\\ud800"]',
    b"\xef\xbb\xbf{}",
    b"9" * 5000,
    b"[" * 90 + b"]" * 90,
)
_almost_json = st.sampled_from([*_ALMOST, b'{"cut', b"1e999", b"null", b" ", b"[1e5]"])
_large = st.sampled_from(
    [b"line\r\n" * 900, b"\0" * 1100, b"x" * 5000, json.dumps(["y" * 50] * 99).encode(), b"\xff" * 2000]
)
bodies = st.binary(max_size=40) | _texts.map(str.encode) | _documents | _almost_json | _large


@st.composite
def multiparts(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a content type and a body as httpx makes them."""
    boundary = draw(st.text("0123456789abcdef", min_size=32, max_size=32))
    lines: list[bytes] = []
    for content in draw(st.lists(bodies, max_size=3)):
        name = draw(st.sampled_from(["path", "file", "é%22"]))
        head = f'Content-Disposition: form-data; name="{name}"'
        head += draw(st.sampled_from(["", '; filename="a.txt"\r\nContent-Type: text/plain', "\r\nX-Other: 1"]))
        lines += [f"--{boundary}\r\n{head}\r\n\r\n".encode(), content, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*lines, f"--{boundary}--\r\n".encode()])


_types = st.sampled_from(
    ["", JSON, "application/octet-stream", "text/plain; charset=utf-8", "application/problem+json"]
)
contents = multiparts() | st.tuples(_types, bodies)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    content_type, body = draw(contents)
    return Request(
        method=draw(st.sampled_from(["GET", "POST", "PUT", "DELETE"])),
        host=draw(st.sampled_from([RUNLOOP, OPENAI, "8000.dbx_1.sandbox", "example.org"])),
        path=draw(st.sampled_from(["/v1/devboxes", "/v1/devboxes?limit=1&metadata%5Ba%5D=b", "/"])),
        content_type=content_type,
        body=body,
    )


@st.composite
def responses(draw: st.DrawFn) -> Response:
    headers = draw(st.dictionaries(st.sampled_from(["x-should-retry", "etag"]), _texts, max_size=2))
    if content_type := draw(_types | st.just("text/event-stream")):
        headers["content-type"] = content_type
    chunks = draw(st.lists(bodies, max_size=3))
    return Response(
        status=draw(st.sampled_from([200, 204, 404, 503, 599])),
        reason=draw(st.sampled_from(["", "Odd"])),
        headers=headers,
        chunks=tuple(chunks),
        complete=draw(st.booleans()),
    )


exchanges = st.builds(Exchange, request=requests(), response=st.none() | responses())
