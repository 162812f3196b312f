"""Devbox life, as the vendor's clients and documentation have it."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest
from runloop_api_client import BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.lib.polling import PollingConfig, PollingTimeout
from runloop_api_client.sdk import Devbox

from tests.contract.conftest import Service

Create = Callable[..., Devbox]


def test_a_plain_create_answers_at_once_and_can_be_shut_down_while_booting(sdk: RunloopSDK) -> None:
    """Devbox API, create: the answer comes before the devbox runs."""
    view = sdk.api.devboxes.create(name="plain")

    over = sdk.api.devboxes.shutdown(view.id)

    assert view.id
    assert over.status == "shutdown"


def test_an_empty_body_creates_a_devbox(http: httpx.Client) -> None:
    """The client sends ``{}`` for a devbox without options."""
    view = http.post("/v1/devboxes/create_and_await_running", json={}).json()

    http.post(f"/v1/devboxes/{view['id']}/shutdown")

    assert view["status"] == "running"
    assert [one["status"] for one in view["state_transitions"]] == ["provisioning", "initializing", "running"]


def test_a_created_devbox_runs_and_keeps_what_was_asked(create: Create) -> None:
    """Devbox API, create: the view shows name, metadata and launch parameters."""
    devbox = create(
        name="asked",
        metadata={"team": "x"},
        launch_parameters={"resource_size_request": "SMALL", "keep_alive_time_seconds": 300},
    )

    info = devbox.get_info()

    assert (info.id, info.status, info.name, info.metadata) == (devbox.id, "running", "asked", {"team": "x"})
    assert info.launch_parameters.keep_alive_time_seconds == 300
    assert info.tunnel is None
    assert (info.blueprint_id, info.snapshot_id, info.end_time_ms) == (None, None, None)


def test_environment_and_secrets_reach_commands(sdk: RunloopSDK, create: Create) -> None:
    """Devbox API, create: ``secrets`` maps a variable to a secret's name; it wins over plain variables."""
    sdk.api.secrets.create(name="contract-secret", value="s3cret value")
    try:
        devbox = create(
            environment_variables={"PLAIN": "a b", "BOTH": "plain"},
            secrets={"SECRET": "contract-secret", "BOTH": "contract-secret"},
        )
        result = devbox.cmd.exec('printf "%s|%s|%s" "$PLAIN" "$SECRET" "$BOTH"')
        assert result.stdout() == "a b|s3cret value|s3cret value"
    finally:
        sdk.api.secrets.delete("contract-secret")


def test_an_unknown_secret_is_a_bad_request(sdk: RunloopSDK) -> None:
    """A create that can't be fulfilled fails at once."""
    with pytest.raises(BadRequestError, match="no-such-secret"):
        sdk.devbox.create(secrets={"A": "no-such-secret"})


def test_an_unknown_blueprint_is_a_bad_request(sdk: RunloopSDK) -> None:
    """Devbox API, create: 400 for a blueprint that isn't there."""
    with pytest.raises(BadRequestError, match="no-such-blueprint"):
        sdk.devbox.create_from_blueprint_name("no-such-blueprint")


def test_a_base_blueprint_by_name_shows_its_id(sdk: RunloopSDK) -> None:
    """A devbox made by blueprint name has a ``blueprint_id``."""
    devbox = sdk.devbox.create_from_blueprint_name("runloop/universal-ubuntu-24.04-x86_64-dnd")

    info = devbox.get_info()
    devbox.shutdown()

    assert info.status == "running"
    assert (info.blueprint_id or "").startswith("bpt_")


def test_root_is_asked_for_by_user_parameters(create: Create) -> None:
    """Launch parameters: root's home is /root; anybody else's is /home/NAME."""
    root = create(launch_parameters={"user_parameters": {"username": "root", "uid": 0}})
    other = create(launch_parameters={"user_parameters": {"username": "dev", "uid": 1001}})

    assert root.cmd.exec("id -u; pwd; echo $HOME $USER").stdout() == "0\n/root\n/root root\n"
    assert other.cmd.exec("id -u; pwd; echo $HOME $USER").stdout() == "1001\n/home/dev\n/home/dev dev\n"


