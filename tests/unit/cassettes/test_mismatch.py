"""What is said when nothing answers. Read these as somebody would whose test has just failed."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from pytest_runloop.cassettes.exchange import Exchange, Request
from pytest_runloop.cassettes.files.layout import Cassette
from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.replay import Tape, Unrecorded
from tests.unit.cassettes.asking import answer, cassette, exchange, get, model, post, run, said, shell, tape, upload

COMMAND = "pytest tests/t.py::x --runloop-target=emulator --runloop-record=all"
UUID = "01890a5d-ac96-774b-bcce-b302099a80"
HELPER = "cd /home/user && /tmp/openai-agents/bin/resolve-workspace-path-62a6e78539cf /home/user {} 1"


def refused(playing: Tape, request: Request) -> str:
    with pytest.raises(Unrecorded) as miss:
        playing.play(request)
    return miss.value.message


def recorded(*requests: Request, versions: dict[str, str] | None = None) -> Tape:
    return tape(*(exchange(one, said("")) for one in requests), versions=versions)


def head(message: str) -> str:
    return message.partition("\n")[0].partition("no recording answers ")[2]


def test_a_changed_command_is_shown_beside_what_was_recorded() -> None:
    playing = recorded(shell("ls"), shell("cat what.txt"), shell("echo bye"))
    playing.play(shell("ls"))

    assert refused(playing, shell("cat who.txt")).split("\n") == [
        "tests/t.py::x: no recording answers exec #2 in devbox dbx_1: the command differs",
        "  asked now: exec `cat who.txt` in devbox dbx_1",
        "  closest:   exec `cat what.txt` in devbox dbx_1 (recording 2 of 3, not played yet)",
        "",
        "    --- recorded",
        "    +++ asked now",
        "    - command: cd /home/user && bash -c 'cat what.txt'",
        "    + command: cd /home/user && bash -c 'cat who.txt'",
        "",
        "  the recorded call was not asked for so far, so this may be the same call, changed.",
        "  1 of 3 recordings had been played; the last that matched: exec `ls` in devbox dbx_1 (recording 1).",
        "  cassette: tests/cassettes/t/x.json (recorded on emulator, 2026-11-24)",
        "  if the change is meant, record again:",
        f"    {COMMAND}",
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (get("/v1/devboxes/dbx_b126b806c8917a0d"), get("/v1/devboxes/dbx_32dda60a4e84b5cc")),
        (
            post("/v1/devboxes", {"snapshot_id": "snp_b126b806c8917a0d"}),
            post("/v1/devboxes", {"snapshot_id": "snp_32dda60a4e84b5cc"}),
        ),
    ],
)
def test_ids_of_what_was_recorded_again_are_nothing_to_declare_volatile(before: Request, now: Request) -> None:
    message = refused(recorded(before), now)

    assert "only ids differ: what this test shares or is prepared from was recorded again" in message
    assert "volatile" not in message


def test_the_command_that_records_again_may_be_given() -> None:
    playing = Tape(cassette([]), path=Path("x.json"), label="x", command="make cassettes")
    assert refused(playing, shell("ls")).endswith("record again:\n    make cassettes")


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (shell("ls", env="A=1"), shell("ls", env="A=2"), "the environment differs"),
        (run("cd /a && bash -c ls"), run("cd /b && bash -c ls"), "the directory differs"),
        (run("cd /a && bash -c ls"), run("cd /a && sudo -u root -- bash -c ls"), "the account differs"),
        (upload("/a", b"one"), upload("/a", b"two"), "the file's content differs"),
        (upload("/a", b"one"), upload("/b", b"one"), "the file differs"),
        (model("hi"), model("ho"), "what the model is told differs"),
        (post("/v1/devboxes", {"name": "a"}), post("/v1/devboxes", {"name": "b"}), "what is asked for differs"),
        (shell("ls"), shell("ls", box="/v1/devboxes/dbx_2"), "it went to another place"),
        (get("/v1/devboxes?limit=1"), get("/v1/devboxes?limit=2"), "its address differs"),
        (shell("ls"), model("hi"), "it was not recorded"),
    ],
)
def test_the_first_line_names_the_part_that_differs(before: Request, now: Request, verdict: str) -> None:
    assert head(refused(recorded(before), now)).rpartition(": ")[2] == verdict


def test_one_call_too_many_is_told_as_that() -> None:
    playing = recorded(shell("date"), shell("date"))
    for _ in range(2):
        playing.play(shell("date"))

    message = refused(playing, shell("date"))

    assert head(message) == "exec #3 in devbox dbx_1: it was recorded 2 times and has been played 2 times"
    assert "this is done more often now than when it was recorded." in message
    assert "(recording 1 of 2, played already)" in message
    assert "+++" not in message


@pytest.mark.parametrize(
    ("before", "now", "rule"),
    [
        ("run --job=3f2a9c01", "run --job=77ab12ff", r"run\ \-\-job=([0-9a-f]{6,64})"),
        (f"echo {UUID}57", f"echo {UUID}ff", "echo\\ ([0-9a-f]{8}"),
        ("touch -d 2026-11-24T16:00", "touch -d 2026-11-25T17:30", r"touch\ \-d\ (\d{4}-\d\d-\d\d"),
        ("kill 48211", "kill 48377", r"kill\ (\d{5,}"),
        ("cat /tmp/tmpab12cd34/x", "cat /tmp/tmpzz99yy88/x", "cat\\ /tmp/tmp([0-9a-z_]+)"),
        ("cat /tmp/pytest-of-me/pytest-12/x", "cat /tmp/pytest-of-me/pytest-13/x", r"/pytest\-([0-9a-z_]+)"),
    ],
)
def test_what_looks_made_up_gets_the_rule_that_makes_it_volatile(before: str, now: str, rule: str) -> None:
    message = refused(recorded(shell(before)), shell(now))

    assert "it differs only in what looks made up anew in each run: " in message
    offered = re.search(r"declare it volatile in the fixture runloop_cassette_config: (.+)", message)
    assert offered is not None
    assert rule in offered[1]


def test_the_offered_rule_works() -> None:
    before, now = shell("run --job=3f2a9c01 x"), shell("run --job=77ab12ff x")
    message = refused(recorded(before), now)
    offered = re.search(r're\.compile\(r"(.+)"\)', message)
    assert offered is not None

    playing = tape(exchange(before, said("ok")), rules=Rules([re.compile(offered[1])]))

    assert playing.play(now).status == 200


def test_a_command_that_differs_in_more_is_no_matter_of_rules() -> None:
    message = refused(recorded(shell("run --job=3f2a9c01")), shell("stop --job=77ab12ff"))
    assert "volatile" not in message


def test_what_the_sdk_does_by_itself_is_blamed_on_its_version() -> None:
    playing = recorded(run(HELPER.format("/home/user/a")), versions={"openai-agents": "0.1.0"})

    message = refused(playing, run(HELPER.format("/home/user/b")))

    now = metadata.version("openai-agents")
    assert head(message).startswith("let the SDK check the path /home/user/b in devbox dbx_1: ")
    assert f"the SDK makes this call by itself, and it has changed since (openai-agents 0.1.0, now {now})." in message
    assert f"(recorded on emulator, 2026-11-24; openai-agents 0.1.0, now {now})" in message


def test_versions_are_not_blamed_for_somebodys_own_command_or_if_they_are_the_same() -> None:
    old = {"openai-agents": "0.1.0"}
    same = {"openai-agents": metadata.version("openai-agents")}
    assert "changed since" not in refused(recorded(shell("ls"), versions=old), shell("cat"))
    asked = run(HELPER.format("/home/user/b"))
    assert "changed since" not in refused(recorded(run(HELPER.format("/home/user/a")), versions=same), asked)


def test_what_waits_is_closer_than_what_was_played() -> None:
    playing = recorded(shell("cat a"), shell("cat b"))
    playing.play(shell("cat a"))

    assert "closest:   exec `cat b`" in refused(playing, shell("cat c"))


def test_only_what_differs_of_a_long_text_is_shown() -> None:
    lines = [f"line {number}" for number in range(1000)]
    before, now = (upload("/a", "\n".join([*lines[:500], word, *lines[500:]]).encode()) for word in ("old", "new"))

    message = refused(recorded(before), now)

    assert "    -   old\n    +   new" in message
    assert len(message.split("\n")) < 20


def test_a_long_line_is_shown_where_it_differs() -> None:
    before, now = (shell("x" * 1000 + word + "y" * 1000) for word in ("OLD", "NEW"))

    message = refused(recorded(before), now)

    assert re.search(r"- …x+OLDy+…", message)
    assert re.search(r"\+ …x+NEWy+…", message)
    assert max(map(len, message.split("\n"))) < 200


def test_everything_another_is_cut_after_some_lines() -> None:
    before, now = (upload("/a", "\n".join(f"{word} {n}" for n in range(900)).encode()) for word in ("old", "new"))

    message = refused(recorded(before), now)

    assert re.search(r"… and \d+ more lines", message)
    assert len(message.split("\n")) < 60


def test_long_bodies_are_shown_where_they_begin_to_differ() -> None:
    before, now = (model("x" * 3_000_000 + word) for word in ("OLD", "NEW"))

    message = refused(recorded(before), now)

    assert "of 3,000," in message
    assert "xOLD" in message
    assert "xNEW" in message
    assert len(message) < 2000


def test_binary_files_are_told_by_size_and_digest() -> None:
    message = refused(recorded(upload("/a", b"\0\1")), upload("/a", b"\0\1\2"))
    assert re.search(r"- file: 2 bytes, sha256 [0-9a-f]{64}\n    \+ file: 3 bytes", message)


def test_a_cassette_that_does_not_know_its_origin_says_so() -> None:
    plain = Cassette(exchanges=(Exchange(request=shell("ls"), response=answer()),))
    message = refused(Tape(plain, path=Path("a.yaml"), label="t.py::x"), shell("cat"))
    assert "cassette: a.yaml (it does not say who recorded it)" in message
    assert message.endswith("    pytest t.py::x --runloop-record=all")


def test_what_is_told_by_its_digest_does_not_look_made_up() -> None:
    message = refused(recorded(upload("/a", bytes(70_000))), upload("/a", b"\0" * 69_999 + b"x"))
    assert "sha256" in message
    assert "volatile" not in message


def test_a_value_made_up_in_one_of_many_lines_is_found() -> None:
    same = ["one line\n" * 20_000] * 3
    message = refused(recorded(model(*same, "id 01890a5d\nend")), model(*same, "id 11890a5d\nend"))
    assert "01890a5d when recorded, 11890a5d now" in message


def test_a_long_upload_that_changed_is_told_by_its_digest() -> None:
    content = bytes(range(256)) * 200_000
    playing = recorded(upload("/a", content))
    changed = upload("/a", content[:-1] + b"!")

    message = refused(playing, changed)

    assert "- file: 51200000 bytes, sha256 " in message
