"""Containers in a devbox, on the base blueprint that has Docker."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from runloop_api_client import RunloopSDK
from runloop_api_client.sdk import Devbox

from tests.contract.conftest import LIVE

DND = "runloop/universal-ubuntu-24.04-x86_64-dnd"
IMPORT = """set -e
mkdir -p tree/bin
cp /bin/sh tree/bin/sh
for library in $(ldd /bin/sh | grep -o '/lib[^ ]*'); do
  mkdir -p "tree$(dirname "$library")"
  cp "$library" "tree$library"
done
tar -C tree -c . | docker import - tiny
"""
RUN = "docker run --rm --network none tiny /bin/sh -c 'echo hello from $$'"


@pytest.fixture(scope="module")
def dnd(sdk: RunloopSDK) -> Iterator[Devbox]:
    """A devbox that can run containers."""
    if not LIVE and os.geteuid() != 0:
        pytest.skip("containers need an emulator that runs as root; run the tests as root")
    devbox = sdk.devbox.create(blueprint_name=DND, launch_parameters={"resource_size_request": "MEDIUM"})
    if "docker_in_docker" not in devbox.get_info().capabilities:
        log = "\n".join(str(entry.message) for entry in devbox.logs().logs if entry.level == "WARN")
        devbox.shutdown()
        pytest.skip(f"Docker can't be installed here: {log}")
    yield devbox
    devbox.shutdown()


@pytest.fixture(scope="module")
def image(dnd: Devbox) -> str:
    """An image made in the devbox: no registry is asked."""
    made = dnd.cmd.exec(IMPORT)
    assert made.exit_code == 0, made.stderr()
    return "tiny"


@pytest.mark.parametrize("command", [RUN, f"sudo {RUN}"])
def test_a_container_runs(dnd: Devbox, image: str, command: str) -> None:
    """As the devbox's user and as root, as process 1 of its own."""
    ran = dnd.cmd.exec(command)

    assert (ran.stdout(), ran.exit_code) == ("hello from 1\n", 0), ran.stderr()


def test_a_containers_exit_code_is_the_commands(dnd: Devbox, image: str) -> None:
    assert dnd.cmd.exec("docker run --rm --network none tiny /bin/sh -c 'exit 7'").exit_code == 7


def test_a_container_sees_a_directory_of_the_devbox(dnd: Devbox, image: str) -> None:
    dnd.file.write(file_path="shared/file", contents="from the devbox\n")

    ran = dnd.cmd.exec("docker run --rm --network none -v ~/shared:/s tiny /bin/sh -c 'read line </s/file; echo $line'")

    assert ran.stdout() == "from the devbox\n", ran.stderr()


def test_containers_survive_a_suspended_devbox_as_files_only(dnd: Devbox, image: str) -> None:
    """The daemon is started again when it is next needed, and still knows its images."""
    dnd.cmd.exec("docker run -d --name long --network none tiny /bin/sh -c 'while :; do read -t 1 x; done'")
    dnd.suspend()
    dnd.await_suspended()
    dnd.resume()
    dnd.await_running()

    for command, printed in (
        ("docker images --format '{{.Repository}}'", "tiny\n"),
        ("docker ps --quiet", ""),
        (RUN, "hello from 1\n"),
    ):
        ran = dnd.cmd.exec(command)
        assert (ran.stdout(), ran.exit_code) == (printed, 0), ran.stderr()


def test_many_first_users_start_one_daemon(sdk: RunloopSDK, dnd: Devbox) -> None:
    devbox = sdk.devbox.create(blueprint_name=DND)

    ran = devbox.cmd.exec("for i in 1 2 3 4; do docker version >$i 2>&1 & done; wait; grep -l Server: ? | wc -l")

    assert ran.stdout().strip() == "4"
    assert devbox.cmd.exec("pgrep -x dockerd | wc -l").stdout().strip() == "1"
    devbox.shutdown()


def test_a_snapshot_can_do_the_same(dnd: Devbox, image: str) -> None:
    snapshot = dnd.snapshot_disk()
    clone = snapshot.create_devbox()

    assert clone.get_info().capabilities == ["docker_in_docker"]
    ran = clone.cmd.exec(RUN)
    assert ran.stdout() == "hello from 1\n", ran.stderr()
    again = clone.cmd.exec(f"docker image rm tiny && {IMPORT}")
    assert again.exit_code == 0, again.stderr()
    assert clone.cmd.exec(RUN).stdout() == "hello from 1\n"
    clone.shutdown()
    snapshot.delete()


def test_only_the_first_devbox_waits_for_docker(sdk: RunloopSDK, dnd: Devbox) -> None:
    """A layer is made once; a plain devbox is the measure."""

    def seconds(**given: str) -> float:
        began = time.monotonic()
        sdk.devbox.create(**given).shutdown()  # type: ignore[arg-type] # the client's own to check
        return time.monotonic() - began

    assert min(seconds(blueprint_name=DND) for _ in range(3)) < 10 * min(seconds() for _ in range(3)) + 0.5
