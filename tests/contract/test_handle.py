"""The handle and its provisioning against a real emulator: every call, in every kind of test."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from agents import Runner, RunResult
from agents.run_config import SandboxConcurrencyLimits, SandboxRunConfig
from agents.sandbox import Manifest, SandboxAgent
from agents.sandbox.entries import Dir, File
from agents.testing import ScriptedModel, assistant_message, function_call

from pytest_runloop.errors import CommandFailed, CommandTimeout, ProvisioningError, SandboxError, SpecError
from pytest_runloop.provisioning import Provisioner
from pytest_runloop.sandbox import commands
from pytest_runloop.sandbox.files import FEW_LINES
from pytest_runloop.sandbox.handle import Sandbox
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target
from tests.contract.conftest import Service
from tests.contract.test_blueprints import NO_ROOT


@pytest.fixture(scope="module")
def provisioner(service: Service) -> Iterator[Provisioner]:
    target = Target.EMULATOR if service.pid else Target.LIVE
    provisioner = Provisioner(Endpoint(target=target, base_url=service.base_url, api_key=service.api_key))
    yield provisioner
    provisioner.close()
    assert provisioner.left_behind == ()
    assert provisioner.created == provisioner.deleted + provisioner.suspended


@pytest.fixture(scope="module")
def sandbox(provisioner: Provisioner) -> Iterator[Sandbox]:
    """One sandbox for all tests that can live with what others left in it."""
    options = {"env_vars": {"FROM_OPTIONS": "a b"}, "exposed_ports": [8000]}
    with provisioner.provide(SandboxSpec(test="t.py::shared", options=options)) as sandbox:
        yield sandbox


@pytest.fixture
def fresh(provisioner: Provisioner) -> Iterator[Callable[..., Sandbox]]:
    """Make sandboxes that end with the test."""
    opened: list[Any] = []

    def make(**fields: Any) -> Sandbox:  # noqa: ANN401 - any field of a spec
        opened.append(provisioner.provide(SandboxSpec(**{"test": "t.py::fresh", **fields})))
        made: Sandbox = opened[-1].__enter__()
        return made

    yield make
    for provided in opened:
        provided.__exit__(None, None, None)


def scripted() -> tuple[SandboxAgent[Any], ScriptedModel]:
    """Return an agent that reads a file and makes another, and its model."""
    call = function_call("exec_command", json.dumps({"cmd": "cat notes.md && touch made-by-agent"}), call_id="1")
    model = ScriptedModel([[call], [assistant_message("done")]])
    return SandboxAgent(name="reader", instructions="Read.", model=model), model


def running(sandbox: Sandbox, command: str) -> bool:
    """Return whether a process with exactly this command line runs in the sandbox."""
    listed = sandbox.exec("for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null").stdout
    return f"{command} " in listed.splitlines()


def test_a_shell_string_is_bash(sandbox: Sandbox) -> None:
    result = sandbox.exec("echo {1..3} | tr ' ' '-'; echo err >&2; exit 3")

    assert (result.stdout, result.stderr, result.exit_code, result.ok) == ("1-2-3\n", "err\n", 3, False)
    assert 0 < result.duration_s < 30


def test_an_argv_is_not_split_again(sandbox: Sandbox) -> None:
    assert sandbox.exec(["printf", "%s|", "a b", "$HOME", "'"]).stdout == "a b|$HOME|'|"


def test_a_command_runs_in_the_root_with_the_sandboxs_environment(sandbox: Sandbox) -> None:
    assert sandbox.exec('pwd; id -un; echo "$HOME:$FROM_OPTIONS:$MINE"', env={"MINE": "x y"}).stdout == (
        "/home/user\nuser\n/home/user:a b:x y\n"
    )


def test_a_working_directory_may_be_relative_or_absolute(sandbox: Sandbox) -> None:
    sandbox.mkdir("work/dir here")

    assert sandbox.exec("pwd", cwd="work/dir here").stdout == "/home/user/work/dir here\n"
    assert sandbox.exec("pwd", cwd="/usr").stdout == "/usr\n"
    assert "nowhere" in sandbox.exec("pwd", cwd="nowhere").stderr


def test_long_output_is_complete(sandbox: Sandbox) -> None:
    result = sandbox.exec("seq 1 3000; seq 1 200 >&2")

    assert result.stdout.split() == [str(number) for number in range(1, 3001)]
    assert result.stderr.count("\n") == 200


def test_a_checked_failure_tells_what_happened(sandbox: Sandbox) -> None:
    with pytest.raises(CommandFailed) as caught:
        sandbox.exec("echo out; echo err >&2; exit 9", check=True)

    assert all(part in str(caught.value) for part in ("exit code 9", "out", "err", sandbox.devbox_id))


def test_a_command_may_run_for_many_long_polls(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LONG_POLL_S", 0.1)

    assert sandbox.exec("sleep 1; echo end").stdout == "end\n"


def test_a_timeout_kills_the_command_and_its_children(sandbox: Sandbox) -> None:
    with pytest.raises(CommandTimeout, match=r"timeout of 0\.5 s.*has been killed") as caught:
        sandbox.exec("echo before; sleep 4711 & sleep 4712", timeout=0.5)

    assert "before" in str(caught.value)
    assert not running(sandbox, "sleep 4711")
    assert not running(sandbox, "sleep 4712")


def test_ctrl_c_kills_the_command(sandbox: Sandbox) -> None:
    main = threading.main_thread().ident
    assert main is not None
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        sandbox.exec("sleep 4713", timeout=20)

    signal.signal(signal.SIGINT, before)
    assert not running(sandbox, "sleep 4713")


def test_files_are_written_and_read(sandbox: Sandbox) -> None:
    sandbox.write_text("texts/new/é.txt", "grüße\n")
    sandbox.write_bytes("texts/raw", bytes(range(256)))

    assert sandbox.read_text("/home/user/texts/new/é.txt") == "grüße\n"
    assert sandbox.read_bytes("texts/raw") == bytes(range(256))
    assert sandbox.listdir("texts") == ["new", "raw"]
    assert sandbox.exists("texts/raw")


def test_listing_shows_hidden_and_odd_names(sandbox: Sandbox) -> None:
    sandbox.exec("mkdir odd; cd odd; touch .hidden 'two words' $'new\\nline' -- -dash", check=True)

    assert sandbox.listdir("odd") == ["-dash", ".hidden", "new\nline", "two words"]
    sandbox.mkdir("empty")
    assert sandbox.listdir("empty") == []


def test_files_and_directories_are_removed(sandbox: Sandbox) -> None:
    sandbox.write_text("gone/a/b", "")
    sandbox.remove("gone")
    sandbox.exec("ln -s nowhere dangling", check=True)
    sandbox.remove("dangling")

    assert not sandbox.exists("gone")
    with pytest.raises(FileNotFoundError):
        sandbox.remove("dangling")


@pytest.mark.parametrize("path", [".", "/home/user", "/home", "/"])
def test_the_workspace_itself_stays(sandbox: Sandbox, path: str) -> None:
    sandbox.write_text("kept", "")

    with pytest.raises(SpecError, match="is or holds the sandbox's root; name what to remove in it"):
        sandbox.remove(path)

    assert sandbox.exists("kept")


def test_only_bytes_are_written_as_bytes(sandbox: Sandbox) -> None:
    with pytest.raises(TypeError, match="a bytes-like object is required, not 'str'"):
        sandbox.write_bytes("text", "text")  # type: ignore[arg-type]

    assert not sandbox.exists("text")


@pytest.mark.parametrize("timeout", [0, -1, "5"])
def test_an_impossible_timeout_is_refused(sandbox: Sandbox, timeout: float) -> None:
    with pytest.raises(SpecError, match="give seconds above 0, or leave it out"):
        sandbox.exec("true", timeout=timeout)


@pytest.mark.skipif(NO_ROOT, reason="a sandbox of an ordinary user has one id, which may write in /etc")
def test_of_many_complaints_the_first_are_told(sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).touch()

    with pytest.raises(SandboxError, match="Permission denied") as caught:
        sandbox.upload(tmp_path, "/etc/denied")

    assert len(str(caught.value).splitlines()) == FEW_LINES


@pytest.mark.parametrize("act", [Sandbox.read_text, Sandbox.listdir, Sandbox.remove])
def test_a_missing_path_is_named_with_the_devbox(sandbox: Sandbox, act: Callable[[Sandbox, str], object]) -> None:
    with pytest.raises(FileNotFoundError, match=rf"'/home/user/nowhere' in devbox {sandbox.devbox_id}") as caught:
        act(sandbox, "nowhere")

    assert isinstance(caught.value, SandboxError)


def test_a_directory_is_no_file_and_a_file_no_directory(sandbox: Sandbox) -> None:
    with pytest.raises(IsADirectoryError):
        sandbox.read_bytes("/usr")
    with pytest.raises(NotADirectoryError):
        sandbox.listdir("/etc/passwd")


def test_what_the_account_may_not_do_is_told(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="/usr/share/new"):
        sandbox.write_text("/usr/share/new", "x")


def test_local_trees_go_there_and_back(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "tree" / "sub" / "run.sh").chmod(0o755)
    (tmp_path / "tree" / "note").write_bytes(b"\0\xff")

    sandbox.upload(tmp_path / "tree", "uploaded/tree")
    sandbox.upload(tmp_path / "tree" / "note", "uploaded/note")
    back = sandbox.download("uploaded", tmp_path / "back")

    assert sandbox.exec("uploaded/tree/sub/run.sh").stdout == "ran\n"
    assert sandbox.download("uploaded/note", tmp_path / "x" / "note").read_bytes() == b"\0\xff"
    assert (back / "tree" / "sub" / "run.sh").stat().st_mode & 0o777 == 0o755


def test_the_archive_is_the_whole_workspace(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh(files={"a/b": "text", ".hidden": "x"})

    with tarfile.open(fileobj=io.BytesIO(sandbox.archive())) as tar:
        names = set(tar.getnames())
        content = tar.extractfile("a/b")
        assert content is not None
        assert content.read() == b"text"
    assert {"a", "a/b", ".hidden"} <= names
    assert not [name for name in sandbox.listdir("/tmp") if name.startswith("pytest-runloop")]


def test_an_exposed_port_answers(sandbox: Sandbox) -> None:
    sandbox.write_text("served/page", "hello")
    sandbox.exec("python3 -m http.server 8000 >/dev/null 2>&1 &", cwd="served")

    with urllib.request.urlopen(f"{sandbox.url(8000)}/page") as answer:
        assert answer.read() == b"hello"


def test_the_vendors_own_devbox_is_the_same_machine(sandbox: Sandbox) -> None:
    assert sandbox.devbox.id == sandbox.devbox_id
    assert sandbox.devbox.cmd.exec("echo $FROM_OPTIONS").stdout() == "a b\n"


def test_root_is_root(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh(user="root", files={"x": "y"})

    assert (sandbox.root, sandbox.user) == ("/root", "root")
    assert sandbox.exec("id -u; pwd; stat -c %U x").stdout == "0\n/root\nroot\n"


def test_a_manifest_and_files_meet_in_a_new_root(fresh: Callable[..., Sandbox]) -> None:
    manifest = Manifest(
        root="/home/user/app",
        entries={"notes.md": File(content=b"# hi"), "src": Dir(children={"main.py": File(content=b"print(1)")})},
        environment={"value": {"FROM_MANIFEST": "m"}},  # type: ignore[arg-type] # pydantic makes an Environment of it
    )
    sandbox = fresh(manifest=manifest, files={"src/extra.py": "print(2)"})

    assert sandbox.listdir("src") == ["extra.py", "main.py"]
    assert sandbox.exec("stat -c '%a %U' src/main.py src/extra.py").stdout == "755 user\n755 user\n"
    assert sandbox.exec("pwd; echo $FROM_MANIFEST").stdout == "/home/user/app\nm\n"


def test_setup_comes_after_the_files(fresh: Callable[..., Sandbox]) -> None:
    assert fresh(files={"a": "1"}, setup=("cp a b", "echo 2 >> b")).read_text("b") == "12\n"


def test_a_failing_setup_leaves_nothing(fresh: Callable[..., Sandbox], provisioner: Provisioner) -> None:
    created, deleted = provisioner.created, provisioner.deleted

    with pytest.raises(ProvisioningError, match="no-such-tool"):
        fresh(setup=("no-such-tool",))

    assert (provisioner.created - created, provisioner.deleted - deleted) == (1, 1)


def test_an_unknown_blueprint_is_told_without_the_key(fresh: Callable[..., Sandbox], service: Service) -> None:
    with pytest.raises(ProvisioningError) as caught:
        fresh(options={"blueprint_id": "bpt_nowhere", "env_vars": {"A": "hush-hush"}})

    assert "bpt_nowhere" in str(caught.value)
    assert service.api_key not in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_a_devbox_wears_its_labels_and_the_users_metadata(fresh: Callable[..., Sandbox]) -> None:
    metadata = fresh(options={"metadata": {"team": "x"}}).devbox.get_info().metadata

    assert metadata["team"] == "x"
    assert metadata["pytest_runloop_test"] == "t.py::fresh"


def test_pause_on_exit_suspends(provisioner: Provisioner, service: Service) -> None:
    suspended = provisioner.suspended
    with provisioner.provide(SandboxSpec(test="t.py::pause", options={"pause_on_exit": True})) as sandbox:
        devbox = sandbox.devbox
        devbox_id = sandbox.devbox_id

    assert provisioner.suspended == suspended + 1
    request = urllib.request.Request(
        f"{service.base_url}/v1/devboxes/{devbox_id}", headers={"Authorization": f"Bearer {service.api_key}"}
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["status"] == "suspended"
    shut = urllib.request.Request(f"{request.full_url}/shutdown", headers=dict(request.headers), method="POST")
    urllib.request.urlopen(shut).close()
    assert devbox.id == devbox_id


def test_a_sandbox_that_the_test_shut_down_is_no_failure(fresh: Callable[..., Sandbox]) -> None:
    fresh().devbox.shutdown()


# What follows runs an agent in a sandbox, from every kind of test.


@pytest.fixture
def workspace(sandbox: Sandbox) -> Sandbox:
    sandbox.write_text("notes.md", "# hello")
    if sandbox.exists("made-by-agent"):
        sandbox.remove("made-by-agent")
    return sandbox


def check_run(result: RunResult, model: ScriptedModel, sandbox: Sandbox) -> None:
    assert result.final_output == "done"
    assert "# hello" in str(result.to_input_list())
    model.assert_complete()
    assert sandbox.exists("made-by-agent")


def test_a_synchronous_test_runs_agents(workspace: Sandbox) -> None:
    for _ in range(2):
        agent, model = scripted()
        check_run(workspace.run_agent(agent, "go", max_turns=5), model, workspace)


def test_the_runner_leaves_the_devbox_running(workspace: Sandbox) -> None:
    agent, model = scripted()

    check_run(asyncio.run(Runner.run(agent, "go", run_config=workspace.run_config())), model, workspace)

    assert workspace.exec("echo still here").ok


def test_a_run_config_keeps_what_it_is_given(sandbox: Sandbox) -> None:
    limits = SandboxConcurrencyLimits(manifest_entries=2)
    config = sandbox.run_config(workflow_name="mine", sandbox=SandboxRunConfig(concurrency_limits=limits))

    assert (config.workflow_name, config.tracing_disabled) == ("mine", True)
    assert config.sandbox is not None
    assert (config.sandbox.concurrency_limits, config.sandbox.session) == (limits, sandbox.session)
    assert sandbox.run_config(tracing_disabled=False).tracing_disabled is False


async def everything_awaited(sandbox: Sandbox) -> None:
    """Use the sandbox as an asynchronous test does."""
    agent, model = scripted()
    check_run(await Runner.run(agent, "go", run_config=sandbox.run_config()), model, sandbox)
    agent, model = scripted()
    check_run(await sandbox.aio.run_agent(agent, "go"), model, sandbox)

    echoed = await asyncio.gather(*(sandbox.aio.exec(["echo", str(number)]) for number in range(16)))
    assert [result.stdout for result in echoed] == [f"{number}\n" for number in range(16)]

    assert await sandbox.aio.read_text("notes.md") == "# hello"
    assert (await sandbox.session.exec("echo sdk")).stdout == b"sdk\n"
    assert (await sandbox.session.read(Path("notes.md"))).read() == b"# hello"
    assert await (await sandbox.aio.devbox.cmd.exec("echo vendor")).stdout() == "vendor\n"

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(sandbox.aio.exec("sleep 4714"), 0.5)
    assert not running(sandbox, "sleep 4714")
    with pytest.raises(SandboxError, match=r"await sandbox\.aio\.run_agent"):
        sandbox.run_agent(agent, "go")


def test_several_loops_share_a_sandbox_one_after_the_other(workspace: Sandbox) -> None:
    for _ in range(3):
        asyncio.run(everything_awaited(workspace))


@pytest.mark.asyncio
async def test_under_pytest_asyncio(workspace: Sandbox) -> None:
    await everything_awaited(workspace)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_under_anyio(workspace: Sandbox, anyio_backend: str) -> None:
    await everything_awaited(workspace)


def test_trio_is_told_what_the_sdk_needs(workspace: Sandbox) -> None:
    async def on_trio() -> None:
        with pytest.raises(SandboxError, match="needs asyncio"):
            await workspace.aio.exec("true")
        with pytest.raises(SandboxError, match="needs asyncio"):
            _ = workspace.session
        with pytest.raises(SandboxError, match="needs asyncio"):
            _ = workspace.aio.devbox
        assert workspace.exec("echo works").stdout == "works\n"

    trio.run(on_trio)
