"""Agents, as the vendor's clients have them."""

from __future__ import annotations

import io
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from runloop_api_client import APIStatusError, BadRequestError, NotFoundError, RunloopError, RunloopSDK
from runloop_api_client.sdk import Agent, Devbox
from runloop_api_client.types import AgentView

from tests.contract.conftest import Service

Create = Callable[..., Agent]
CreateDevbox = Callable[..., Devbox]
NPM = {"type": "npm", "npm": {"package_name": "some-agent"}}


@pytest.fixture
def create_agent(sdk: RunloopSDK) -> Iterator[Create]:
    made: list[Agent] = []

    def make(**fields: Any) -> Agent:  # noqa: ANN401 - whatever an agent takes
        made.append(sdk.agent.create(**{"name": f"agent-{uuid.uuid4()}", "source": NPM, **fields}))
        return made[-1]

    yield make
    for one in made:
        sdk.api.agents.delete(one.id)


@pytest.mark.parametrize(
    "source",
    [
        {"type": "npm", "npm": {"package_name": "@a/b", "registry_url": "https://r.example", "agent_setup": ["x"]}},
        {"type": "pip", "pip": {"package_name": "some-agent"}},
        {"type": "git", "git": {"repository": "https://github.com/a/b", "ref": "main"}},
    ],
)
def test_an_agent_reads_back_as_it_was_made(sdk: RunloopSDK, create_agent: Create, source: dict[str, Any]) -> None:
    """Agent API: create and get, for each kind of source."""
    agent = create_agent(source=source, version="1.0")

    info = sdk.agent.from_id(agent.id).get_info()

    assert info.id.startswith("agt_")
    assert info.create_time_ms > 0
    assert (info.is_public, info.version) == (False, "1.0")
    assert info.source is not None
    assert info.source.model_dump(exclude_none=True) == source


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("name", " ", "name"),
        ("source", {"type": "brew"}, "brew"),
        ("source", {"type": "npm"}, "npm"),
        ("source", {"type": "npm", "pip": {"package_name": "a"}}, "npm"),
        ("source", {"type": "npm", "npm": {"package_name": "--prefix=/"}}, "package_name"),
        ("source", {"type": "object", "object": {"object_id": "obj_nope"}}, "obj_nope"),
    ],
)
def test_an_agent_that_can_not_be_meant_is_refused(
    emulator: Service, create_agent: Create, field: str, value: object, word: str
) -> None:
    """Agent API: a bad request names what is wrong."""
    with pytest.raises(APIStatusError, match=word) as refused:
        create_agent(**{field: value})
    assert refused.value.status_code == 400


def test_lists_are_filtered(sdk: RunloopSDK, create_agent: Create) -> None:
    """Agent API, list: by part of the name, search and version, newest first; names may be there twice."""
    mark = uuid.uuid4().hex
    old, new, other = (create_agent(name=f"x-{mark}-{n}", version=v) for n, v in (("a", "1"), ("a", "2"), ("b", "1")))

    def listed(**query: Any) -> list[str]:  # noqa: ANN401 - any query
        return [one.id for one in sdk.api.agents.list(**query).agents]

    assert listed(name=mark) == listed(search=mark) == [other.id, new.id, old.id]
    assert listed(name=mark, version="1") == [other.id, old.id]
    assert listed(name=mark, version="latest") == [other.id, new.id]
    assert listed(name=mark, is_public=True) == []
    assert {one.id for one in sdk.agent.list(limit=100)} >= {old.id, new.id, other.id}


def test_nothing_is_public(emulator: Service, sdk: RunloopSDK) -> None:
    """Agent API, list_public."""
    assert sdk.api.agents.list_public().agents == []


def test_a_deleted_agent_is_gone(sdk: RunloopSDK) -> None:
    """Agent API, delete."""
    agent = sdk.agent.create(name="gone", source=NPM)  # type: ignore[arg-type] # the client's own to check
    sdk.api.agents.delete(agent.id)

    asking: list[Callable[[], object]] = [agent.get_info, lambda: sdk.api.agents.delete(agent.id)]
    for ask in asking:
        with pytest.raises(NotFoundError):
            ask()


def test_shapes(http: httpx.Client, create_agent: Create) -> None:
    """Answers against the client's own models, which the client itself does not check."""
    parsed = AgentView.model_validate_json(http.get(f"/v1/agents/{create_agent().id}").content, strict=True)
    assert not parsed.model_extra


