from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_runloop.cache.entry import Damaged, Entry
from pytest_runloop.cache.index import Index
from pytest_runloop.cache.locks import Locks

ENTRY = Entry(key="k", snapshot_id="snp_1", created_s=1, expires_s=2, run="r")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    index = Index(tmp_path / "new" / "place")

    index.write(ENTRY)
    index.write(replace(ENTRY, devbox_id="dbx_1"))

    assert index.read("k") == replace(ENTRY, devbox_id="dbx_1")
    assert index.read("other") is None


def test_nothing_beside_the_entry_is_left(tmp_path: Path) -> None:
    index = Index(tmp_path)

    index.write(ENTRY)

    assert [child.name for child in tmp_path.iterdir()] == ["k.json"]


def test_a_state_may_hold_secrets_so_only_the_user_reads_it(tmp_path: Path) -> None:
    Index(tmp_path / "index").write(ENTRY)

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "index", tmp_path / "index" / "k.json")]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"\0" * 100])
def test_a_file_of_no_use_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k.json").write_bytes(content)

    with pytest.raises(Damaged, match=r"k\.json is not used"):
        Index(tmp_path).read("k")


def test_a_directory_in_its_place_is_damage(tmp_path: Path) -> None:
    (tmp_path / "k.json").mkdir()

    with pytest.raises(Damaged):
        Index(tmp_path).read("k")


def test_all_who_share_locks_have_one_name(tmp_path: Path) -> None:
    assert Locks(tmp_path / "a").machine() == Locks(tmp_path / "a").machine()
    assert Locks(tmp_path / "a").machine() != Locks(tmp_path / "b").machine()


def test_a_renewal_is_remembered_by_run(tmp_path: Path) -> None:
    locks = Locks(tmp_path)

    before = locks.renewed_by("k")
    locks.mark_renewed("k", run="run_1")

    assert (before, locks.renewed_by("k"), locks.renewed_by("other")) == ("", "run_1", "")


def test_what_was_done_is_due_again_later(tmp_path: Path) -> None:
    locks = Locks(tmp_path)

    assert locks.due("swept", every_s=100)
    assert not locks.due("swept", every_s=100)

    os.utime(tmp_path / "swept", (1, 1))
    assert locks.due("swept", every_s=100)