def test_launch_commands_are_over_before_it_runs(create: Create) -> None:
    """Launch parameters: ``launch_commands`` run before the devbox is ``running``."""
    devbox = create(launch_parameters={"launch_commands": ["sleep 1", "echo launched > ~/mark"]})

    assert devbox.cmd.exec("cat ~/mark").stdout() == "launched\n"


def test_a_slow_start_is_not_waited_for_longer_than_asked(service: Service) -> None:
    """The create call answers inside the client's read timeout though the devbox doesn't run yet."""
    started = time.monotonic()
    with RunloopSDK(bearer_token=service.api_key, base_url=service.base_url) as sdk:
        with pytest.raises(PollingTimeout):
            sdk.devbox.create(
                name="slow",
                launch_parameters={"launch_commands": ["sleep 70"]},
                polling_config=PollingConfig(max_attempts=1, interval_seconds=0.1),
            )
        took = time.monotonic() - started
        ends = [
            sdk.api.devboxes.shutdown(view.id).status
            for view in sdk.api.devboxes.list(limit=10).devboxes
            if view.name == "slow" and view.status == "initializing"
        ]

    assert took < 28
    assert ends == ["shutdown"]


def test_file_mounts_are_there(create: Create) -> None:
    """Devbox API, create: ``file_mounts`` maps a path to its text."""
    devbox = create(
        file_mounts={"/home/user/a/b.txt": "ü\n"}, mounts=[{"type": "file_mount", "target": "c", "content": "d"}]
    )

    assert devbox.file.read(file_path="/home/user/a/b.txt") == "ü\n"
    assert devbox.file.read(file_path="c") == "d"


def test_shutdown_is_immediate_final_and_readable(create: Create) -> None:
    """Devbox API, shutdown: the record stays; ending twice does no harm."""
    devbox = create()

    over = devbox.shutdown()
    again = devbox.shutdown()
    info = devbox.get_info()

    assert {over.status, again.status, info.status} == {"shutdown"}
    assert info.shutdown_reason == "api_shutdown"
    assert info.end_time_ms is not None
    with pytest.raises(BadRequestError, match="shutdown"):
        devbox.cmd.exec("true")
    with pytest.raises(BadRequestError, match="shutdown"):
        devbox.suspend()


def test_suspend_and_resume_keep_the_disk(create: Create) -> None:
    """Devbox documentation, suspend and resume: files keep content, mode and time; processes end."""
    devbox = create()
    devbox.cmd.exec("echo kept > /tmp/f; chmod 741 /tmp/f; touch -d @1000000000.5 /tmp/f; (sleep 333 &)")

    devbox.suspend()
    assert devbox.await_suspended().status == "suspended"
    assert devbox.get_info().status == "suspended"
    assert devbox.resume().status == "running"

    assert devbox.cmd.exec("cat /tmp/f; stat -c '%a %.1Y' /tmp/f").stdout() == "kept\n741 1000000000.5\n"
    assert devbox.cmd.exec("pgrep -f 'sleep 33[3]'").exit_code == 1


def test_right_after_a_resume_no_client_sees_a_status_it_can_not_bear(create: Create) -> None:
    """One client's test wants suspended, running, starting or provisioning; another gives up on provisioning."""
    devbox = create()
    devbox.suspend()
    devbox.await_suspended()

    devbox.resume_async()
    status = devbox.get_info().status

    assert status in {"suspended", "running"}
    assert devbox.await_running().status == "running"


def test_a_suspended_devbox_can_be_shut_down(create: Create) -> None:
    """Devbox API, shutdown: allowed in any status."""
    devbox = create()
    devbox.suspend()
    devbox.await_suspended()

    assert devbox.shutdown().status == "shutdown"


def test_resume_needs_a_suspended_devbox(devbox: Devbox) -> None:
    """Devbox API, resume: 400 unless suspended."""
    with pytest.raises(BadRequestError, match="running"):
        devbox.resume()


