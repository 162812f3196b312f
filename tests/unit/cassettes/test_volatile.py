from __future__ import annotations

import re
import shlex
import uuid

import pytest

from pytest_runloop.cassettes.exchange import Request
from pytest_runloop.cassettes.playing import meaning
from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.volatile import Pairs
from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox import labels
from tests.unit.cassettes.asking import model, post, run, shell, upload

ONE, OTHER = "5ca4ecb019b44930963ce966b92c200b", "00d1ecb019b44930963ce966b92c2aaa"
DASHED = str(uuid.UUID(ONE)), str(uuid.UUID(OTHER))


def key(request: Request, *patterns: str) -> str:
    return meaning.of(request, Rules([re.compile(pattern) for pattern in patterns])).key


@pytest.mark.parametrize(
    "command",
    [
        "cd /home/user && cat /tmp/openai-agents/session-state/{}/fingerprint.json",
        "cd /home/user && tar -xf /home/user/.sandbox-runloop-restore-{}.tar -C /home/user",
        "cd /home/user && tar -xf /home/user/.sandbox-runloop-hydrate-{}.tar -C /home/user",
        "cd /home/user && mv /home/user/.apply_patch-{}.tmp /home/user/a",
        "git init /tmp/sandbox-git-{0}-{0}",
        "cat /home/user/.sandbox-rclone-config/{}/s3.conf",
        "rclone mount sandbox_s3_{}:bucket /mnt",
        "bash -c 'rm -f -- \"$1\"' bash /tmp/pytest-runloop-{}.tar",
        "cat logs/events-{}.jsonl",
    ],
)
def test_the_id_of_a_session_in_the_sdks_own_paths_says_nothing(command: str) -> None:
    assert key(run(command.format(ONE))) == key(run(command.format(OTHER)))
    assert set(meaning.of(run(command.format(ONE))).volatile) == {ONE}


@pytest.mark.parametrize(
    "command",
    [
        "git checkout {}",
        "echo {}",
        "cat /home/user/session-state/{}/x",
        "rm /tmp/sandbox-git-{}",
        "cat /home/user/restore-{}.tar",
        "cat /tmp/openai-agents/bin/{}",
    ],
)
def test_the_same_in_somebodys_own_command_says_what_it_says(command: str) -> None:
    assert key(run(command.format(ONE))) != key(run(command.format(OTHER)))
    assert key(run(command.format(DASHED[0]))) != key(run(command.format(DASHED[1])))
    assert meaning.of(run(command.format(ONE))).volatile == ()


def test_a_commit_in_somebodys_own_command_says_what_it_says() -> None:
    assert key(shell(f"git checkout {'a1' * 20}")) != key(shell(f"git checkout {'b2' * 20}"))


def test_the_name_of_the_sdks_snapshot_says_nothing_and_anybody_elses_name_does() -> None:
    def snapshot(session: str) -> Request:
        body = {"name": f"sandbox-{session[:12]}", "metadata": {"openai_agents_session_id": session}}
        return post("/v1/devboxes/dbx_1/snapshot_disk_async", body)

    assert key(snapshot(ONE)) == key(snapshot(OTHER))
    assert meaning.of(snapshot(ONE)).volatile == (ONE, ONE[:12])
    names = (post("/v1/devboxes", {"name": f"sandbox-{session[:12]}"}) for session in (ONE, OTHER))
    assert len({key(one) for one in names}) == 2


def test_generated_ids_of_commands_and_shells_say_nothing_but_given_ones_do() -> None:
    def execute(command_id: str, shell_name: str) -> Request:
        return post("/v1/devboxes/dbx_1/execute", {"command": "ls", "command_id": command_id, "shell_name": shell_name})

    assert key(execute(DASHED[0], DASHED[0])) == key(execute(DASHED[1], DASHED[1]))
    assert key(execute("mine", "s")) != key(execute("yours", "s"))
    assert key(execute("mine", "s")) != key(execute("mine", "t"))


def test_labels_of_runs_and_times_say_nothing_but_those_that_say_what_is_wanted_do() -> None:
    def created(**metadata: str) -> str:
        return key(post("/v1/devboxes", {"metadata": metadata}))

    for name in (labels.TEST, labels.RUN, labels.SANDBOX, labels.CREATED, labels.EXPIRES, labels.HOLDER):
        assert created(**{name: "a" * 12}) == created(**{name: "b" * 12}), name
        assert created(**{name: "a" * 12}) != created(), name
    for name in (labels.KEY, labels.KIND, labels.BASE, labels.SCHEMA, labels.OWNER, "user"):
        assert created(**{name: "a" * 12}) != created(**{name: "b" * 12}), name
    assert created(**{labels.HOLDER: labels.CONTESTED}) != created(**{labels.HOLDER: "here:1234567"})


