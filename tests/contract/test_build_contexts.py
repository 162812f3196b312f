"""Build contexts of blueprints and what COPY takes from them, as the vendor's clients and documentation have them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from runloop_api_client import BadRequestError, RunloopError, RunloopSDK
from runloop_api_client.sdk import Blueprint, StorageObject

from tests.contract.test_blueprints import NO_ROOT
from tests.contract.test_mounts import _tar
from tests.contract.test_objects import Upload, upload  # noqa: F401 - a fixture

Shown = Callable[..., str]


@pytest.fixture(scope="module")
def context(sdk: RunloopSDK, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageObject]:
    """A directory as the vendor's client packs it."""
    directory = tmp_path_factory.mktemp("context")
    for name, text in {
        "app.py": "app",
        "one.txt": "1",
        "two.txt": "2",
        "with space.txt": "s",
        ".hidden": "h",
        "src/main.py": "main",
        "src/.env": "env",
        "src/deep/er.py": "er",
    }.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    (directory / "tool").write_text("#!/bin/sh\necho tool\n")
    (directory / "tool").chmod(0o755)
    (directory / "link").symlink_to("app.py")
    one = sdk.storage_object.upload_from_dir(directory)
    yield one
    one.delete()


@pytest.fixture
def shown(sdk: RunloopSDK, context: StorageObject) -> Iterator[Shown]:
    """Build with a context, and give what a command then shows."""
    made: list[Blueprint] = []

    def show(lines: str, command: str, *, object_id: str = "") -> str:
        body = {
            "name": f"context-{uuid.uuid4()}",
            "dockerfile": f"FROM ubuntu:22.04\n{lines}",
            "build_context": {"type": "object", "object_id": object_id or context.id},
        }
        made.append(sdk.blueprint.create(**body))  # type: ignore[arg-type] # the client's own to check
        devbox = made[-1].create_devbox()
        result = devbox.cmd.exec(command)
        devbox.shutdown()
        return result.stdout() + result.stderr()

    yield show
    for blueprint in made:
        blueprint.delete()


def test_everything_is_copied(shown: Shown) -> None:
    """Blueprint API: COPY . takes the whole context, hidden files, modes and links included."""
    found = shown(
        "WORKDIR /app\nCOPY . .", "cd /app && find . -type f -o -type l | sort | tr '\\n' ' ' && ./tool && cat link"
    )

    files = "./.hidden ./app.py ./link ./one.txt ./src/.env ./src/deep/er.py ./src/main.py ./tool ./two.txt"
    assert found == f"{files} ./with space.txt tool\napp"


@pytest.mark.parametrize(
    ("line", "command", "output"),
    [
        ("COPY app.py /app.py", "cat /app.py", "app"),
        ("COPY app.py /new/dir/", "cat /new/dir/app.py", "app"),
        ("COPY app.py /home", "cat /home/app.py", "app"),
        ("COPY /app.py /a", "cat /a", "app"),
        ("COPY one.txt two.txt /both/", "cat /both/*", "12"),
        ("COPY *.txt /all/", "ls /all | tr '\\n' ' '", "one.txt two.txt with space.txt "),
        ("COPY [ot][nw]?.txt /some/", "cat /some/*", "12"),
        ("COPY src /opt/src", "cat /opt/src/main.py /opt/src/.env /opt/src/deep/er.py", "mainenver"),
        ('COPY ["with space.txt", "/s p/"]', "cat '/s p/with space.txt'", "s"),
        ("COPY with\\ space.txt /s", "cat /s", "s"),
        ("COPY link /followed", "cat /followed && test ! -L /followed", "app"),
        ("ARG D=/var/x\nENV F=one.txt\nCOPY $F ${D}/", "cat /var/x/one.txt", "1"),
        ("WORKDIR /w\nCOPY one.txt here", "cat /w/here", "1"),
        ("COPY --chmod=700 --link one.txt /m", "stat -c %a /m", "700\n"),
        ("COPY <<EOF /text\nA $HOME' \\n\nEOF", "cat /text", "A ' \\n\n"),
        ("COPY <<'EOF' /text\n$HOME\nEOF", "cat /text", "$HOME\n"),
        ("COPY one.txt <<two /t/\nhere\ntwo", "cat /t/one.txt /t/two", "1here\n"),
        ("ADD app.py /added/", "cat /added/app.py", "app"),
        ("RUN --mount=type=bind,source=one.txt,target=/in/1 cp /in/1 /o", "cat /o; ls -A /in", "1"),
        ("WORKDIR /w\nRUN --mount=type=bind,target=. cp src/main.py /o", "cat /o; ls -A /w", "main"),
    ],
)
def test_files_go_where_docker_puts_them(shown: Shown, line: str, command: str, output: str) -> None:
    """Blueprint API: the Dockerfile's own rules for COPY."""
    assert shown(line, command) == output


