"""Mounts of objects and of code, as the vendor's clients and documentation have them."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from runloop_api_client import BadRequestError, RunloopError, RunloopSDK
from runloop_api_client.sdk import Devbox, StorageObject

from pytest_runloop.emulator import launcher
from tests.contract.conftest import LIVE, Service
from tests.contract.test_blueprints import NO_ROOT
from tests.contract.test_objects import Upload, upload  # noqa: F401 - a fixture

Create = Callable[..., Devbox]


def _mount(one: StorageObject, path: str) -> dict[str, str]:
    return {"type": "object_mount", "object_id": one.id, "object_path": path}


def _tar(*members: tuple[str, bytes], mode: str = "w:gz", links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload] # any of its modes
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if content.startswith(b"#!") else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_an_object_becomes_a_file(upload: Upload, create: Create) -> None:  # noqa: F811 - the fixture
    """Storage object tests: a text object is a plain file exactly at its path, and belongs to the devbox's user."""
    text, binary = upload(b"mounted content", content_type="text"), upload(bytes(range(256)))

    devbox = create(mounts=[_mount(text, "/home/user/mounted-data"), _mount(binary, "deep/er/all bytes")])

    assert devbox.get_info().status == "running"
    assert devbox.file.read(file_path="/home/user/mounted-data") == "mounted content"
    assert devbox.file.download(path="deep/er/all bytes") == bytes(range(256))
    script = "test -f /home/user/mounted-data && cat /home/user/mounted-data && stat -c ' %U' mounted-data"
    assert devbox.cmd.exec(script).stdout() == "mounted content user\n"


def test_an_object_may_go_where_only_root_may(upload: Upload, create: Create) -> None:  # noqa: F811
    """Storage object API: mounts belong to the devbox's user, wherever they are."""
    text, archive = upload(b"text", content_type="text"), upload(_tar(("a", b"a")), content_type="tgz")

    devbox = create(mounts=[_mount(text, "/opt/data/text"), _mount(archive, "/srv/archive")])

    found = devbox.cmd.exec("cat /opt/data/text /srv/archive/a; stat -c ' %U' /opt/data/text /srv/archive/a")
    assert found.stdout() == "texta user\n user\n"


@pytest.mark.skipif(NO_ROOT, reason="a sandbox of an ordinary user has one id, which may not write there")
def test_a_file_may_go_where_only_root_may(create: Create) -> None:
    """Devbox API: file mounts in both forms, wherever they are; what was there is replaced."""
    mount = {"type": "file_mount", "target": "/opt/new/dir/file", "content": "new"}

    devbox = create(file_mounts={"/etc/motd": "ours"}, mounts=[mount])

    found = devbox.cmd.exec("cat /etc/motd /opt/new/dir/file; stat -c ' %U' /opt/new/dir/file").stdout()
    assert found == "oursnew user\n"


@pytest.mark.parametrize(("kind", "mode"), [("tgz", "w:gz"), ("tar", "w"), ("gzip", "w:gz")])
def test_an_archive_becomes_a_directory(upload: Upload, create: Create, kind: str, mode: str) -> None:  # noqa: F811
    """Storage object API: archives are unpacked into the directory; modes stay."""
    one = upload(_tar(("a", b"a"), ("sub/tool", b"#!/bin/sh\necho tool"), mode=mode), content_type=kind)

    devbox = create(mounts=[_mount(one, "~/unpacked")])

    found = devbox.cmd.exec("cd unpacked && find . -type f | sort && cat a && ./sub/tool")
    assert found.stdout() == "./a\n./sub/tool\natool\n"


def test_a_packed_file_is_unpacked_into_the_directory(upload: Upload, create: Create) -> None:  # noqa: F811
    """Storage object API: a gzip that holds no archive is one file, by the object's name."""
    one = upload(gzip.compress(b"plain"), content_type="gzip", name="notes.txt.gz")

    assert create(mounts=[_mount(one, "/home/user/in")]).file.read(file_path="in/notes.txt") == "plain"


