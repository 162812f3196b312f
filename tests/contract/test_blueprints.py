"""Blueprints, as the vendor's clients and documentation have them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest
from runloop_api_client import APIStatusError, BadRequestError, NotFoundError, RunloopError, RunloopSDK
from runloop_api_client.sdk import Blueprint, Devbox
from runloop_api_client.types import (
    BlueprintBuildLogsListView,
    BlueprintListView,
    BlueprintPreviewView,
    BlueprintView,
)

from tests.contract.conftest import LIVE, Service
from tests.contract.test_shapes import _fits

Create = Callable[..., Devbox]
Build = Callable[..., Blueprint]
NO_ROOT = not LIVE and os.geteuid() != 0
KNOWN = "runloop/starter-x86_64"
DND = "runloop/universal-ubuntu-24.04-x86_64-dnd"


@pytest.fixture
def build(sdk: RunloopSDK) -> Iterator[Build]:
    """Build blueprints that are deleted with the test."""
    made: list[Blueprint] = []

    def make(**options: object) -> Blueprint:
        named = {"name": f"contract-{uuid.uuid4()}", **options}
        made.append(sdk.blueprint.create(**named))  # type: ignore[arg-type] # the client's own to check
        return made[-1]

    yield make
    for blueprint in made:
        blueprint.delete()


@pytest.fixture(scope="module")
def apt(devbox: Devbox) -> None:
    """Installed packages: for an emulator that runs as root, and can reach a mirror."""
    if NO_ROOT:
        pytest.skip("installing packages needs an emulator that runs as root; run the tests as root")
    update = devbox.cmd.exec("sudo apt-get update")
    if update.exit_code:
        pytest.skip(f"no package mirror can be reached: {update.stderr()[-500:]}")


def _log(sdk: RunloopSDK, blueprint_id: str) -> str:
    return "\n".join(entry.message for entry in sdk.api.blueprints.logs(blueprint_id).logs)


def test_a_name_is_enough(sdk: RunloopSDK, build: Build, create: Create) -> None:
    """Smoke tests of blueprints: only a name; devboxes by id and by name, with the id in their view."""
    blueprint = build()
    info = blueprint.get_info()

    by_id, by_name = create(blueprint_id=blueprint.id), create(blueprint_name=info.name)

    assert (info.id, info.status, info.state, info.is_public) == (blueprint.id, "build_complete", "created", False)
    for devbox in (by_id, by_name):
        view = devbox.get_info()
        assert (view.status, view.blueprint_id) == ("running", blueprint.id)


def test_a_dockerfile_is_built(build: Build) -> None:
    """Blueprint tests: what the Dockerfile made is there, and found by the devbox's user."""
    dockerfile = (
        "FROM ubuntu:22.04\nENV PATH=/tools:$PATH\n"
        'RUN mkdir /tools && \\\n    ln -s "$(command -v python3)" /tools/our-python'
    )

    devbox = build(dockerfile=dockerfile).create_devbox()

    found = devbox.cmd.exec("which our-python && our-python -c 'print(6 * 7)'")
    assert found.stdout() == "/tools/our-python\n42\n"
    assert devbox.get_info().status == "running"
    devbox.shutdown()


def test_packages_are_installed_by_the_dockerfile(apt: None, build: Build) -> None:
    """Blueprint tests: FROM ubuntu:22.04 with apt-get."""
    name = f"contract-{uuid.uuid4()}"
    blueprint = build(name=name, dockerfile="FROM ubuntu:22.04\nRUN apt-get update && apt-get install -y -q sl")

    devbox = blueprint.create_devbox()

    assert (blueprint.get_info().status, blueprint.get_info().name) == ("build_complete", name)
    assert devbox.cmd.exec("dpkg -s sl | grep Status").stdout() == "Status: install ok installed\n"
    devbox.shutdown()


def test_packages_are_installed_by_setup_commands(apt: None, build: Build, create: Create) -> None:
    """Blueprint tests: setup commands run after the Dockerfile, as the default user, who has sudo."""
    commands = ["sudo apt-get update", "sudo apt-get install -y -q sl", "id -un > who; pwd >> who"]
    blueprint = build(dockerfile="FROM ubuntu:22.04", system_setup_commands=commands)

    devbox = create(blueprint_name=blueprint.get_info().name)

    assert devbox.cmd.exec("dpkg -s sl | grep Status").exit_code == 0
    assert devbox.file.read(file_path="who") == "user\n/home/user\n"


