"""What is run to get an agent into a devbox."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_runloop.emulator.domain.agents import check_mount, check_mountable, install_steps, parse_agent
from pytest_runloop.emulator.domain.catalog import Record
from pytest_runloop.emulator.domain.problems import ApiProblem


def agent(kind: str, *, version: str | None = None, **details: Any) -> Record:  # noqa: ANN401 - any detail
    source = {"type": kind, kind: details}
    return Record(id="agt_1", fields=parse_agent({"name": "a", "source": source, "version": version}))


def test_a_package_is_installed_in_its_version_from_its_registry() -> None:
    npm = install_steps(agent("npm", package_name="@a/b", version="1.2", registry_url="https://r.example"), {})
    pip = install_steps(agent("pip", package_name="b", version="1.2", registry_url="https://r.example"), {})

    assert "npm install --global @a/b@1.2 --registry=https://r.example\n" in npm[0].command
    assert "pip install --quiet b==1.2 --index-url=https://r.example" in pip[0].command


def test_words_of_a_package_are_only_words() -> None:
    (step,) = install_steps(agent("pip", package_name="a;reboot"), {})

    assert "pip install --quiet 'a;reboot'" in step.command


def test_a_repository_is_cloned_with_its_token_out_of_sight() -> None:
    mount = {"agent_path": "/home/user/a b", "auth_token": "secret"}

    clone, setup = install_steps(agent("git", repository="https://r.example", ref="v1", agent_setup=["make"]), mount)

    assert "clone --quiet -- https://r.example '/home/user/a b'" in clone.command
    assert "checkout --quiet v1 --" in clone.command
    assert "secret" not in clone.command
    assert "secret" in clone.environment.values()
    assert setup.command == "cd -- '/home/user/a b' &&\nmake"


def test_the_version_of_a_repository_is_its_ref() -> None:
    (clone,) = install_steps(agent("git", repository="https://r.example", version="v2"), {"agent_path": "/a"})

    assert "checkout --quiet v2 --" in clone.command


def test_an_object_needs_only_its_setup() -> None:
    assert install_steps(agent("object", object_id="obj_1"), {"agent_path": "/a"}) == []


@pytest.mark.parametrize("path", [{}, {"agent_path": "relative"}])
def test_what_is_put_somewhere_needs_an_absolute_path(path: dict[str, str]) -> None:
    with pytest.raises(ApiProblem, match="agent_path"):
        check_mountable(agent("git", repository="https://r.example"), path, field="mounts[0]")


def test_an_agent_without_a_source_can_not_be_mounted() -> None:
    with pytest.raises(ApiProblem, match="no source"):
        check_mountable(Record(id="agt_1", fields=parse_agent({"name": "a"})), {}, field="mounts[0]")


def test_nulls_of_a_mount_count_as_absent() -> None:
    mount = {"type": "agent_mount", "agent_id": None, "agent_name": "a"}

    assert check_mount("mounts[0]", mount) == {"type": "agent_mount", "agent_name": "a"}