def test_the_same_labels_say_nothing_in_a_search_either() -> None:
    def listed(owner: str, wanted: str) -> Request:
        query = f"metadata%5B{labels.KEY}%5D={wanted}&metadata%5B{labels.OWNER_NAME}%5D={owner}&limit=100"
        return Request(method="GET", host="runloop", path=f"/v1/devboxes?{query}")

    assert key(listed("owner-one", "k")) == key(listed("owner-two", "k"))
    assert key(listed("owner-one", "k")) != key(listed("owner-one", "l"))


def test_what_the_shell_tool_tells_a_model_about_time_says_nothing() -> None:
    def told(chunk: str, seconds: str, output: str = "hi") -> Request:
        return model(f"Chunk ID: {chunk}\nWall time: {seconds} seconds\nProcess exited with code 0\nOutput:\n{output}")

    assert key(told("a1b2c3", "0.0411")) == key(told("ffffff", "12.5000"))
    assert key(told("a1b2c3", "0.0411")) != key(told("a1b2c3", "0.0411", "ho"))
    assert key(model("Wall time: 1.5 seconds")) != key(model("Wall time: 2.5 seconds"))
    assert meaning.of(told("a1b2c3", "0.0411")).volatile == ()


def test_a_generated_key_for_the_models_cache_says_nothing_and_a_given_one_does() -> None:
    generated = [model("hi", prompt_cache_key=f"agents-sdk:run:{session}") for session in (ONE, OTHER)]
    given = [model("hi", prompt_cache_key=name) for name in ("mine", "yours")]
    assert len({key(one) for one in generated}) == 1
    assert len({key(one) for one in given}) == 2


def helper(name: str, digest: str, *arguments: str) -> Request:
    return run(f"cd /home/user && env -- A=1 /tmp/openai-agents/bin/{name}-{digest} {' '.join(arguments)}")


def test_another_version_of_the_sdks_helper_is_the_same_helper() -> None:
    old, new = "62a6e78539cf", "0123456789ab"
    for arguments in (("/home/user", "/home/user/a", "0"), ("/home/user", "'/home/user/a b'", "1", "/data", "0")):
        assert key(helper("resolve-workspace-path", old, *arguments)) == key(
            helper("resolve-workspace-path", new, *arguments)
        )
    present = [
        run(f"cd /home/user && test -x /tmp/openai-agents/bin/resolve-workspace-path-{one}") for one in (old, new)
    ]
    assert key(present[0]) == key(present[1])


def test_what_the_helper_is_asked_says_what_it_says() -> None:
    asked = [
        ("/home/user", "/home/user/a", "0"),
        ("/home/user", "/home/user/a", "1"),
        ("/home/user", "/home/user/b", "1"),
        ("/home/user", "/home/user/a", "1", "/data", "0"),
        ("/home/user", "/home/user/a", "1", "/data", "1"),
    ]
    assert len({key(helper("resolve-workspace-path", "62a6e78539cf", *one)) for one in asked}) == len(asked)
    # Newer versions tell a removal from a write; older ones ask for both as 1.
    removal = helper("resolve-workspace-path", "62a6e78539cf", "/home/user", "/home/user/a", "2")
    assert key(removal) == key(helper("resolve-workspace-path", "62a6e78539cf", "/home/user", "/home/user/a", "1"))
    granted = [helper("resolve-workspace-path", "62a6e78539cf", "/w", "/w/a", mode, "/data", "1") for mode in "12"]
    assert key(granted[0]) == key(granted[1])


def install(script: str, *, name: str = "resolve-workspace-path-62a6e78539cf", before: str = "") -> Request:
    program = f'# INSTALL_RUNTIME_HELPER_V1\nset -eu\n\ndest="$1"\n{script}'
    target = f"/tmp/openai-agents/bin/{name}"
    return run(f"cd /home/user && {before}{shlex.join(['sh', '-c', program, 'sh', target])}")


def test_installing_a_helper_is_recognised_whatever_its_script_says() -> None:
    old = install("it's one", name="resolve-workspace-path-62a6e78539cf")
    new = install("it's 'another'\nwith more", name="resolve-workspace-path-0123456789ab")
    assert key(old) == key(new)
    assert key(old) != key(install("it's one", name="workspace-fingerprint-62a6e78539cf"))


def test_to_look_for_a_helper_means_what_installing_it_means() -> None:
    """The first test of a shared sandbox does the one, the others the other; and any may be the first in a replay."""
    name = "resolve-workspace-path-62a6e78539cf"
    look = f"test -x /tmp/openai-agents/bin/{name}"

    assert key(run(f"cd /home/user && {look}")) == key(install("x"))
    assert key(run(f"cd /home/user && sudo -u root -- {look}")) == key(install("x", before="sudo -u root -- "))
    assert key(run(f"cd /home/user && {look}")) != key(install("x", name=name.replace("resolve", "other")))
    assert key(run(f"cd /home/user && {look}")) != key(run(f"cd /home/user && {look.replace('-x', '-e')}"))
    assert key(run(f"cd /home/user && {look} && id")) != key(run(f"cd /home/user && {look} && ls"))
    assert key(run(f"cd /home/user && {look}")) != key(run(f"cd /home/user && ls; {look}"))