def test_await_running_returns_at_once_when_it_runs(devbox: Devbox) -> None:
    """Polling a condition that is met costs one request."""
    started = time.monotonic()

    assert devbox.await_running().status == "running"
    assert time.monotonic() - started < 2


def test_keep_alive_answers_with_a_body(devbox: Devbox) -> None:
    """Every success has a JSON body."""
    assert devbox.keep_alive() is not None


def test_update_changes_name_and_metadata_and_clears_them(sdk: RunloopSDK, devbox: Devbox) -> None:
    """Devbox API, update: metadata is replaced as a whole; empty clears, absent leaves."""
    update = sdk.api.devboxes.update

    assert update(devbox.id, name="new", metadata={"a": "1"}).metadata == {"a": "1"}
    assert update(devbox.id, metadata={"b": "2"}).metadata == {"b": "2"}
    assert update(devbox.id, metadata={}).name == "new"
    assert update(devbox.id, name="").name in {None, ""}


def test_lists_are_newest_first_and_paged(sdk: RunloopSDK, http: httpx.Client, create: Create) -> None:
    """Pagination: ``starting_after`` is the last id seen; ``has_more`` ends it."""
    older, newer = create(name="older"), create(name="newer")

    first = http.get("/v1/devboxes", params={"limit": 1, "status": "running"}).json()
    second = http.get("/v1/devboxes", params={"limit": 1, "status": "running", "starting_after": newer.id}).json()

    assert [one["id"] for one in first["devboxes"]] == [newer.id]
    assert [one["id"] for one in second["devboxes"]] == [older.id]
    assert first["has_more"]
    assert first["total_count"] >= 2
    assert http.get("/v1/devboxes", params={"include_total_count": "false"}).json()["total_count"] is None
    assert len(sdk.devbox.list(limit=10)) >= 2


def test_an_unknown_devbox_is_not_found(sdk: RunloopSDK) -> None:
    """Devbox API: 404 for an unknown id, in the client's error form."""
    with pytest.raises(NotFoundError) as error:
        sdk.api.devboxes.retrieve("dbx_nope")

    assert error.value.response.json()["message"]
    assert error.value.response.json()["code"] == "404"


def test_waiting_for_a_status_ends_with_408(http: httpx.Client, devbox: Devbox) -> None:
    """A long poll answers 200 only when its condition is met; timeouts are fractions of seconds."""
    path = f"/v1/devboxes/{devbox.id}/wait_for_status"
    started = time.monotonic()

    late = http.post(path, json={"statuses": ["suspended", "failure"], "timeout_seconds": 0.25})

    assert late.status_code == 408
    assert 0.25 <= time.monotonic() - started < 2
    assert http.post(path, json={"statuses": ["running"], "timeout_seconds": 4.99}).json()["status"] == "running"
    assert http.post(path, json={"statuses": ["asleep"]}).status_code == 400


def test_bodyless_posts_may_claim_json(http: httpx.Client, devbox: Devbox) -> None:
    """The client sends ``Content-Type: application/json`` with no body."""
    headers = {"Content-Type": "application/json", "Content-Length": "0"}

    assert http.post(f"/v1/devboxes/{devbox.id}/keep_alive", headers=headers).json() == {}


def test_a_retried_create_makes_one_devbox(http: httpx.Client) -> None:
    """A request is repeated with the same ``x-request-id`` when its answer was lost."""
    headers = {"x-request-id": "stainless-python-retry-contract-create"}

    answers = [http.post("/v1/devboxes", json={}, headers=headers).json() for _ in range(2)]
    http.post(f"/v1/devboxes/{answers[0]['id']}/shutdown")

    assert answers[0]["id"] == answers[1]["id"]


def test_keep_alive_time_shuts_the_devbox_down(create: Create) -> None:
    """Launch parameters: ``keep_alive_time_seconds`` after the last activity."""
    devbox = create(launch_parameters={"keep_alive_time_seconds": 1})

    time.sleep(1.5)  # the time itself is the subject

    info = devbox.get_info()
    assert (info.status, info.shutdown_reason) == ("shutdown", "keep_alive_timeout")
