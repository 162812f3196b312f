"""Names of the project's own, and the Dockerfiles they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.dockerfiles import Dockerfiles
from pytest_runloop.errors import SpecError
from pytest_runloop.spec import SandboxSpec


def wish(**options: object) -> SandboxSpec:
    return SandboxSpec(test="test_it", options=options)


def test_a_name_becomes_what_it_stands_for(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    ours = Dockerfiles({"mine": "Dockerfile"}, root=tmp_path)

    spec = ours.described(wish(blueprint_name="mine", name="x"))

    assert (spec.blueprint, dict(spec.options)) == (Blueprint(dockerfile="FROM debian\n"), {"name": "x"})


@pytest.mark.parametrize("options", [{}, {"blueprint_name": "theirs"}, {"blueprint_id": "bpt_1"}])
def test_whatever_else_is_left_alone(tmp_path: Path, options: dict[str, object]) -> None:
    spec = wish(**options)

    assert Dockerfiles({"mine": "absent"}, root=tmp_path).described(spec) is spec


def test_a_dockerfile_that_is_not_there_is_named(tmp_path: Path) -> None:
    ours = Dockerfiles({"mine": "absent"}, root=tmp_path)

    with pytest.raises(SpecError) as caught:
        ours.described(wish(blueprint_name="mine"))

    assert str(caught.value) == (
        f"test_it: blueprint: 'mine' stands for {tmp_path}/absent, which can't be read: No such file or directory; "
        "correct runloop_blueprints"
    )
    assert caught.value.field == "blueprint"


def test_a_dockerfile_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"\xff\xfe\xfa")

    with pytest.raises(SpecError, match="which can't be read: it is not text"):
        Dockerfiles({"mine": "Dockerfile"}, root=tmp_path).described(wish(blueprint_name="mine"))
