from __future__ import annotations

from typing import Any

import pytest

from pytest_runloop.emulator.domain.creation import parse_create
from pytest_runloop.emulator.domain.launch import GIB, parse_launch
from pytest_runloop.emulator.domain.problems import ApiProblem

CUSTOM = {"resource_size_request": "CUSTOM_SIZE"}


def test_an_empty_body_is_a_default_devbox() -> None:
    request = parse_create({})

    assert (request.launch.username, request.launch.uid) == ("user", 1000)
    assert request.launch.memory_bytes == 2 * GIB
    assert request.launch.idle.seconds == 3600
    assert request.blueprint_id is None


def test_null_is_the_same_as_absent() -> None:
    assert parse_create({"name": None, "launch_parameters": {"launch_commands": None}}) == parse_create({})


@pytest.mark.parametrize(
    ("size", "gib"),
    [("X_SMALL", 1), ("SMALL", 2), ("MEDIUM", 4), ("LARGE", 8), ("X_LARGE", 16), ("XX_LARGE", 32)],
)
def test_a_size_sets_the_memory(size: str, gib: int) -> None:
    assert parse_launch({"resource_size_request": size}).memory_bytes == gib * GIB


def test_a_custom_size_sets_the_memory() -> None:
    assert parse_launch({**CUSTOM, "custom_cpu_cores": 2, "custom_gb_memory": 6}).memory_bytes == 6 * GIB


def test_after_idle_replaces_keep_alive() -> None:
    idle = {"idle_time_seconds": 7, "on_idle": "suspend"}

    rule = parse_launch({"keep_alive_time_seconds": 5, "lifecycle": {"after_idle": idle}, "after_idle": idle}).idle

    assert (rule.seconds, rule.suspend, rule.shutdown_reason) == (7, True, "idle")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"resource_size_request": "HUGE"}, "resource_size_request"),
        ({"resource_size_requst": "SMALL"}, "resource_size_requst"),
        ({"custom_gb_memory": 4}, "custom_gb_memory"),
        ({**CUSTOM, "custom_cpu_cores": 3}, "custom_cpu_cores"),
        ({**CUSTOM, "custom_disk_size": 1}, "custom_disk_size"),
        ({**CUSTOM, "custom_cpu_cores": 1, "custom_gb_memory": 16}, "custom_gb_memory"),
        ({"keep_alive_time_seconds": 172_801}, "keep_alive_time_seconds"),
        ({"keep_alive_time_seconds": "60"}, "keep_alive_time_seconds"),
        ({"keep_alive_time_seconds": True}, "keep_alive_time_seconds"),
        ({"launch_commands": "true"}, "launch_commands"),
        ({"launch_commands": ["true", 1]}, "launch_commands[1]"),
        ({"after_idle": {"idle_time_seconds": 1}}, "after_idle.on_idle"),
        ({"user_parameters": {"username": "root", "uid": 1000}}, "user_parameters"),
        ({"user_parameters": {"username": "user", "uid": 0}}, "user_parameters"),
        ({"user_parameters": {"username": "../root", "uid": 7}}, "user_parameters.username"),
        ({"user_parameters": {"username": "user", "uid": -1}}, "user_parameters.uid"),
        ({"lifecycle": {"lifecycle_hooks": {"suspend_deadline_ms": 60_001}}}, "suspend_deadline_ms"),
        ({"architecture": "sparc"}, "architecture"),
    ],
)
def test_a_wrong_launch_parameter_is_named(parameters: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiProblem) as refusal:
        parse_create({"launch_parameters": parameters})

    assert refusal.value.status == 400
    assert refusal.value.message.startswith("launch_parameters.")
    assert field in refusal.value.message


def test_two_idle_rules_that_differ_are_refused() -> None:
    one, other = ({"idle_time_seconds": seconds, "on_idle": "shutdown"} for seconds in (1, 2))

    with pytest.raises(ApiProblem, match="after_idle"):
        parse_launch({"after_idle": one, "lifecycle": {"after_idle": other}})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"nam": "x"}, "nam"),
        ({"name": 1}, "name"),
        ({"metadata": {"k": 1}}, "metadata['k']"),
        ({"environment_variables": {"A=B": "1"}}, "environment_variables"),
        ({"environment_variables": {"A": "\0"}}, "environment_variables['A']"),
        ({"environment_variables": {"A": "\ud800"}}, "environment_variables['A']"),
        ({"blueprint_name": "runloop/starter-x86_64", "snapshot_id": "snp_1"}, "snapshot_id"),
        ({"tunnel": {"auth_mode": "closed"}}, "tunnel.auth_mode"),
        ({"mounts": [{"type": "nfs"}]}, "mounts[0].type"),
        ({"mounts": [{"type": "file_mount", "target": "/a"}]}, "mounts[0].content"),
        ({"mounts": [{"type": "object_mount", "object_id": "obj_1"}]}, "mounts[0].object_path"),
        ({"mounts": [{"type": "object_mount", "object_id": "obj_1", "object_path": ""}]}, "mounts[0].object_path"),
        ({"mounts": [{"type": "code_mount", "repo_owner": "..", "repo_name": "r"}]}, "mounts[0].repo_owner"),
        ({"code_mounts": [{"repo_owner": "o", "repo_name": "a/b"}]}, "code_mounts[0].repo_name"),
        ({"code_mounts": [{"repo_owner": "o", "repo_name": "r", "git_ref": "-x"}]}, "code_mounts[0].git_ref"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiProblem) as refusal:
        parse_create(body)

    assert refusal.value.status == 400
    assert field in refusal.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"repo_connection_id": "repo_1"},
        {"launch_parameters": {"required_services": ["db"]}},
    ],
)
def test_what_is_not_emulated_is_refused_for_good(body: dict[str, Any]) -> None:
    with pytest.raises(ApiProblem) as refusal:
        parse_create(body)

    assert refusal.value.status == 501
    assert refusal.value.headers == {"x-should-retry": "false"}


def test_file_mounts_of_both_kinds_are_one() -> None:
    request = parse_create(
        {"file_mounts": {"a": "1"}, "mounts": [{"type": "file_mount", "target": "b", "content": "2"}]}
    )

    assert request.file_mounts == {"a": "1", "b": "2"}
