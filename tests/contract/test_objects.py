"""Storage objects, as the vendor's clients and documentation have them."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from runloop_api_client import BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.sdk import Devbox, StorageObject
from runloop_api_client.types import ObjectDownloadURLView, ObjectListView, ObjectView

from tests.contract.conftest import Service
from tests.contract.test_shapes import _fits

Upload = Callable[..., StorageObject]


@pytest.fixture
def upload(sdk: RunloopSDK) -> Iterator[Upload]:
    """Upload bytes as objects that are deleted with the test."""
    made: list[StorageObject] = []

    def make(content: bytes = b"content", **options: object) -> StorageObject:
        named = {"name": f"contract-{uuid.uuid4()}", "content_type": "binary", **options}
        made.append(sdk.storage_object.upload_from_bytes(content, **named))  # type: ignore[arg-type] # the client's own to check
        return made[-1]

    yield make
    for one in made:
        one.delete()


def test_an_object_that_was_never_uploaded_can_be_deleted(sdk: RunloopSDK) -> None:
    """Storage object tests: create gives an id and an upload_url; delete needs no upload."""
    one = sdk.storage_object.create(name="draft", content_type="text", metadata={"test": "x"})

    assert one.id.startswith("obj_")
    assert one.upload_url is not None
    info = one.refresh()
    assert (info.id, info.name, info.content_type, info.state) == (one.id, "draft", "text", "UPLOADING")
    assert (info.upload_url, info.size_bytes, info.metadata) == (None, None, {"test": "x"})
    assert one.delete() is not None
    assert one.refresh().state == "DELETED"


def test_the_whole_life_of_an_object(sdk: RunloopSDK) -> None:
    """Storage object tests: create, upload, complete, download, still READ_ONLY, delete."""
    one = sdk.storage_object.create(name="life", content_type="text")
    one.upload_content("from here to there")
    assert one.complete().state == "READ_ONLY"
    assert one.download_as_text() == "from here to there"
    info = one.refresh()
    assert (info.state, info.size_bytes) == ("READ_ONLY", 18)
    assert one.delete().state == "DELETED"


@pytest.mark.parametrize(
    "content", [b"", bytes(range(256)), b"x" * 1024 * 1024], ids=["empty", "every byte", "a mebibyte"]
)
def test_bytes_come_back_as_they_went(upload: Upload, content: bytes) -> None:
    """Storage object tests: empty, binary and large contents."""
    assert upload(content).download_as_bytes() == content


def test_text_and_files_come_back(sdk: RunloopSDK, tmp_path: Path) -> None:
    """Storage object tests: upload_from_text, upload_from_file, download with a duration."""
    (tmp_path / "f.txt").write_text("file ü")

    text = sdk.storage_object.upload_from_text("text ü", name="t")
    file = sdk.storage_object.upload_from_file(tmp_path / "f.txt")

    assert text.download_as_text(duration_seconds=120) == "text ü"
    assert file.download_as_text() == "file ü"
    assert (text.refresh().content_type, file.refresh().content_type) == ("text", "text")
    text.delete()
    file.delete()


def test_a_directory_becomes_an_archive(sdk: RunloopSDK, tmp_path: Path) -> None:
    """Storage object tests: upload_from_dir makes a tgz that holds the files, those of directories too."""
    (tmp_path / "sub").mkdir()
    for name in ("a", "b", "sub/c"):
        (tmp_path / name).write_text(name)

    one = sdk.storage_object.upload_from_dir(tmp_path)

    assert one.refresh().content_type == "tgz"
    with tarfile.open(fileobj=io.BytesIO(one.download_as_bytes()), mode="r:gz") as archive:
        names = {member.name.removeprefix("./") for member in archive if member.isfile()}
    assert names == {"a", "b", "sub/c"}
    one.delete()


def test_objects_are_found(sdk: RunloopSDK, upload: Upload) -> None:
    """Storage object API: newest first; filters for type, state, part of the name, and a search in ids and names."""
    mark = uuid.uuid4().hex
    first, second = upload(name=f"{mark}-1", content_type="text"), upload(name=f"{mark}-2")
    draft = sdk.storage_object.create(name=f"{mark}-3", content_type="tar")

    def found(**filters: object) -> list[str]:
        return [one.id for one in sdk.storage_object.list(limit=10, **filters)]  # type: ignore[arg-type] # as above

    assert found(name=mark) == [draft.id, second.id, first.id]
    assert found(name=mark, state="READ_ONLY") == [second.id, first.id]
    assert found(content_type="text")[0] == first.id
    assert found(search=second.id) == [second.id]
    assert found(search=mark, content_type="tar") == [draft.id]
    assert sdk.storage_object.from_id(first.id).refresh().id == first.id
    draft.delete()
    assert found(name=mark) == [second.id, first.id]
    assert found(name=mark, state="DELETED") == [draft.id]


def test_lists_come_in_pages(http: httpx.Client, upload: Upload) -> None:
    """Storage object API: limit, starting_after, has_more, total_count."""
    mark = uuid.uuid4().hex
    ids = [upload(name=mark).id for _ in range(3)][::-1]

    answer = http.get("/v1/objects", params={"name": mark, "limit": 2})
    first = answer.json()
    rest = http.get("/v1/objects", params={"name": mark, "limit": 2, "starting_after": ids[1]}).json()

    _fits(ObjectListView, answer)
    assert [one["id"] for one in (*first["objects"], *rest["objects"])] == ids
    assert (first["has_more"], first["total_count"], rest["has_more"]) == (True, 3, False)
    assert http.get("/v1/objects/list_public").json() == {"objects": [], "has_more": False, "total_count": 0}


def test_answers_have_the_clients_shape(http: httpx.Client) -> None:
    """Storage object API: the fields of every answer."""
    body = {"name": "shape", "content_type": "text", "metadata": None, "ttl_ms": None}
    made = _fits(ObjectView, http.post("/v1/objects", json=body))
    path = f"/v1/objects/{made['id']}"
    assert httpx.put(made["upload_url"], content=b"x").is_success
    assert _fits(ObjectView, http.post(f"{path}/complete"))["state"] == "READ_ONLY"
    _fits(ObjectDownloadURLView, http.get(f"{path}/download"))
    _fits(ObjectView, http.post(f"{path}/delete"))
    assert "upload_url" not in http.get(path).json()


def test_what_is_wrong_is_said(http: httpx.Client, upload: Upload) -> None:
    """Storage object API: 400 for a bad type or name, 404 for an unknown id, 409 for a second complete."""
    one = upload()
    bad = [{"name": "a", "content_type": "zip"}, {"name": "", "content_type": "text"}, {"content_type": "text"}]
    assert [http.post("/v1/objects", json=body).status_code for body in bad] == [400, 400, 400]
    assert http.get("/v1/objects/obj_none").status_code == 404
    assert http.post("/v1/objects/obj_none/delete").status_code == 404
    again = http.post(f"/v1/objects/{one.id}/complete")
    assert (again.status_code, again.headers["x-should-retry"]) == (409, "false")
    assert http.get("/v1/objects", params={"state": "GONE"}).status_code == 400


def test_a_deleted_object_can_not_be_downloaded(sdk: RunloopSDK, upload: Upload) -> None:
    """Storage object API: 400 for a download address of a deleted one, 404 for one that never was."""
    one = upload()
    url = one.get_download_url().download_url
    one.delete()

    with pytest.raises(BadRequestError):
        one.get_download_url()
    with pytest.raises(NotFoundError):
        sdk.storage_object.from_id("obj_none").get_download_url()
    assert httpx.get(url).status_code == 404


def test_a_devbox_uses_addresses_too(sdk: RunloopSDK, devbox: Devbox) -> None:
    """Storage object API: presigned addresses are for whoever has them."""
    one = sdk.storage_object.create(name="from-devbox", content_type="text")

    put = devbox.cmd.exec(f"printf 'from a devbox' | curl -sSf -T - '{one.upload_url}'")
    one.complete()
    got = devbox.cmd.exec(f"curl -sSf '{one.get_download_url().download_url}'")

    assert (put.exit_code, put.stderr()) == (0, "")
    assert got.stdout() == one.download_as_text() == "from a devbox"
    one.delete()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/devboxes"),
        ("GET", "/_emulator/trouble"),
        ("GET", "/_emulator/objects/../../v1/devboxes?a"),
        ("GET", "/_emulator/objects/x?a HTTP/1.1\\r\\nA: \\n\\nGET /v1/devboxes"),
    ],
)
def test_a_devbox_reaches_nothing_else_of_the_emulator(
    emulator: Service, devbox: Devbox, method: str, path: str
) -> None:
    """The emulator's own promise: only objects are behind its port in a devbox, also for who has the key."""
    url = httpx.URL(emulator.base_url)
    head = f"{method} {path} HTTP/1.1\\r\\nHost: a\\r\\nAuthorization: Bearer {emulator.api_key}\\r\\n\\r\\n"

    said = devbox.cmd.exec(f"exec 3<>/dev/tcp/127.0.0.1/{url.port}; printf '{head}' >&3; cat <&3").stdout()

    assert said.startswith("HTTP/1.1 502 ")
    assert "has_more" not in said


