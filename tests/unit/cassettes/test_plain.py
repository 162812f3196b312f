from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.files import document
from pytest_runloop.errors import CassetteError
from tests.unit.cassettes.recordings import JSON, YAML, asked, commands, write


@pytest.mark.parametrize("name", ["x.json", "x.yaml", "x.yml"])
def test_a_recording_of_plain_vcrpy_is_read_under_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(YAML)

    run, put = document.read(tmp_path / "x.json").exchanges

    assert run.request == Request(
        method="POST",
        host="runloop",
        path="/v1/devboxes/dbx_1/execute_async?last_n=1",
        content_type="application/json",
        body=b'{"command": "echo hi"}',
    )
    assert run.response == Response(status=200, headers=JSON, chunks=(b'{"stdout": "hi\\n"}',))
    assert put.request == Request(method="PUT", host="example.org", path="/x", body=b"\1\2")
    assert put.response == Response(status=201, headers={"etag": "a, b"}, chunks=(b"plain",))


def test_a_yaml_recording_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("interactions: !!python/object/apply:os.mkdir ['made']\nversion: 1\n")

    with pytest.raises(CassetteError, match="could not determine a constructor"):
        document.read(tmp_path / "x.yaml")


def test_an_encoding_that_python_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(YAML.replace("gzip", "br"))

    with pytest.raises(
        CassetteError, match=r"interaction 1 .*compressed as br; record with decode_compressed_response"
    ):
        document.read(tmp_path / "x.yaml")


def test_a_recording_of_ours_takes_the_place_of_vcrpys(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(YAML)
    write(tmp_path / "x.json", asked("a"))

    assert commands(tmp_path / "x.json") == ["a"]
