"""Requests as the SDK and this plugin send them, and cassettes made of them."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.files.layout import Cassette, Header
from pytest_runloop.cassettes.playing.meaning import NO_RULES, Rules
from pytest_runloop.cassettes.playing.replay import Tape

BOX = "/v1/devboxes/dbx_1"
JSON = "application/json"


def post(path: str, body: object = None, *, host: str = RUNLOOP) -> Request:
    data = b"" if body is None else json.dumps(body).encode()
    return Request(method="POST", host=host, path=path, content_type=JSON, body=data)


def get(path: str) -> Request:
    return Request(method="GET", host=RUNLOOP, path=path)


def run(command: str, *, box: str = BOX) -> Request:
    return post(f"{box}/execute_async", {"command": command})


def shell(script: str, *, env: str = "", box: str = BOX) -> Request:
    """Return what ``sandbox.exec(script)`` sends for a script without quotes."""
    return run(f"cd /home/user && {f'env -- {env} ' if env else ''}bash -c '{script}'", box=box)


def wait(*statuses: str, seconds: float = 25.0, box: str = BOX) -> Request:
    return post(f"{box}/wait_for_status", {"statuses": list(statuses), "timeout_seconds": seconds})


def upload(path: str, content: bytes, *, box: str = BOX) -> Request:
    boundary = uuid.uuid4().hex
    head = "Content-Disposition: form-data; name="
    body = (
        f'--{boundary}\r\n{head}"path"\r\n\r\n{path}\r\n--{boundary}\r\n{head}"file"; filename="upload"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    kind = f"multipart/form-data; boundary={boundary}"
    end = f"\r\n--{boundary}--\r\n".encode()
    return Request(method="POST", host=RUNLOOP, path=f"{box}/upload_file", content_type=kind, body=body + content + end)


def model(*items: str, **more: object) -> Request:
    body = {"model": "gpt-5", "input": [{"role": "user", "content": item} for item in items], **more}
    return post("/v1/responses", body, host=OPENAI)


def tar(members: Mapping[str, bytes], *, mtime: float = 0.0, uid: int = 0, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]  # any mode
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid = len(content), mtime, uid
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def answer(body: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    data = json.dumps({} if body is None else body).encode()
    return Response(status=status, headers={"content-type": JSON, **(headers or {})}, chunks=(data,))


def said(stdout: str) -> Response:
    return answer({"execution_id": "exe_1", "status": "completed", "exit_status": 0, "stdout": stdout, "stderr": ""})


def exchange(request: Request, response: Response | None = None) -> Exchange:
    return Exchange(request=request, response=answer() if response is None else response)


def cassette(exchanges: Iterable[Exchange], *, versions: Mapping[str, str] | None = None) -> Cassette:
    header = Header(what="test", name="t.py::x", target="emulator", date="2026-11-24", versions=versions or {})
    return Cassette(header=header, exchanges=tuple(exchanges))


def tape(*exchanges: Exchange, versions: Mapping[str, str] | None = None, rules: Rules = NO_RULES) -> Tape:
    made = cassette(exchanges, versions=versions)
    return Tape(made, path=Path("tests/cassettes/t/x.json"), label="tests/t.py::x", rules=rules)


def text_of(response: Response) -> str:
    stdout = json.loads(response.content)["stdout"]
    assert isinstance(stdout, str)
    return stdout
