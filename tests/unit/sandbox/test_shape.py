from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agents.extensions.sandbox.runloop import RunloopTimeouts
from agents.sandbox import Manifest
from agents.sandbox.entries import Dir, File, LocalDir, LocalFile
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.cache.key import key_of
from pytest_runloop.errors import SpecError
from pytest_runloop.provisioning import Provisioner
from pytest_runloop.sandbox.handle import Sandbox
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target

SPEC = SandboxSpec(test="t.py::x")
LAUNCH = "launch_parameters"


def key(spec: SandboxSpec) -> str:
    endpoint = Endpoint(target=Target.EMULATOR, base_url="http://127.0.0.1:1", api_key="ak_hush")
    return key_of(Provisioner(endpoint).shape(spec))


def options(**fields: object) -> SandboxSpec:
    return replace(SPEC, options=fields)


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, test="other.py::y"),
        options(name="called"),
        options(metadata={"team": "a"}),
        options(exposed_ports=[8000]),
        options(pause_on_exit=True),
        options(timeouts={"create_s": 7}),
        options(timeouts=RunloopTimeouts(snapshot_s=9)),
        options(launch_parameters={"keep_alive_time_seconds": 60}),
        options(launch_parameters={"after_idle": {"idle_time_seconds": 9, "on_idle": "suspend"}}),
        replace(SPEC, manifest=Manifest(root="/home/user")),
        replace(SPEC, manifest={"entries": {}}),
    ],
)
def test_what_does_not_shape_the_disk_does_not_change_the_key(spec: SandboxSpec) -> None:
    assert key(spec) == key(SPEC)


def other_setup(sandbox: Sandbox) -> None:
    sandbox.exec("true")


SHAPING: dict[str, SandboxSpec] = {
    "nothing": SPEC,
    "root": replace(SPEC, user="root"),
    "blueprint name": options(blueprint_name="runloop/starter-x86_64"),
    "blueprint id": options(blueprint_id="bpt_1"),
    "another id": options(blueprint_id="bpt_2"),
    "blueprint": replace(SPEC, blueprint=Blueprint(dockerfile="FROM ubuntu:22.04")),
    "another blueprint": replace(SPEC, blueprint=Blueprint(dockerfile="FROM ubuntu:24.04")),
    "account": options(user_parameters={"username": "ann", "uid": 1001}),
    "uid": options(user_parameters={"username": "ann", "uid": 1002}),
    "environment": options(env_vars={"A": "1"}),
    "another value": options(env_vars={"A": "2"}),
    "another name": options(env_vars={"B": "1"}),
    "manifest environment": replace(SPEC, manifest={"environment": {"value": {"A": "1"}}}),
    "secret": options(managed_secrets={"TOKEN": "hush"}),
    "launch commands": options(launch_parameters={"launch_commands": ["true"]}),
    "their order": options(launch_parameters={"launch_commands": ["true", "id"]}),
    "size": options(launch_parameters={"resource_size_request": "LARGE"}),
    "architecture": options(launch_parameters={"architecture": "arm64"}),
    "network": options(launch_parameters={"network_policy_id": "npol_1"}),
    "suspend hook": options(launch_parameters={"lifecycle": {"lifecycle_hooks": {"suspend_commands": ["sync"]}}}),
    "tunnel": options(tunnel={"auth_mode": "authenticated"}),
    "manifest root": replace(SPEC, manifest=Manifest(root="/home/user/work")),
    "manifest file": replace(SPEC, manifest=Manifest(entries={"a": File(content=b"1")})),
    "its content": replace(SPEC, manifest=Manifest(entries={"a": File(content=b"2")})),
    "its place": replace(SPEC, manifest=Manifest(entries={"b": File(content=b"1")})),
    "its depth": replace(SPEC, manifest=Manifest(entries={"d": Dir(children={"a": File(content=b"1")})})),
    "manifest user": replace(SPEC, manifest={"users": [{"name": "bob"}]}),
    "file": replace(SPEC, files={"a": "1"}),
    "file content": replace(SPEC, files={"a": "2"}),
    "file name": replace(SPEC, files={"b": "1"}),
    "setup": replace(SPEC, setup=("true",)),
    "more setup": replace(SPEC, setup=("true", "true")),
    "setup callable": replace(SPEC, setup=other_setup),
}


def test_whatever_shapes_the_disk_changes_the_key() -> None:
    keys = {name: key(spec) for name, spec in SHAPING.items()}

    assert len(set(keys.values())) == len(SHAPING)
    assert all(key(spec) == keys[name] for name, spec in SHAPING.items())