def test_nothing_can_be_smuggled_in_beside_the_installation_of_a_helper() -> None:
    honest = install("x")
    assert key(honest) != key(install("x", before="rm -rf / ; "))
    command = "cd /home/user && " + shlex.join(["sh", "-c", '# INSTALL_RUNTIME_HELPER_V1\nset -eu\n\ndest="$1"\nx'])
    end = " sh /tmp/openai-agents/bin/resolve-workspace-path-62a6e78539cf"
    assert key(run(f"{command}{end}")) == key(honest)
    assert key(run(f"{command} ; rm -rf / ; echo ''{end}")) != key(honest)
    assert key(run(f"{command}{end} ; rm -rf /")) != key(honest)


def test_the_sdks_own_installation_is_recognised() -> None:
    from agents.sandbox.session import runtime_helpers as sdk

    def installed(content: str) -> Request:
        made = sdk.RuntimeHelperScript.from_content(name="resolve-workspace-path", content=content)
        return run(f"cd /home/user && env -- 'A=b c' {shlex.join(made.install_command())}")

    today = sdk.RESOLVE_WORKSPACE_PATH_HELPER.content
    assert key(installed(today)) == key(installed(today.replace("0|1|2", "0|1")))
    assert "realpath" not in meaning.of(installed(today)).text.lower()


def test_the_fingerprint_of_a_manifest_says_nothing() -> None:
    def fingerprint(session: str, version: str, digest: str, *skipped: str) -> Request:
        state = f"/tmp/openai-agents/session-state/{session}/fingerprint.json"
        return helper("workspace-fingerprint", "82a9538dd6a2", "/home/user", version, state, digest, *skipped)

    one = fingerprint(ONE, "workspace_tar_sha256_v1", "a1" * 32, "scratch")
    assert key(one) == key(fingerprint(OTHER, "workspace_tar_sha256_v2", "b2" * 32, "scratch"))
    assert key(one) != key(fingerprint(ONE, "workspace_tar_sha256_v1", "a1" * 32, "other"))
    assert key(shell("echo " + "a1" * 32)) != key(shell("echo " + "b2" * 32))


def test_a_users_rule_makes_its_group_volatile_and_nothing_else() -> None:
    rule = r"--job=(\w+)"
    assert key(shell("run --job=a1 x"), rule) == key(shell("run --job=b22 x"), rule)
    assert key(shell("run --job=a1 x"), rule) != key(shell("run --job=b22 y"), rule)
    assert key(shell("run --job=a1 x")) != key(shell("run --job=b22 x"))
    assert key(upload("/x", b"--job=a1"), rule) == key(upload("/x", b"--job=b2"), rule)
    assert key(shell("date 12:30"), r"\d\d:\d\d") == key(shell("date 12:31"), r"\d\d:\d\d")


def test_a_rule_with_two_groups_is_refused() -> None:
    with pytest.raises(SpecError, match=r"it has 2 groups; leave one, the volatile part"):
        Rules([re.compile("(a)(b)")])


def test_pairs_are_exchanged_both_ways_in_every_spelling() -> None:
    pairs = Pairs()
    pairs.learn([ONE], [OTHER])
    for one, other in ((ONE, OTHER), DASHED, (f"sandbox-{ONE[:12]}", f"sandbox-{OTHER[:12]}")):
        assert pairs.today(f"<{one}>") == f"<{other}>"
        assert pairs.recorded(f"<{other}>") == f"<{one}>"
    assert pairs.today(f"x{ONE}") == f"x{ONE}"


def test_content_that_is_no_text_is_left_as_it_is() -> None:
    pairs = Pairs()
    pairs.learn([ONE], [OTHER])
    assert pairs.today_bytes(ONE.encode()) == OTHER.encode()
    for data in (b"\0" + b"/" + ONE.encode(), b"\xff /" + ONE.encode()):
        assert pairs.today_bytes(data) == data


def test_short_values_are_masked_but_never_exchanged() -> None:
    means = meaning.of(shell("run --job=42"), Rules([re.compile(r"--job=(\w+)")]))
    assert means.volatile == ()


def test_two_values_of_the_recording_may_be_one_today() -> None:
    pairs = Pairs()
    pairs.learn(["1795536688"], ["1800000000"])
    pairs.learn(["1795536689"], ["1800000000"])
    assert pairs.today("1795536688 1795536689") == "1800000000 1800000000"