def test_a_directory_goes_all_the_way(sdk: RunloopSDK, create: Create, tmp_path: Path) -> None:
    """Storage object tests: upload_from_dir, then a mount of it."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("there")
    one = sdk.storage_object.upload_from_dir(tmp_path)

    assert create(mounts=[_mount(one, "/home/user/dir")]).file.read(file_path="dir/sub/file") == "there"
    one.delete()


def test_mounts_come_before_launch_commands(upload: Upload, create: Create) -> None:  # noqa: F811
    """Mounts: they are there when the launch commands run, and a resume leaves what became of them."""
    one = upload(b"first", content_type="text")
    commands = {"launch_commands": ["cat data >> seen"]}
    devbox = create(mounts=[_mount(one, "/home/user/data")], launch_parameters=commands)
    devbox.cmd.exec("echo -n changed > data")

    devbox.suspend()
    devbox.await_suspended()
    devbox.resume()

    assert devbox.file.read(file_path="seen") == "firstchanged"


def test_what_is_not_there_can_not_be_mounted(sdk: RunloopSDK, upload: Upload) -> None:  # noqa: F811
    """Mounts: 400 for an object that is unknown, not complete, or deleted."""
    draft = sdk.storage_object.create(name="draft", content_type="text")
    gone = upload()
    gone.delete()

    for one in (draft, gone, sdk.storage_object.from_id("obj_none")):
        with pytest.raises(BadRequestError):
            sdk.devbox.create(mounts=[_mount(one, "/home/user/x")])  # type: ignore[list-item] # any dict of that shape
    draft.delete()


@pytest.mark.parametrize(
    "content",
    [
        b"no archive",
        _tar(("../outside", b"x")),
        _tar(("link/outside", b"x"), links={"link": "/home/user"}),
        _tar(("a", b"x" * 100_000))[:-200],
    ],
    ids=["no archive", "parent", "link", "broken"],
)
def test_a_bad_archive_ends_the_devbox(
    sdk: RunloopSDK,
    upload: Upload,  # noqa: F811
    emulator: Service,
    content: bytes,
) -> None:
    """The emulator's own promise: nothing leaves the directory, and the log says what was wrong."""
    one = upload(content, content_type="tgz")
    body = {"mounts": [_mount(one, "/home/user/inside/here")], "launch_parameters": {"launch_commands": ["sleep 60"]}}

    with pytest.raises(RunloopError):
        sdk.api.devboxes.create_and_await_running(**body)  # type: ignore[arg-type] # as above

    failed = sdk.api.devboxes.list(limit=1).devboxes[0]
    assert (failed.status, failed.failure_reason) == ("failure", "execution_failed")
    said = [entry.message or "" for entry in sdk.api.devboxes.logs.list(failed.id).logs]
    assert any(one.id in message for message in said)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of repositories that stand for GitHub's."""
    directory = tmp_path_factory.mktemp("repositories")
    repository = directory / "acme" / "tool"
    repository.mkdir(parents=True)
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a"}
    environment = {**os.environ, **who, "GIT_COMMITTER_EMAIL": "a@example.com"}
    for command in (
        "git init --quiet --initial-branch=main . && echo one > file && git add . && git commit --quiet -m one",
        "git tag v1 && git checkout --quiet -b dev && echo two > file && git commit --quiet -am two",
        "git checkout --quiet main",
    ):
        subprocess.run(command, shell=True, cwd=repository, env=environment, check=True)
    return directory


@pytest.fixture(scope="module")
def with_code(repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunloopSDK]:
    """An emulator that knows them."""
    if LIVE:
        pytest.skip("the emulator's own stand-in for GitHub")
    directory = tmp_path_factory.mktemp("code")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_RUNLOOP_REPOSITORIES", str(repositories))
        running = launcher.launch(directory / "state", directory / "run", owner_pid=os.getpid())
    with RunloopSDK(bearer_token=running.api_key, base_url=running.base_url) as sdk:
        yield sdk
    launcher.stop(running)


@pytest.mark.parametrize(
    ("ref", "content", "branch"), [(None, "one", "main"), ("dev", "two", "dev"), ("v1", "one", "HEAD")]
)
def test_a_repository_is_cloned(with_code: RunloopSDK, ref: str | None, content: str, branch: str) -> None:
    """Code mounts: a clone in the home by the repository's name, at the branch or tag asked for."""
    mount = {"type": "code_mount", "repo_owner": "acme", "repo_name": "tool", "git_ref": ref}

    devbox = with_code.devbox.create(mounts=[mount])  # type: ignore[list-item] # as above

    script = "cd /home/user/tool && cat file && git rev-parse --abbrev-ref HEAD && git remote get-url origin"
    shown = devbox.cmd.exec(script).stdout().split()
    assert shown == [content, branch, "https://github.com/acme/tool.git"]
    devbox.shutdown()


def test_the_old_form_clones_as_well(with_code: RunloopSDK) -> None:
    """Code mounts: code_mounts, and the install command, which runs in the clone."""
    mount = {"repo_owner": "acme", "repo_name": "tool", "install_command": "cp file installed", "token": "t0p"}

    devbox = with_code.devbox.create(code_mounts=[mount])  # type: ignore[list-item] # as above

    assert devbox.file.read(file_path="tool/installed") == "one\n"
    assert "t0p" not in "".join(entry.cmd or "" for entry in devbox.logs().logs)
    devbox.shutdown()


def test_a_blueprint_has_the_code(with_code: RunloopSDK) -> None:
    """Blueprint API: code_mounts of a build."""
    mount = {"repo_owner": "acme", "repo_name": "tool", "install_command": "echo built > built"}
    blueprint = with_code.blueprint.create(name=f"code-{uuid.uuid4()}", code_mounts=[mount])  # type: ignore[list-item] # as above

    devbox = blueprint.create_devbox()

    assert devbox.cmd.exec("cat tool/file tool/built; stat -c %U tool/file").stdout() == "one\nbuilt\nuser\n"
    devbox.shutdown()


def test_a_failing_install_ends_the_devbox(with_code: RunloopSDK) -> None:
    """Code mounts: what fails before the launch commands makes the devbox fail, and the log says so."""
    mount = {"repo_owner": "acme", "repo_name": "tool", "install_command": "echo no >&2; exit 3"}

    with pytest.raises(RunloopError):
        with_code.devbox.create(code_mounts=[mount])  # type: ignore[list-item] # as above

    failed = with_code.api.devboxes.list(limit=1).devboxes[0]
    said = [entry.message or "" for entry in with_code.api.devboxes.logs.list(failed.id).logs]
    assert any("exit status 3: no" in message for message in said)
