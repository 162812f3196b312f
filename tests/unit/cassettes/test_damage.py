from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.files.document import Cassette
from pytest_runloop.errors import CassetteError
from tests.unit.cassettes.recordings import HEADER, YAML, asked, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "test_a" / "test_x.json"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ('{"version": 1, "interactions": [', "it is cut off, or no JSON"),
        ('{"version": 2, "interactions": []}', r"written by a newer pytest-runloop \(format 2.*; upgrade"),
        ('{"version": "1", "interactions": []}', "its format is '1', not 1"),
        ('{"interactions": []}', "its format is None, not 1"),
        ('{"version": 1}', "it holds no recording"),
        ("[]", "it holds no recording"),
        ("hello: [", "it is neither JSON nor YAML"),
        ('{"version": 1, "interactions": [{}]}', "interaction 1 can't be read"),
        ('{"version": 1, "recorded": 3, "interactions": []}', "its header can't be read"),
        ("[" * 100_000, "it is neither JSON nor YAML|it holds no recording"),
    ],
)
def test_a_file_of_no_use_is_named_with_the_reason_and_the_way_out(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)

    with pytest.raises(CassetteError, match=rf"x\.json: .*({reason})") as failure:
        document.read(path)
    assert "record it again with --runloop-record=all" in str(failure.value)


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match=r"x\.json: there is no such recording; record it"):
        document.read(tmp_path / "x.json")


def test_a_changed_body_is_found_but_other_ends_of_lines_are_not_a_change(path: Path) -> None:
    write(path, asked("cat", "x" * 5000))
    (name,) = document.side_files(path)
    body = path.parent.parent / "bodies" / name
    content = body.read_bytes()

    body.write_bytes(content.replace(b"\n", b"\r\n"))
    assert document.read(path).exchanges

    body.write_bytes(content.replace(b"x", b"y"))
    with pytest.raises(CassetteError, match=rf"test_x\.json: its body .*{name} was changed; record it again"):
        document.read(path)

    body.unlink()
    with pytest.raises(CassetteError, match=rf"its body .*{name} can't be read"):
        document.read(path)


@pytest.mark.parametrize("name", ["../../secret.txt", "/etc/passwd", "", "..", "a\0b"])
def test_a_body_is_never_read_from_elsewhere(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True)
    request = {"method": "GET", "path": "/", "file": name}
    path.write_text(json.dumps({"version": 1, "interactions": [{"request": request}]}))

    with pytest.raises(CassetteError, match="body"):
        document.read(path)


def test_any_damage_ends_in_one_kind_of_error(tmp_path: Path) -> None:
    path, randomly = tmp_path / "x.json", random.Random(4)  # noqa: S311 - the same in every run
    stream = Response(status=200, chunks=(b"data: 1\n\n", b"\xff"), complete=False)
    body = b'--x\r\nContent-Disposition: form-data; name="path"\r\n\r\n/a\r\n--x--\r\n'
    upload = Request(method="POST", host="o", path="/", content_type="multipart/form-data; boundary=x", body=body)
    kinds = (asked("a", "x" * 5000), Exchange(request=upload, response=stream), Exchange(request=upload, response=None))
    document.write(path, Cassette(header=HEADER, exchanges=kinds), key_of=repr, same_answer=Response.__eq__)
    whole = path.read_bytes()
    structure = json.loads(whole)
    damaged = 0

    for turn in range(800):
        path.write_bytes(_bent(whole, randomly) if turn % 2 else json.dumps(_bent_value(structure, randomly)).encode())
        try:
            document.read(path)
            document.side_files(path)
        except CassetteError as error:
            damaged += 1
            assert str(path) in str(error)  # noqa: PT017 - whatever else it raises fails the test

    assert damaged > 300


def test_any_damage_of_yaml_ends_in_one_kind_of_error(tmp_path: Path) -> None:
    path, randomly = tmp_path / "x.yaml", random.Random(5)  # noqa: S311 - the same in every run
    whole = YAML.encode()

    for _ in range(300):
        path.write_bytes(_bent(whole, randomly))
        try:
            document.read(path)
        except CassetteError as error:
            assert str(path) in str(error)  # noqa: PT017 - whatever else it raises fails the test


def _bent(whole: bytes, randomly: random.Random) -> bytes:
    start = randomly.randrange(len(whole))
    end = start + randomly.choice([0, 1, 1, 2, 30])
    inserted = randomly.choice(
        [b"", b"[", b"}", b'"', b"null", b"\xff", b"1e999", b"\\ud800", b"!!int ''", b"-", b"99999"]
    )
    return randomly.choice([whole[:start], whole[:start] + inserted + whole[end:]])


def _bent_value(value: Any, randomly: random.Random) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, (dict, list)) and value and randomly.random() < 0.9:
        place = randomly.choice(list(value) if isinstance(value, dict) else range(len(value)))
        found: Any = dict(value) if isinstance(value, dict) else list(value)
        found[place] = _bent_value(value[place], randomly)
        return found
    return randomly.choice([None, True, -1, 1.5, "", "é\ud800", [], [1], {}, {"a": 1}, [[]], "AA=", 10**400])
