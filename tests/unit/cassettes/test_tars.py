from __future__ import annotations

import io
import tarfile

import pytest

from pytest_runloop.cassettes.exchange import RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.playing import meaning
from pytest_runloop.cassettes.secrets import tars
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber

TOKEN = "tk-4f9a8b7c6d5e"
OTHERS = ("tk-4f9a8b", "tk-4f9a8b7c6d5f", f"tk-{'9a' * 700}")


def packed(contents: dict[str, str], *, kind: int = tarfile.GNU_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=kind) as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            tar.addfile(info, io.BytesIO(content.encode()))
    return made.getvalue()


def unpacked(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        files = ((one.name, tar.extractfile(one)) for one in tar)
        return {name: file.read().decode() for name, file in files if file is not None}


def uploaded(archive: bytes) -> Request:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.tar"\r\n\r\n'
    body = head + archive + b"\r\n--b--\r\n"
    kind = "multipart/form-data; boundary=b"
    return Request(method="POST", host=RUNLOOP, path="/v1/devboxes/d/upload_file", content_type=kind, body=body)


def changed(archive: bytes, old: str, new: str) -> bytes:
    return tars.changed(archive.decode("latin-1"), lambda text: text.replace(old, new)).encode("latin-1")


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("new", ["", "longer than it was", "x" * 513, "y" * 502])
def test_an_archive_is_whole_afterwards(kind: int, new: str) -> None:
    before = {"a": "old", f"{'deep/' * 15}b": "1 old 2 old", "empty": "", "last": "same" * 300}

    after = unpacked(changed(packed(before, kind=kind), "old", new))

    assert after == {name: content.replace("old", new) for name, content in before.items()}


def test_names_are_changed_where_they_fit() -> None:
    assert list(unpacked(changed(packed({"old": ""}), "old", "new-name"))) == ["new-name"]
    assert list(unpacked(changed(packed({"old": ""}), "old", "n" * 101))) == ["old"]


def test_what_is_around_and_between_archives_is_changed_too() -> None:
    archive = packed({"f": "old"})

    after = changed(b"old" + archive + b"old" + archive + b"old ustar", "old", "other")

    assert after == b"other" + packed({"f": "other"}) + b"other" + packed({"f": "other"}) + b"other ustar"


@pytest.mark.parametrize("cut", [100, 300, 511, 600, 1100])
def test_what_is_cut_off_is_changed_as_text(cut: int) -> None:
    archive = packed({"f": "old " * 200, "g": "old"})[:cut]

    assert b"old" not in changed(archive, "old", "new")


@pytest.mark.parametrize(
    "size", [b"-0000000777\0", b"99999999999\0", b"\xc2\xb2\0\0\0\0\0\0\0\0\0\0", b"\x80" + b"\0" * 11]
)
def test_a_size_that_is_none_ends_the_archive(size: bytes) -> None:
    header = bytearray(packed({"f": "old"}))
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])

    assert changed(bytes(header), "old", "new") == bytes(header).replace(b"old", b"new")


@pytest.mark.parametrize("other", OTHERS)
def test_another_machine_s_secret_of_another_length_is_the_same_upload(other: str) -> None:
    def told(secret: str) -> Scrubber:
        scrubber = Scrubber({})
        scrubber.know("A_TOKEN", secret)
        return scrubber

    contents = "a = 1\nb = {}\n"
    recorded = told(TOKEN).request(uploaded(packed({".env": contents.format(TOKEN), "g": "2"})))
    asked = told(other).request(uploaded(packed({".env": contents.format(other), "g": "2"})))

    assert TOKEN.encode() not in recorded.body
    assert meaning.of(asked).key == meaning.of(recorded).key
    assert meaning.of(told(other).request(uploaded(packed({".env": "a = 2\n", "g": "2"})))).key != meaning.of(asked).key


@pytest.mark.parametrize("today", OTHERS)
def test_a_downloaded_archive_gets_today_s_secret_and_can_be_unpacked(today: str) -> None:
    scrubber, later = Scrubber({"A_TOKEN": TOKEN}), Scrubber({})
    later.know("A_TOKEN", today)
    archive = packed({"f": f"b = {TOKEN}\n", "g": "2"})
    request = Request(method="GET", host=RUNLOOP, path="/v1/devboxes/d/download_file")
    response = Response(status=200, chunks=(archive[:700], archive[700:]))

    kept = scrubber.exchange(Exchange(request=request, response=response)).response
    assert kept is not None
    restored = later.restored(kept)

    assert unpacked(b"".join(kept.chunks)) == {"f": "b = <secret:A_TOKEN>\n", "g": "2"}
    assert unpacked(b"".join(restored.chunks)) == {"f": f"b = {today}\n", "g": "2"}