def test_a_blueprint_stands_on_another(build: Build, create: Create) -> None:
    """Blueprint tests: base_blueprint_id with a setup command; the new one has its own name."""
    base = build(dockerfile="FROM ubuntu:22.04\nENV LAYER=base\nRUN echo base > /layers")
    commands = ["echo $LAYER-top | sudo tee -a /layers"]

    top = build(base_blueprint_id=base.id, system_setup_commands=commands)

    assert top.get_info().base_blueprint_id == base.id
    assert top.get_info().name != base.get_info().name
    assert create(blueprint_id=top.id).cmd.exec("cat /layers; echo $LAYER").stdout() == "base\nbase-top\nbase\n"


def test_what_was_said_about_it_is_kept(sdk: RunloopSDK, build: Build) -> None:
    """Blueprint API: metadata exactly, at top level; parameters as they were."""
    metadata = {"purpose": "t", "k": "v"}

    info = build(metadata=metadata, system_setup_commands=["true"]).get_info()

    assert info.metadata == metadata
    assert info.parameters.system_setup_commands == ["true"]
    assert info.parameters.dockerfile is None
    assert (info.failure_reason, info.build_finish_time_ms is not None) == (None, True)


def test_blueprints_are_found(sdk: RunloopSDK, build: Build) -> None:
    """Blueprint API: by id, in lists, by exact name, by status."""
    blueprint = build()
    name = blueprint.get_info().name

    assert sdk.blueprint.from_id(blueprint.id).get_info().id == blueprint.id
    assert blueprint.id in {one.id for one in sdk.blueprint.list(limit=10)}
    assert [one.id for one in sdk.blueprint.list(name=name)] == [blueprint.id]
    assert sdk.blueprint.list(name=name[:-1]) == []
    assert blueprint.id in {one.id for one in sdk.api.blueprints.list(status="build_complete").blueprints}
    assert blueprint.id not in {one.id for one in sdk.api.blueprints.list(status="failed").blueprints}


def test_a_deleted_one_is_still_shown(sdk: RunloopSDK) -> None:
    """Blueprint tests: delete answers something; a GET after it has the state "deleted", lists have it no more."""
    blueprint = sdk.blueprint.create(name=f"contract-{uuid.uuid4()}")
    name = blueprint.get_info().name

    assert blueprint.delete() is not None

    assert blueprint.get_info().state == "deleted"
    assert sdk.blueprint.list(name=name) == []
    with pytest.raises(BadRequestError, match=name):
        sdk.devbox.create(blueprint_name=name)


def test_a_used_one_is_deleted_after_its_devboxes(sdk: RunloopSDK) -> None:
    """Smoke tests of blueprints: delete succeeds after the devboxes made from it are shut down."""
    blueprint = sdk.blueprint.create(name=f"contract-{uuid.uuid4()}")
    blueprint.create_devbox().shutdown()

    blueprint.delete()

    assert blueprint.get_info().state == "deleted"


def test_one_with_snapshots_is_not_deleted(build: Build) -> None:
    """Blueprint API, delete: 400 with the dependent snapshots' ids."""
    blueprint = build()
    devbox = blueprint.create_devbox()
    snapshot = devbox.snapshot_disk()
    view = snapshot.get_info().snapshot
    devbox.shutdown()

    with pytest.raises(BadRequestError, match=snapshot.id):
        blueprint.delete()

    assert view is not None
    assert view.source_blueprint_id == blueprint.id
    snapshot.delete()


def test_a_failing_command_fails_the_build(sdk: RunloopSDK) -> None:
    """Blueprint tests: a failing RUN never ends as build_complete; its log can be read."""
    name = f"contract-{uuid.uuid4()}"
    dockerfile = "FROM ubuntu:22.04\nRUN echo before\nRUN echo its words >&2 && exit 3\n"

    with pytest.raises(RunloopError, match="failed"):
        sdk.blueprint.create(name=name, dockerfile=dockerfile)

    (view,) = sdk.api.blueprints.list(name=name).blueprints
    assert (view.status, view.failure_reason) == ("failed", "build_failed")
    log = _log(sdk, view.id)
    assert "before" in log
    assert "its words" in log
    with pytest.raises(BadRequestError, match="failed"):
        sdk.devbox.create(blueprint_id=view.id)
    sdk.api.blueprints.delete(view.id)


def test_logs_tell_the_steps(sdk: RunloopSDK, build: Build) -> None:
    """Lifecycle recipe: build logs are retrievable, and an exec in the devbox gives the expected text."""
    blueprint = build(dockerfile="FROM ubuntu:22.04\nRUN echo from the build | tee /text")

    devbox = blueprint.create_devbox()

    logs = blueprint.logs().logs
    assert any("RUN echo from the build" in entry.message for entry in logs)
    assert any(entry.message == "from the build" for entry in logs)
    assert devbox.cmd.exec("cat /text").stdout() == "from the build\n"
    devbox.shutdown()


