"""Every mark that can't be met is refused before anything is provisioned, in words that tell what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from agents.extensions.sandbox.runloop import (
    RunloopExistingSecret,
    RunloopLaunchParameters,
    RunloopTimeouts,
    RunloopUserParameters,
)
from agents.sandbox import Manifest
from agents.sandbox.entries import Dir, File

from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox.boundary import Request
from pytest_runloop.sandbox.runloop.checking import Native, check
from pytest_runloop.spec import SandboxSpec


def request_for(**fields: Any) -> Request:  # noqa: ANN401 - any field of a spec, and any mistake in it
    return check(SandboxSpec(**{"test": "tests/t.py::x", **fields}))


def refusal(**fields: Any) -> tuple[str, str]:  # noqa: ANN401 - see above
    with pytest.raises(SpecError) as caught:
        request_for(**fields)
    prefix = "tests/t.py::x: mark.runloop: "
    assert str(caught.value).startswith(prefix)
    return caught.value.field, str(caught.value)[len(prefix) :]


OPTIONS: list[tuple[dict[str, object], str]] = [
    ({"exposed_ports": [0]}, "exposed_ports: 0 is not a port; give 1..65535"),
    ({"exposed_ports": [65536]}, "exposed_ports: 65536 is not a port; give 1..65535"),
    ({"exposed_ports": ["80"]}, "exposed_ports: '80' is not a port; give 1..65535"),
    ({"exposed_ports": [True]}, "exposed_ports: True is not a port; give 1..65535"),
    ({"exposed_ports": (80, 80)}, "exposed_ports: 80 is given twice; give it once"),
    ({"exposed_ports": 80}, "exposed_ports: got 80; give a list of ports, such as [8000]"),
    ({"name": 3}, "name: got 3; it should be a valid string"),
    ({"name": ""}, "name: it is empty; give a text, or leave it out"),
    ({"blueprint_name": ""}, "blueprint_name: it is empty; give a text, or leave it out"),
    ({"pause_on_exit": "yes"}, "pause_on_exit: got 'yes'; it should be a valid boolean"),
    ({"pause_on_exit": 1}, "pause_on_exit: got 1; it should be a valid boolean"),
    ({"timeouts": 5}, "timeouts: got 5; give a mapping or RunloopTimeouts"),
    ({"timeouts": {"create_s": 0}}, "timeouts.create_s: got 0; it should be greater than or equal to 1"),
    ({"timeouts": {"create_s": "1"}}, "timeouts.create_s: got '1'; it should be a valid number"),
    ({"timeouts": {"create_s": float("inf")}}, "timeouts.create_s: it has no end; give seconds"),
    ({"env_vars": {"A": 1}}, "env_vars.A: got int; it should be a valid string"),
    ({"managed_secrets": {"A": 1}}, "managed_secrets.A: got int; it should be a valid string"),
    ({"metadata": {"a": 1}}, "metadata.a: got 1; it should be a valid string"),
    ({"gateways": {"A": {"gateway": "g"}}}, "gateways.A.secret: it is missing; give it"),
    ({"tunnel": {"auth_mode": "x"}}, "tunnel.auth_mode: got 'x'; it should be 'open' or 'authenticated'"),
    ({"user_parameters": {"username": "bob"}}, "user_parameters.uid: it is missing; give it"),
    (
        {"user_parameters": {"username": "bob", "uid": -1}},
        "user_parameters: username 'bob', uid -1; give a plain name and a uid of 0 or more",
    ),
    (
        {"user_parameters": {"username": "root", "uid": 1000}},
        "user_parameters: 'root' can't have uid 1000; root is uid 0, and nobody else is",
    ),
    (
        {"user_parameters": {"username": "bob", "uid": 0}},
        "user_parameters: 'bob' can't have uid 0; root is uid 0, and nobody else is",
    ),
    (
        {"launch_parameters": {"user_parameters": {"username": "root", "uid": 0}}},
        "launch_parameters.user_parameters: the SDK takes it from the field user_parameters; move it there",
    ),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS, ids=[message for _, message in OPTIONS])
def test_an_impossible_option_is_refused(options: dict[str, object], message: str) -> None:
    assert refusal(options=options) == (next(iter(options)), message)


def test_both_blueprint_fields_are_one_too_many() -> None:
    field, message = refusal(options={"blueprint_id": "bpt_1", "blueprint_name": "py"})

    assert (field, message) == (
        "blueprint_id",
        "blueprint_id, blueprint_name: both are given ('bpt_1', 'py'); keep one",
    )


@pytest.mark.parametrize(
    ("options", "near"),
    [
        ({"blueprnt_id": "x"}, "blueprnt_id: there is no such name; did you mean 'blueprint_id'?"),
        ({"timeouts": {"creat_s": 3}}, "timeouts.creat_s: there is no such name; did you mean 'create_s'?"),
        (
            {"launch_parameters": {"architectur": 1}},
            "launch_parameters.architectur: there is no such name; did you mean",
        ),
        ({"tunnel": {"mode": 1}}, "tunnel.mode: there is no such name; did you mean 'auth_mode'?"),
        ({"type": "runloop"}, "type: there is no such name; there are blueprint_id, blueprint_name, env_vars,"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(options: dict[str, object], near: str) -> None:
    assert refusal(options=options)[1].startswith(near)


@pytest.mark.parametrize("field", ["env_vars", "managed_secrets"])
@pytest.mark.parametrize("values", [{"A": "hush\0"}, {"A=": "hush"}, {"A": ["hush"]}, "hush"])
def test_secret_values_are_never_shown(field: str, values: object) -> None:
    where, message = refusal(options={field: values})

    assert where == field
    assert "hush" not in message


@pytest.mark.parametrize("name", sorted(RunloopTimeouts.model_fields))
def test_each_of_the_ten_timeouts_can_be_set(name: str) -> None:
    native = cast("Native", request_for(options={"timeouts": {name: 7}}).native)

    assert native.options.timeouts.model_dump() == {**RunloopTimeouts().model_dump(), name: 7.0}


def test_every_option_reaches_the_sdk() -> None:
    options: dict[str, object] = {
        "blueprint_id": "bpt_1",
        "env_vars": {"A": "1"},
        "pause_on_exit": True,
        "name": "box",
        "timeouts": RunloopTimeouts(create_s=9),
        "exposed_ports": [80, 81],
        "user_parameters": {"username": "bob", "uid": 1001},
        "launch_parameters": RunloopLaunchParameters(keep_alive_time_seconds=60),
        "tunnel": {"auth_mode": "open"},
        "gateways": {"G": {"gateway": "g", "secret": "s"}},
        "mcp": {"M": {"mcp_config": "m", "secret": "s"}},
        "metadata": {"team": "x"},
        "managed_secrets": {"T": "v", "U": RunloopExistingSecret()},
    }

    request = request_for(options=options)

    sdk = cast("Native", request.native).options.sdk
    assert {name for name, value in sdk.model_dump().items() if value} == {"type", *options}
    assert (request.account, request.root, request.exposed_ports, request.pause_on_exit) == (
        "bob",
        "/home/bob",
        (80, 81),
        True,
    )
    assert request.timeouts.create_s == 9


@pytest.mark.parametrize(
    ("fields", "account", "root"),
    [
        ({}, "user", "/home/user"),
        ({"user": "root"}, "root", "/root"),
        ({"options": {"user_parameters": RunloopUserParameters(username="root", uid=0)}}, "root", "/root"),
        ({"user": "root", "options": {"user_parameters": {"username": "bob", "uid": 5}}}, "bob", "/home/bob"),
        ({"manifest": Manifest(entries={"a": File(content=b"")})}, "user", "/home/user"),
        ({"manifest": {"root": "/home/user/./app/"}}, "user", "/home/user/app"),
        ({"user": "root", "manifest": {"root": "/root/app"}}, "root", "/root/app"),
    ],
)
def test_the_root_is_the_accounts_home_or_in_it(fields: dict[str, object], account: str, root: str) -> None:
    request = request_for(**fields)

    assert (request.account, request.root) == (account, root)


@pytest.mark.parametrize(
    ("fields", "root"),
    [
        ({"manifest": Manifest(root="/workspace")}, "/workspace"),
        ({"manifest": {"root": "/home/user/../other"}}, "/home/other"),
        ({"manifest": {"root": "/home/users"}}, "/home/users"),
        ({"manifest": {"root": "/root"}}, "/root"),
    ],
)
def test_a_root_outside_the_home_is_refused(fields: dict[str, object], root: str) -> None:
    assert refusal(**fields) == (
        "manifest",
        f"manifest: root '{root}' is outside the home of 'user'; give /home/user or a directory in it",
    )


@pytest.mark.parametrize(
    ("manifest", "part"),
    [
        (5, "give an agents.sandbox Manifest or a mapping of its fields"),
        ({"entires": {}}, "manifest.entires: there is no such name; did you mean 'entries'?"),
        ({"entries": {"a": {"type": "fil"}}}, "fil"),
        ({"entries": {"a": {"type": "file"}}}, "content: it is missing"),
        ({"entries": {"../a": {"type": "file", "content": "x"}}}, "../a"),
        ({"entries": {"/etc/a": {"type": "file", "content": "x"}}}, "/etc/a"),
    ],
)
def test_an_impossible_manifest_is_refused(manifest: object, part: str) -> None:
    field, message = refusal(manifest=manifest)

    assert field == "manifest"
    assert part in message


def test_files_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "local").write_text("x")

    request = request_for(
        files={"a/b": "text", "/home/user/c": b"raw", "./d": Path("local"), "e": tmp_path / "local"},
        local_root=tmp_path,
    )

    assert request.files == {
        "/home/user/a/b": "text",
        "/home/user/c": b"raw",
        "/home/user/d": tmp_path / "local",
        "/home/user/e": tmp_path / "local",
    }


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ".", "a/", "", "a\0b", "/home/user", "/home/user2/x"])
def test_a_file_outside_the_root_is_refused(path: str) -> None:
    field, message = refusal(files={path: "x"})

    assert field == "files"
    assert "/home/user" in message


@pytest.mark.parametrize("source", [5, None, ["x"]])
def test_a_file_is_text_bytes_or_a_local_path(source: object) -> None:
    assert "give text, bytes, or a pathlib.Path" in refusal(files={"a": source})[1]


def test_a_local_file_that_does_not_exist_is_named_in_full(tmp_path: Path) -> None:
    message = refusal(files={"a": Path("nowhere")}, local_root=tmp_path)[1]

    assert (
        message == f"files: 'a': {tmp_path}/nowhere does not exist on this computer; relative paths start at {tmp_path}"
    )


@pytest.mark.parametrize(
    ("files", "entries", "message"),
    [
        ({"a": "1", "./a": "2"}, {}, "files: './a' names /home/user/a a second time; give it once"),
        ({"a": "1"}, {"a": File(content=b"")}, "files, manifest: both name /home/user/a; keep one"),
        ({"a": "1"}, {"a": Dir()}, "files, manifest: both name /home/user/a; keep one"),
        (
            {"d/a": "1"},
            {"d": Dir(children={"a": File(content=b"")})},
            "files, manifest: both name /home/user/d/a; keep one",
        ),
        (
            {"a": "1", "a/b": "2"},
            {},
            "files: /home/user/a/b needs a directory at /home/user/a, where a file is to be; rename one",
        ),
        (
            {"a/b": "1"},
            {"a": File(content=b"")},
            "files: /home/user/a/b needs a directory at /home/user/a, where a file is to be; rename one",
        ),
        (
            {"a": "1"},
            {"a/b": File(content=b"")},
            "files: /home/user/a/b needs a directory at /home/user/a, where a file is to be; rename one",
        ),
    ],
)
def test_two_things_in_one_place_are_refused(files: dict[str, str], entries: dict[Any, Any], message: str) -> None:
    assert refusal(files=files, manifest=Manifest(entries=entries)) == ("files", message)


def test_files_may_go_into_a_manifests_directories() -> None:
    assert request_for(files={"d/a": "1"}, manifest=Manifest(entries={"d": Dir()})).files == {"/home/user/d/a": "1"}


@pytest.mark.parametrize("setup", [5, (1,), ("",), [" "], {"a": 1}])
def test_a_setup_is_commands_or_a_callable(setup: object) -> None:
    assert refusal(setup=setup)[0] == "setup"


def test_one_setup_command_needs_no_list() -> None:
    assert request_for(setup="make").setup == ("make",)
    assert request_for(setup=print).setup is print