def test_a_text_and_its_bytes_are_the_same_file() -> None:
    assert key(replace(SPEC, files={"a": "ü"})) == key(replace(SPEC, files={"a": "ü".encode()}))
    assert key(replace(SPEC, files={"a": "ü"})) == key(replace(SPEC, files={"/home/user/a": "ü"}))


@given(st.permutations(list("abcd")), st.permutations(list("efgh")))
def test_the_order_in_which_a_mark_names_things_does_not_matter(names: list[str], others: list[str]) -> None:
    def spec(first: list[str], second: list[str]) -> SandboxSpec:
        return SandboxSpec(
            test="t.py::x",
            options={"env_vars": {name: name for name in first}, "managed_secrets": dict.fromkeys(second, "v")},
            files={name: name for name in first},
            manifest=Manifest(entries={name: File(content=name.encode()) for name in second}),
        )

    assert key(spec(names, others)) == key(spec(sorted(names), sorted(others)))


def test_the_value_of_a_managed_secret_is_not_in_it() -> None:
    assert key(options(managed_secrets={"TOKEN": "one"})) == key(options(managed_secrets={"TOKEN": "two"}))


def test_the_key_of_the_account_is_not_in_it() -> None:
    endpoint = Endpoint(target=Target.LIVE, base_url="https://api.runloop.ai", api_key="ak_other")

    assert key_of(Provisioner(endpoint).shape(SPEC)) == key(SPEC)


def local_file(path: Path) -> SandboxSpec:
    return replace(SPEC, files={"x": path})


def manifest_file(path: Path) -> SandboxSpec:
    return replace(SPEC, manifest=Manifest(entries={"x": LocalFile(src=path)}))


def manifest_directory(path: Path) -> SandboxSpec:
    return replace(SPEC, manifest=Manifest(entries={"x": LocalDir(src=path.parent)}))


@pytest.mark.parametrize("spec_of", [local_file, manifest_file, manifest_directory])
def test_local_files_count_by_content_wherever_and_whenever(
    tmp_path: Path, spec_of: Callable[[Path], SandboxSpec]
) -> None:
    here, there = tmp_path / "here" / "f", tmp_path / "there" / "f"
    for path in (here, there):
        path.parent.mkdir()
        path.write_text("content")
        path.chmod(0o644)
    os.utime(there, (1, 1))

    same = key(spec_of(here)), key(spec_of(there))
    there.write_text("other")

    assert same[0] == same[1] == key(spec_of(here)) != key(spec_of(there))


def test_a_mode_counts_where_it_reaches_the_sandbox(tmp_path: Path) -> None:
    path = tmp_path / "run.sh"
    path.write_text("true")
    path.chmod(0o644)
    before = key(local_file(path)), key(manifest_file(path))
    path.chmod(0o755)

    assert key(local_file(path)) != before[0]
    # The SDK gives a manifest's file the mode of its entry.
    assert key(manifest_file(path)) == before[1]


def test_a_directory_counts_with_its_names_and_links(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("1")
    keys = {key(replace(SPEC, files={"d": tmp_path / "d"}))}
    (tmp_path / "d" / "empty").mkdir()
    keys.add(key(replace(SPEC, files={"d": tmp_path / "d"})))
    (tmp_path / "d" / "link").symlink_to("a")
    keys.add(key(replace(SPEC, files={"d": tmp_path / "d"})))

    assert len(keys) == 3


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (options(blueprint_nam="x"), "blueprint_nam", "did you mean 'blueprint_name'"),
        (replace(SPEC, setup=print), "setup", "is no function"),
        (replace(SPEC, manifest=Manifest(entries={"b": File(content=b"\xff")})), "manifest", "files="),
        (
            replace(SPEC, blueprint=Blueprint(base="x"), options={"blueprint_name": "y"}),
            "blueprint",
            "a sandbox has one blueprint",
        ),
        (replace(SPEC, blueprint=Blueprint(base="x", dockerfile="FROM y")), "blueprint", "keep one"),
    ],
)
def test_what_cannot_be_told_apart_or_stored_is_refused(spec: SandboxSpec, field: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        key(spec)

    assert caught.value.field == field
    assert str(caught.value).startswith("t.py::x: mark.runloop: ")


@given(st.dictionaries(st.sampled_from(list(SHAPING)), st.just(None), min_size=2, max_size=2))
def test_no_two_shapes_share_a_key(names: dict[str, Any]) -> None:
    one, other = names

    assert key(SHAPING[one]) != key(SHAPING[other])