def test_secrets_are_there_in_the_build_only(sdk: RunloopSDK, build: Build, create: Create) -> None:
    """Smoke tests of blueprints: ARG with a secret of the account; the view has the secret's name."""
    secret = f"contract_{uuid.uuid4().hex}"
    sdk.api.secrets.create(name=secret, value="s3cret-value")
    dockerfile = (
        'FROM runloop:runloop/starter-arm64\nARG GITHUB_TOKEN\nRUN [ "$GITHUB_TOKEN" = s3cret-value ]'
        if LIVE
        else f'FROM runloop:{KNOWN}\nARG GITHUB_TOKEN\nRUN [ "$GITHUB_TOKEN" = s3cret-value ] && echo $GITHUB_TOKEN\n'
        'RUN --mount=type=secret,id=GITHUB_TOKEN [ "$(cat /run/secrets/GITHUB_TOKEN)" = s3cret-value ]'
    )

    blueprint = build(dockerfile=dockerfile, secrets={"GITHUB_TOKEN": secret})

    secrets = blueprint.get_info().parameters.secrets
    assert secrets is not None
    assert secrets["GITHUB_TOKEN"] == secret
    assert "GITHUB_TOKEN" not in create(blueprint_id=blueprint.id).cmd.exec("env; ls /run/secrets").stdout()
    if not LIVE:
        assert "s3cret-value" not in "".join(entry.message for entry in blueprint.logs().logs[3:])
    sdk.api.secrets.delete(secret)


def test_files_and_variables_and_users_are_as_asked(build: Build, create: Create) -> None:
    """Blueprint API: file mounts after setup commands, ENV below the devbox's own, USER for what follows it."""
    lines = ["FROM ubuntu:22.04", "ENV A=image B=image", "WORKDIR /work", "RUN id -un > who", "USER user"]
    # An ordinary user's emulator has one id for everybody.
    lines += ["RUN echo $USER > ~/who; pwd >> ~/who", f"RUN [ $(id -un) = {'root' if NO_ROOT else 'user'} ]"]
    mounts = {"/home/user/m/n": "mounted"}
    blueprint = build(dockerfile="\n".join(lines), file_mounts=mounts, system_setup_commands=["test ! -e m"])

    devbox = create(blueprint_id=blueprint.id, environment_variables={"B": "mine"})

    printed = devbox.cmd.exec("echo $A $B $PWD; cat m/n /work/who who; stat -c %U m/n").stdout()
    assert printed == "image mine /home/user\nmountedroot\nuser\n/work\nuser\n"


def test_launch_parameters_are_inherited(build: Build, create: Create) -> None:
    """Blueprint API: a devbox's view has the blueprint's launch parameters under its own."""
    launch = {"keep_alive_time_seconds": 120, "launch_commands": ["echo here > launched"]}
    blueprint = build(launch_parameters=launch)

    devbox = create(blueprint_id=blueprint.id, launch_parameters={"keep_alive_time_seconds": 240})

    view = devbox.get_info().launch_parameters
    assert (view.keep_alive_time_seconds, view.launch_commands) == (240, launch["launch_commands"])
    assert devbox.file.read(file_path="launched") == "here\n"


def test_devboxes_of_one_blueprint_are_apart(build: Build, create: Create) -> None:
    """What one devbox writes, no other sees, nor those made later."""
    blueprint = build(dockerfile="FROM ubuntu:22.04\nRUN echo image > /file && chmod 666 /file")

    first = create(blueprint_id=blueprint.id)
    first.cmd.exec("echo mine > /file")

    assert create(blueprint_id=blueprint.id).cmd.exec("cat /file").stdout() == "image\n"


@pytest.mark.parametrize("given", [{"blueprint_name": KNOWN[:-1]}, {"blueprint_id": "bpt_basestarterx866"}])
def test_an_unknown_one_is_answered_with_the_closest(sdk: RunloopSDK, given: dict[str, str]) -> None:
    """Devbox API: creating by an unknown blueprint is a bad request; asking for one is not found."""
    with pytest.raises(BadRequestError, match="blueprint"):
        sdk.devbox.create(**given)  # type: ignore[arg-type] # the client's own to check
    with pytest.raises(NotFoundError):
        sdk.blueprint.from_id("bpt_nope").get_info()
    with pytest.raises(NotFoundError):
        sdk.api.blueprints.logs("bpt_nope")


