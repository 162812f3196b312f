"""Routes of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.http import multipart
from pytest_runloop.emulator.http.answers import Answer, checked_body, devbox_id, emulator, route

if TYPE_CHECKING:
    from starlette.requests import Request

    from pytest_runloop.emulator.service.files import Download, Upload

_DOWNLOAD = checks.record({"path": checks.text}, required=("path",))
_READ = checks.record({"file_path": checks.text}, required=("file_path",))
_WRITE = checks.record({"file_path": checks.text, "contents": checks.content}, required=("file_path", "contents"))
_MAX_PATH = 16 * 1024


async def upload_file(request: Request) -> Answer:
    """Take a file in, piece by piece."""
    upload = emulator(request).files.upload(devbox_id(request))
    try:
        await _receive(request, upload)
    finally:
        upload.close()
    return {}


async def download_file(request: Request) -> Answer:
    """Give a file out, piece by piece."""
    given = await checked_body(request, _DOWNLOAD)
    download = await emulator(request).files.read(devbox_id(request), given["path"])
    return _send(download, "application/octet-stream", {"Content-Disposition": "attachment"})


async def read_file_contents(request: Request) -> Answer:
    """Give a text file out, as it is."""
    given = await checked_body(request, _READ)
    return _send(await emulator(request).files.read(devbox_id(request), given["file_path"]), "text/plain", {})


async def write_file_contents(request: Request) -> Answer:
    """Write a text file."""
    given = await checked_body(request, _WRITE)
    await emulator(request).files.write(devbox_id(request), given["file_path"], given["contents"].encode())
    return {"devbox_id": devbox_id(request), "exit_status": 0, "stdout": "", "stderr": "", "shell_name": None}


async def _receive(request: Request, upload: Upload) -> None:
    parser = multipart.Parser(multipart.boundary(request.headers.get("content-type", "")))
    field, path = "", b""
    async for piece in request.stream():
        for event in parser.feed(piece):
            if isinstance(event, multipart.Start):
                await _place(upload, field, path)
                field = event.name
            elif field == "path":
                path += event.data
                _check_length(path)
            elif field == "file":
                await upload.write(event.data)
    parser.finish()
    await _place(upload, field, path)
    upload.finish()


async def _place(upload: Upload, field: str, path: bytes) -> None:
    """Open the target once the path's field is over."""
    if field == "path":
        await upload.place(str(checks.text("path", path.decode("utf-8", "surrogateescape"))))


def _check_length(path: bytes) -> None:
    if len(path) > _MAX_PATH:
        raise bad_request(f"path: longer than {_MAX_PATH} bytes.")


def _send(download: Download, media_type: str, headers: dict[str, str]) -> StreamingResponse:
    if download.size is not None:
        headers = {**headers, "Content-Length": str(download.size)}
    return StreamingResponse(download.chunks(), media_type=media_type, headers=headers)


_BOX = "/v1/devboxes/{id}"
ROUTES = [
    route("POST", _BOX + "/upload_file", upload_file),
    route("POST", _BOX + "/download_file", download_file),
    route("POST", _BOX + "/read_file_contents", read_file_contents),
    route("POST", _BOX + "/write_file_contents", write_file_contents),
]