@pytest.mark.skipif(NO_ROOT, reason="a sandbox of an ordinary user has one id")
def test_files_get_their_owner(shown: Shown) -> None:
    """Blueprint API: COPY --chown, by name and by number, for what is copied and nothing else."""
    lines = (
        "COPY --chown=user:user src /home/user/src\nCOPY --chown=1000 one.txt /o\nCOPY --chown=user two.txt /home/user/"
    )

    found = shown(lines, "stat -c %U:%G /home/user /home/user/src /home/user/src/main.py /o /home/user/two.txt")

    assert found == "user:user\n" * 5


@pytest.mark.skipif(NO_ROOT, reason="a sandbox of an ordinary user has one id")
def test_a_second_copy_of_the_same_files_has_its_own_owner(shown: Shown) -> None:
    """Blueprint API: one COPY says nothing about the next."""
    lines = "COPY --chown=user --chmod=600 one.txt /a\nCOPY one.txt /b"

    assert shown(lines, "stat -c '%U %a' /b") == "root 644\n"


def test_add_unpacks_archives(shown: Shown, upload: Upload) -> None:  # noqa: F811 - the fixture
    """Dockerfile reference: ADD unpacks a local archive into its target."""
    inner = _tar(("in", b"inside"))
    one = upload(_tar(("a.tgz", inner), ("empty", b"")), content_type="tgz")

    found = shown("ADD a.tgz empty /into/\nCOPY a.tgz /kept", "cat /into/in; ls /into | tr '\\n' ' '", object_id=one.id)

    assert found == "insideempty in "


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("COPY ../secret /x", "leads out of the build context"),
        ("COPY src/../../secret /x", "leads out of the build context"),
        ("COPY missing /x", "missing: not found in the build context"),
        ("COPY *.none /x", "not found in the build context"),
        ("COPY --from=builder /a /b", "stages"),
        ("ADD https://example.com/x /x", "fetch it in a RUN"),
        ("RUN --mount=type=bind,source=missing,target=/m true", "not found in the build context"),
        ("RUN --mount=type=bind,from=other,target=/m true", "not emulated"),
        ("RUN --mount=type=bind,source=../x,target=/m true", "leads out of the build context"),
        ("COPY one.txt", "needs a source and a target"),
        ("COPY --chown=a;b one.txt /x", "user:group"),
    ],
)
def test_what_can_not_be_copied_fails_the_build(
    sdk: RunloopSDK, context: StorageObject, line: str, problem: str
) -> None:
    """Blueprint API: a build that fails says which step and why."""
    build_context = {"type": "object", "object_id": context.id}
    body = {"name": f"context-{uuid.uuid4()}", "dockerfile": f"FROM ubuntu\n{line}", "build_context": build_context}

    with pytest.raises(RunloopError):
        sdk.blueprint.create(**body)  # type: ignore[arg-type] # as above

    (failed,) = sdk.blueprint.list(name=body["name"])  # type: ignore[arg-type] # as above
    said = [entry.message for entry in sdk.api.blueprints.logs(failed.id).logs]
    assert any(problem in message for message in said)
    failed.delete()


def test_links_do_not_lead_out_of_the_context(sdk: RunloopSDK, upload: Upload) -> None:  # noqa: F811
    """The emulator's own promise: a link in the context is followed within the context only."""
    one = upload(_tar(("a", b"a"), links={"out": "/etc/passwd"}), content_type="tgz")
    build_context = {"type": "object", "object_id": one.id}

    with pytest.raises(RunloopError):
        sdk.blueprint.create(name="out", dockerfile="FROM ubuntu\nCOPY out /x", build_context=build_context)  # type: ignore[arg-type] # as above


def test_a_context_must_be_there(sdk: RunloopSDK) -> None:
    """Blueprint API: 400 for an unknown object, and for one of another kind."""
    for context in ({"type": "object", "object_id": "obj_none"}, {"type": "git", "object_id": "x"}):
        with pytest.raises(BadRequestError):
            sdk.blueprint.create(name="context", build_context=context)  # type: ignore[arg-type] # as above


def test_the_context_is_not_part_of_the_disk(shown: Shown, tmp_path: Path) -> None:
    """The emulator's own promise: only what was copied is kept."""
    assert shown("COPY app.py /app.py", "ls -A /run/build-context 2>&1 | head -c 2") == "ls"