def test_the_public_list_ends(sdk: RunloopSDK) -> None:
    """The vendor's example walks all of list_public, page by page."""
    page = sdk.api.blueprints.list_public(limit=2)
    names = [one.name for one in page.blueprints]
    while page.has_more:
        page = sdk.api.blueprints.list_public(limit=2, starting_after=page.blueprints[-1].id)
        names += [one.name for one in page.blueprints]

    assert len(names) == len(set(names))
    assert {KNOWN, DND} <= set(names)
    assert sdk.api.blueprints.list_public(name=KNOWN).blueprints[0].is_public


def test_a_public_one_can_not_be_deleted(emulator: Service, sdk: RunloopSDK) -> None:
    """Base blueprints belong to everybody."""
    (base,) = sdk.api.blueprints.list_public(name=KNOWN).blueprints

    with pytest.raises(BadRequestError, match="base blueprint"):
        sdk.blueprint.from_id(base.id).delete()


def test_a_retried_request_builds_once(emulator: Service, http: httpx.Client) -> None:
    """Requests: the same x-request-id is the same request."""
    name = f"contract-{uuid.uuid4()}"

    answers = [http.post("/v1/blueprints", json={"name": name}, headers={"x-request-id": name}) for _ in range(2)]

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(http.get("/v1/blueprints", params={"name": name}).json()["blueprints"]) == 1


@pytest.mark.parametrize("dockerfile", ["FROM python:3.12", "FROM ubuntu:22.04\nCOPY . /app", "HELLO", "RUN true"])
def test_what_can_not_be_built_here_says_so_in_its_log(emulator: Service, http: httpx.Client, dockerfile: str) -> None:
    """The emulator has no registry, and no build context but one that is given."""
    blueprint = http.post("/v1/blueprints", json={"name": "unbuildable", "dockerfile": dockerfile}).json()["id"]

    assert http.get(f"/v1/blueprints/{blueprint}").json()["status"] == "failed"

    logs = http.get(f"/v1/blueprints/{blueprint}/logs").json()["logs"]
    assert [entry["level"] for entry in logs if "Dockerfile line" in entry["message"]] == ["ERROR"]


def test_an_unknown_network_policy_is_refused(emulator: Service, sdk: RunloopSDK) -> None:
    """A build must not look as if it had been held to a policy that isn't there."""
    for given in ({"network_policy_id": "npol_1"}, {"launch_parameters": {"network_policy_id": "npol_1"}}):
        with pytest.raises(APIStatusError, match="network_policy_id") as refusal:
            sdk.blueprint.create(name="policy", **given)
        assert refusal.value.status_code == 400


def test_answers_fit_the_clients_models(http: httpx.Client) -> None:
    """Every field has its type, and none is one that the client doesn't know."""
    body = {
        "name": f"contract-{uuid.uuid4()}",
        "metadata": {"a": "1"},
        "file_mounts": {"a": "b"},
        "launch_parameters": {"resource_size_request": "SMALL"},
    }
    blueprint = _fits(BlueprintView, http.post("/v1/blueprints", json=body))["id"]
    _fits(BlueprintView, http.get(f"/v1/blueprints/{blueprint}"))
    _fits(BlueprintListView, http.get("/v1/blueprints", params={"limit": 3}))
    _fits(BlueprintListView, http.get("/v1/blueprints/list_public"))
    _fits(BlueprintBuildLogsListView, http.get(f"/v1/blueprints/{blueprint}/logs"))
    _fits(BlueprintPreviewView, http.post("/v1/blueprints/preview", json=body))
    assert http.post(f"/v1/blueprints/{blueprint}/delete").json() == {}


FIELDS = ["name", "dockerfile", "base_blueprint_id", "base_blueprint_name", "system_setup_commands", "build_args"]
FIELDS += ["build_context", "file_mounts", "code_mounts", "launch_parameters", "metadata", "secrets", "services"]


@pytest.mark.parametrize("field", FIELDS)
def test_wrong_values_are_refused_or_taken_but_never_break_anything(
    emulator: Service, http: httpx.Client, field: str
) -> None:
    values: list[object] = [None, True, -1, "", "\0", "x" * 200_000, [], [None], {}, {"a": None}, {"a": {}}, [[[]]]]
    for value in values:
        for path in ("", "/preview"):
            answer = http.post(f"/v1/blueprints{path}", json={"name": "nasty", field: value})

            assert answer.status_code in {200, 400, 501}, (field, value, answer.text)