def test_a_part_of_a_content_can_be_had(upload: Upload) -> None:
    """Storage object API: presigned storage answers a Range with 206."""
    url = upload(b"0123456789").get_download_url().download_url

    part = httpx.get(url, headers={"Range": "bytes=2-4"})

    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert httpx.get(url, headers={"Range": "bytes=10-"}).status_code == 416


def test_addresses_need_no_key_but_their_signature(upload: Upload) -> None:
    """Storage object API: presigned addresses; a changed one, another method and an expired one are refused."""
    url = httpx.URL(upload(b"secret").get_download_url(duration_seconds=3).download_url)

    assert httpx.get(url).content == b"secret"
    assert httpx.get(url).headers["content-length"] == "6"
    assert httpx.get(url.copy_set_param("expires", "9999999999")).status_code == 403
    assert httpx.get(url.copy_remove_param("signature")).status_code == 403
    assert httpx.put(url, content=b"changed").status_code == 403
    deadline = time.monotonic() + 10
    while httpx.get(url).status_code != 403:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_content_can_not_be_changed_afterwards(sdk: RunloopSDK) -> None:
    """Storage object API: a complete object is read-only."""
    one = sdk.storage_object.create(name="final", content_type="text")
    url = one.upload_url or ""
    httpx.put(url, content=b"first").raise_for_status()
    httpx.put(url, content=b"second").raise_for_status()
    one.complete()

    assert not httpx.put(url, content=b"third").is_success
    assert one.download_as_text() == "second"
    one.delete()


