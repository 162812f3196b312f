"""Files, as the vendor's clients and documentation have them."""

from __future__ import annotations

import hashlib
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from runloop_api_client import APIStatusError, NotFoundError
from runloop_api_client.sdk import Devbox

from tests.contract.conftest import Service

BYTES = bytes(range(256)) * 41


def test_text_is_written_and_read_back_as_it_is(devbox: Devbox) -> None:
    """File API: nothing is added; text is UTF-8."""
    for text in ("no newline", "ünï\n", "NUL \0\r\n", ""):
        devbox.file.write(file_path="/tmp/t.txt", contents=text)

        assert devbox.file.read(file_path="/tmp/t.txt") == text


def test_bytes_are_uploaded_and_downloaded_as_they_are(devbox: Devbox, tmp_path: Path) -> None:
    """File API: upload and download are binary."""
    (tmp_path / "b.bin").write_bytes(BYTES)

    devbox.file.upload(path="/tmp/b.bin", file=tmp_path / "b.bin")

    assert devbox.file.download(path="/tmp/b.bin") == BYTES


@pytest.mark.parametrize("path", ["~/here.txt", "here.txt", "/home/user/here.txt"])
def test_paths_start_at_home(devbox: Devbox, tmp_path: Path, path: str) -> None:
    """File API: relative paths and ``~`` mean the user's home."""
    (tmp_path / "f").write_text(path)

    devbox.file.upload(path=path, file=tmp_path / "f")

    assert devbox.file.read(file_path=path) == path
    assert devbox.cmd.exec("cat ~/here.txt; stat -c %U ~/here.txt").stdout() == f"{path}user\n"


def test_parents_are_made_and_files_replaced(devbox: Devbox) -> None:
    """File API: a write makes what is missing, and leaves nothing of the old content."""
    path = f"/tmp/{uuid.uuid4()}/sub/f.txt"
    devbox.file.write(file_path=path, contents="long content")

    devbox.file.write(file_path=path, contents="short")

    assert devbox.file.read(file_path=path) == "short"


def test_a_missing_file_is_not_found(devbox: Devbox) -> None:
    """File API: 404 is what clients take for a missing file."""
    with pytest.raises(NotFoundError, match="nope"):
        devbox.file.download(path="/tmp/nope")
    with pytest.raises(NotFoundError, match="nope"):
        devbox.file.read(file_path="/tmp/nope")


def test_a_directory_is_no_file(devbox: Devbox) -> None:
    """A refusal that isn't taken for a missing file, and isn't retried."""
    with pytest.raises(APIStatusError, match="directory") as error:
        devbox.file.download(path="/tmp")

    assert error.value.status_code == 400


def test_what_the_user_may_not_touch_is_refused(devbox: Devbox) -> None:
    """Files are opened as the devbox's user."""
    devbox.cmd.exec("touch ~/locked && chmod 0 ~/locked")

    with pytest.raises(APIStatusError) as reading:
        devbox.file.read(file_path="locked")
    with pytest.raises(APIStatusError) as writing:
        devbox.file.write(file_path="locked", contents="x")

    assert (reading.value.status_code, writing.value.status_code) == (403, 403)


def test_answers_are_those_the_clients_parse(http: httpx.Client, devbox: Devbox) -> None:
    """File API: JSON for writes, the text itself for reads, an attachment for downloads."""
    path = f"/v1/devboxes/{devbox.id}"

    written = http.post(f"{path}/write_file_contents", json={"file_path": "a.txt", "contents": "x"})
    read = http.post(f"{path}/read_file_contents", json={"file_path": "a.txt"})
    download = http.post(f"{path}/download_file", json={"path": "a.txt"})
    upload = http.post(f"{path}/upload_file", data={"path": "b.txt"}, files={"file": ("b.txt", b"y")})

    assert written.json() == {
        "devbox_id": devbox.id,
        "exit_status": 0,
        "stdout": "",
        "stderr": "",
        "shell_name": None,
    }
    assert (read.text, read.headers["content-type"].split(";")[0]) == ("x", "text/plain")
    assert download.headers["content-type"] == "application/octet-stream"
    assert download.headers["content-disposition"].startswith("attachment")
    assert upload.json() == {}


def test_the_fields_of_an_upload_may_come_in_any_order(http: httpx.Client, devbox: Devbox) -> None:
    """A form's fields have no order."""
    files = [("file", ("f", BYTES)), ("path", (None, b"/tmp/late-path"))]

    answer = http.post(f"/v1/devboxes/{devbox.id}/upload_file", files=files)

    assert answer.status_code == 200
    assert devbox.file.download(path="/tmp/late-path") == BYTES


@pytest.mark.parametrize("fields", [{"path": (None, b"")}, {"file": ("f", b"x")}])
def test_an_upload_without_a_path_is_refused(http: httpx.Client, devbox: Devbox, fields: dict[str, Any]) -> None:
    """A refusal names the field."""
    answer = http.post(f"/v1/devboxes/{devbox.id}/upload_file", files=fields)

    assert answer.status_code == 400
    assert "path" in answer.json()["message"]


def test_files_of_any_size_take_the_server_no_memory(emulator: Service, http: httpx.Client, devbox: Devbox) -> None:
    """Files go through in pieces."""
    size = 256 * 1024 * 1024
    piece = b"0123456789abcdef" * 65536
    digest = hashlib.sha256()
    server = psutil.Process(emulator.pid)
    before = server.memory_info().rss

    def body() -> Iterator[bytes]:
        yield b'--B\r\nContent-Disposition: form-data; name="path"\r\n\r\n/tmp/big\r\n'
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n\r\n'
        for _ in range(size // len(piece)):
            yield piece
        yield b"\r\n--B--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    http.post(f"/v1/devboxes/{devbox.id}/upload_file", content=body(), headers=headers).raise_for_status()
    with http.stream("POST", f"/v1/devboxes/{devbox.id}/download_file", json={"path": "/tmp/big"}) as response:
        for data in response.iter_bytes():
            digest.update(data)
    devbox.cmd.exec("rm /tmp/big")

    assert digest.hexdigest() == hashlib.sha256(piece * (size // len(piece))).hexdigest()
    assert server.memory_info().rss - before < 64 * 1024 * 1024


def test_an_upload_that_breaks_off_hurts_nobody(service: Service, http: httpx.Client, devbox: Devbox) -> None:
    """A client that goes away is no failure of the server's; the log is looked at when all tests are over."""
    address = httpx.URL(service.base_url)
    head = (
        f"POST /v1/devboxes/{devbox.id}/upload_file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_key}\r\n"
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000000\r\n\r\n"
        '--B\r\nContent-Disposition: form-data; name="path"\r\n\r\n/tmp/broken\r\n'
    )

    with socket.create_connection((address.host, address.port or 443)) as connection:
        connection.sendall(head.encode())

    assert http.get(f"/v1/devboxes/{devbox.id}").json()["status"] == "running"
