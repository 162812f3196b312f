from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from pytest_runloop.errors import SandboxError
from pytest_runloop.sandbox import archives


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_text_and_bytes_become_files_that_can_be_run() -> None:
    packed = members(archives.pack({"a/b": "é", "c": b"\0\1"}))

    assert {name: (member.size, member.mode) for name, member in packed.items()} == {"a/b": (2, 0o755), "c": (2, 0o755)}


def test_a_local_directory_keeps_its_modes(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "run").write_text("x")
    (tmp_path / "src" / "run").chmod(0o750)

    packed = members(archives.pack({"dst": tmp_path / "src"}))

    assert packed["dst/run"].mode == 0o750


def test_a_link_given_as_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")

    assert members(archives.pack({"dst": tmp_path / "link"}))["dst"].isreg()


def test_a_missing_local_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        archives.pack({"dst": tmp_path / "nowhere"})


def test_what_was_packed_is_unpacked(tmp_path: Path) -> None:
    archives.unpack(archives.pack({"a/b": "text"}), tmp_path / "new" / "place")

    assert (tmp_path / "new" / "place" / "a" / "b").read_text() == "text"


def test_a_member_can_not_leave_the_target(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="can't be unpacked under"):
        archives.unpack(archives.pack({"../escaped": "x"}), tmp_path / "target")

    assert not (tmp_path / "escaped").exists()