def test_an_object_ends_by_itself(sdk: RunloopSDK) -> None:
    """Storage object API: ttl_ms, counted from the create."""
    one = sdk.storage_object.upload_from_text("short", name="short", ttl=timedelta(seconds=1))
    info = one.refresh()
    assert info.delete_after_time_ms == info.create_time_ms + 1000

    deadline = time.monotonic() + 10
    while one.refresh().state != "DELETED":
        assert time.monotonic() < deadline
        time.sleep(0.05)

    with pytest.raises(BadRequestError):
        one.get_download_url()


def test_a_large_object_is_not_held_in_memory(sdk: RunloopSDK, emulator: Service) -> None:
    """The emulator's own promise: contents are streamed to and from the disk."""
    mebibytes = 300
    piece = bytes(1024 * 1024)
    one = sdk.storage_object.create(name="large", content_type="binary")
    before = _peak_kib(emulator.pid)

    httpx.put(one.upload_url or "", content=(piece for _ in range(mebibytes)), timeout=60).raise_for_status()
    one.complete()
    size = 0
    with httpx.stream("GET", one.get_download_url().download_url) as response:
        for part in response.iter_bytes():
            size += len(part)

    assert size == one.refresh().size_bytes == mebibytes * len(piece)
    assert _peak_kib(emulator.pid) - before < 64 * 1024
    one.delete()


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