def test_an_agent_of_an_object_is_unpacked_and_set_up(
    sdk: RunloopSDK, create_agent: Create, create: CreateDevbox
) -> None:
    """Agent mount of an object source: its content at the path, then its setup commands there."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("run.sh")
        member.size = len(b"echo I am an agent\n")
        archive.addfile(member, io.BytesIO(b"echo I am an agent\n"))
    stored = sdk.storage_object.upload_from_bytes(packed.getvalue(), name="agent.tgz", content_type="tgz")
    source = {"type": "object", "object": {"object_id": stored.id, "agent_setup": ["chmod +x run.sh", "pwd > where"]}}
    name = f"agent-{uuid.uuid4()}"
    create_agent(name=name)
    agent = create_agent(name=name, source=source)

    devbox = create(
        mounts=[{"type": "agent_mount", "agent_id": None, "agent_name": name, "agent_path": "/home/user/agent"}],
        launch_parameters={"launch_commands": ["cp agent/run.sh launched"]},
    )

    assert devbox.cmd.exec("bash launched; cat agent/where; [ -x agent/run.sh ] && echo runs").stdout() == (
        "I am an agent\n/home/user/agent\nruns\n"
    )
    counts = sdk.api.agents.devbox_counts()
    assert counts.counts[name] == 1
    assert counts.total_count >= 1
    devbox.shutdown()
    assert name not in sdk.api.agents.devbox_counts().counts
    assert agent.get_info().source is not None
    stored.delete()


def test_agents_of_repositories_and_packages_are_installed(
    sdk: RunloopSDK, create_agent: Create, create: CreateDevbox
) -> None:
    """Agent mounts of git and pip sources; here from the devbox's own disk, which needs no network."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some_agent.py", "print('from pip')\n")
        archive.writestr("some_agent-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-agent\nVersion: 1.0\n")
        archive.writestr(
            "some_agent-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("some_agent-1.0.dist-info/RECORD", "")
    source = create()
    git = "git -c user.name=a -c user.email=a@b"
    made = source.cmd.exec(
        f"git init -q repo && cd repo && echo one > said && {git} add said && {git} commit -qm 1 && git tag v1"
        f" && echo two > said && {git} commit -qam 2"
    )
    assert made.exit_code == 0, made.stderr()
    sdk.api.devboxes.upload_file(source.id, path="/home/user/some_agent-1.0-py3-none-any.whl", file=wheel.getvalue())
    snapshot = source.snapshot_disk()
    source.shutdown()
    cloned = create_agent(source={"type": "git", "git": {"repository": "file:///home/user/repo", "ref": "v1"}})
    installed = create_agent(
        source={"type": "pip", "pip": {"package_name": "/home/user/some_agent-1.0-py3-none-any.whl"}}
    )

    devbox = create(
        snapshot_id=snapshot.id,
        mounts=[
            {"type": "agent_mount", "agent_id": cloned.id, "agent_name": None, "agent_path": "/home/user/a"},
            {"type": "agent_mount", "agent_id": installed.id, "agent_name": None},
        ],
    )

    assert devbox.cmd.exec("cat a/said; python3 -m some_agent").stdout() == "one\nfrom pip\n"
    devbox.shutdown()
    snapshot.delete()


@pytest.mark.parametrize(
    ("mount", "word"),
    [
        ({"agent_name": "nobody", "agent_id": None}, "nobody"),
        ({"agent_name": None, "agent_id": None}, "neither"),
    ],
)
def test_a_mount_of_no_agent_is_refused(
    emulator: Service, create: CreateDevbox, mount: dict[str, Any], word: str
) -> None:
    """Agent mount: a bad request before there is a devbox."""
    with pytest.raises(BadRequestError, match=word):
        create(mounts=[{"type": "agent_mount", **mount}])


def test_a_mount_that_needs_a_path_is_refused_without_one(
    emulator: Service, create_agent: Create, create: CreateDevbox
) -> None:
    """Agent mount: git and object agents have to be put somewhere."""
    agent = create_agent(source={"type": "git", "git": {"repository": "https://github.com/a/b"}})

    with pytest.raises(BadRequestError, match="agent_path"):
        create(mounts=[{"type": "agent_mount", "agent_id": agent.id, "agent_name": None}])


def test_an_agent_that_can_not_be_installed_fails_the_devbox(
    emulator: Service, sdk: RunloopSDK, create_agent: Create
) -> None:
    """Agent mount: what went wrong is in the devbox's log."""
    agent = create_agent(source={"type": "git", "git": {"repository": "/nowhere/at/all"}})
    mount = {"type": "agent_mount", "agent_id": agent.id, "agent_name": None, "agent_path": "/home/user/a"}

    view = sdk.api.devboxes.create(mounts=[mount])  # type: ignore[list-item] # the client's own to check
    with pytest.raises(RunloopError, match="failure"):
        sdk.api.devboxes.await_running(view.id)

    assert any("/nowhere/at/all" in (line.message or "") for line in sdk.api.devboxes.logs.list(view.id).logs)
