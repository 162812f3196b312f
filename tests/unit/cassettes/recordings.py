"""Recordings of commands, as tests write and read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.files.document import Cassette, Header

JSON = {"content-type": "application/json"}
HEADER = Header(
    what="test",
    name="tests/test_a.py::test_x",
    target="emulator",
    date="2026-11-24T16:00:00Z",
    versions={"python": "3.11.7", "vcrpy": "9.4.2"},
    keys={"spec": "k1"},
)


def asked(command: str, answer: str = "", *, path: str = "/v1/devboxes/dbx_1/execute_async") -> Exchange:
    body = json.dumps({"command": command}).encode()
    content = json.dumps({"stdout": answer, "time_ms": 1}).encode()
    return Exchange(
        request=Request(method="POST", host="runloop", path=path, content_type="application/json", body=body),
        response=Response(status=200, headers=JSON, chunks=(content,)),
    )


def key_of(request: Request) -> str:
    return f"{request.method} {request.path} {json.loads(request.body)['command'].partition(' #')[0]}"


def same_answer(one: Response, other: Response) -> bool:
    answers = [json.loads(answer.content) for answer in (one, other)]
    return bool(answers[0]["stdout"] == answers[1]["stdout"])


def write(path: Path, *exchanges: Exchange, header: Header = HEADER, **options: Any) -> bool:  # noqa: ANN401
    cassette = Cassette(header=header, exchanges=exchanges)
    return document.write(path, cassette, key_of=key_of, same_answer=same_answer, **options)


def commands(path: Path) -> list[str]:
    return [json.loads(exchange.request.body)["command"] for exchange in document.read(path).exchanges]


YAML = """\
interactions:
- request:
    body: '{"command": "echo hi"}'
    headers:
      Content-Type: [application/json]
      user-agent: [AsyncRunloop/Python 1.32.0]
    method: POST
    uri: http://127.0.0.1:4711/v1/devboxes/dbx_1/execute_async?last_n=1
  response:
    body:
      string: !!binary |
        H4sIAAAAAAACA6tWKi5JyS8tUbJSUMrIjMlTqgUAZryn9hIAAAA=
    headers:
      Content-Encoding: [gzip]
      Content-Length: ['38']
      Content-Type: [application/json]
      Set-Cookie: [a=secret]
    status: {code: 200, message: OK}
- request:
    body: !!python/object/new:_io.BytesIO
      state: !!python/tuple
      - !!binary |
        AQI=
      - 0
      - null
    headers: {}
    method: PUT
    uri: https://example.org/x
  response: {content: "plain", http_version: HTTP/1.1, status_code: 201, headers: {ETag: [a, b]}}
version: 1
"""
