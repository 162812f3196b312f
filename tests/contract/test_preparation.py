"""Prepared sandboxes against a real emulator: who finds them, what survives, and what is mended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from agents.extensions.sandbox.runloop import RunloopSandboxClient

from pytest_runloop.cache.entry import from_text, to_text
from pytest_runloop.errors import ProvisioningError
from pytest_runloop.preparation import SuspendedSnapshot
from pytest_runloop.provisioning import Gate
from pytest_runloop.sandbox import labels
from tests.contract.conftest import Service
from tests.contract.counting import counting
from tests.contract.lab import Lab, answer


@pytest.fixture
def lab(service: Service, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(service, tmp_path)
    yield lab
    lab.close()


def stamp(prepared: SuspendedSnapshot) -> str:
    """Return when the disk was set up: the same only if it was not set up again."""
    with prepared.fork() as sandbox:
        text: str = sandbox.read_text("stamp")
        return text


def test_it_is_prepared_once_for_tests_workers_runs_and_machines(lab: Lab) -> None:
    first = lab.process()
    prepared = first.prepared(lab.spec())
    when = stamp(prepared)

    again = stamp(lab.process().prepared(lab.spec()))
    later = lab.another("fork", "cat stamp")
    elsewhere = lab.another("fork", "cat stamp", machine="there")

    assert [again, later["output"], elsewhere["output"]] == [when] * 3
    assert [(one["made"], one["found"], one["key"]) for one in (later, elsewhere)] == [(0, 1, prepared.key)] * 2
    assert (len(lab.disks()), list(lab.devboxes().values())) == (1, ["suspended"])


def test_another_process_resumes_what_this_one_left(lab: Lab) -> None:
    with lab.process().prepared(lab.spec()).resume() as sandbox:
        sandbox.write_text("left", "by the first")

    here = lab.another("resume", "cat left; echo ', and the second' >> left")
    there = lab.another("resume", "cat left", machine="there")

    assert (here["output"], there["output"]) == ("by the first", "by the first, and the second\n")
    assert len(lab.devboxes()) == 1


def test_two_shards_at_once_end_with_one(lab: Lab) -> None:
    shards = [lab.start("fork", machine=f"shard {number}", command="cat stamp") for number in range(2)]
    results = [answer(shard) for shard in shards]

    assert sum(one["made"] for one in results) in {1, 2}
    assert len(lab.disks()) == 1
    assert list(lab.devboxes().values()) == ["suspended"]
    assert lab.another("fork", machine="shard 3")["found"] == 1


def test_two_shards_that_prepare_at_the_very_same_time_agree(lab: Lab) -> None:
    # Each looks while the other's snapshot is not there yet, because the setup takes a while.
    slow = lab.spec(setup=("sleep 1; date +%s%N > stamp",))
    shards = [lab.process(machine=f"shard {number}") for number in range(3)]

    with ThreadPoolExecutor(3) as pool:
        prepared = list(pool.map(lambda shard: shard.prepared(slow), shards))

    assert [shard.made for shard in shards] == [1, 1, 1]
    assert len(lab.disks()) == 1
    assert len({stamp(one) for one in prepared}) == 1
    assert list(lab.devboxes().values()) == ["suspended"]


def test_a_killed_preparer_is_followed_by_the_next(lab: Lab) -> None:
    marker = lab.directory / "began"
    slow = ("sleep 8",)
    killed = lab.start("fork", command="true", setup=slow)
    deadline = time.monotonic() + 20
    while "running" not in lab.devboxes().values():
        assert time.monotonic() < deadline
    killed.kill()
    killed.communicate()

    # The same key, but quick: what a changed clock cannot do, a changed sleep would.
    process = lab.process()
    began = time.monotonic()
    process.prepared(lab.spec(test=str(marker), setup=slow, options={"timeouts": {"exec_timeout_unbounded_s": 60}}))

    assert time.monotonic() - began >= 8
    assert list(lab.devboxes().values()) == ["suspended"]


def test_a_clean_preparation_is_what_the_sdk_resumes(lab: Lab) -> None:
    prepared = lab.process().prepared(lab.spec())
    text = lab.another("state")["output"]
    assert prepared.state_json == text

    async def stranger() -> tuple[str, str]:
        client = RunloopSandboxClient(bearer_token=lab.service.api_key, base_url=lab.service.base_url)
        session = await client.resume(client.deserialize_session_state(json.loads(text)))
        async with session:
            result = await session.exec("cat made; echo stranger >> made")
        # Suspended by the session, because its state says so.
        devbox_id = session.state.devbox_id  # type: ignore[attr-defined] # Runloop's state
        await client.close()
        return devbox_id, result.stdout.decode()

    devbox_id, output = asyncio.run(stranger())

    assert (devbox_id, output) == (json.loads(text)["devbox_id"], "prepared\n")
    with prepared.resume() as sandbox:
        assert (sandbox.devbox_id, sandbox.read_text("made")) == (devbox_id, "prepared\nstranger\n")


def test_forks_are_isolated_from_each_other_and_from_the_suspended_one(lab: Lab) -> None:
    prepared = lab.process().prepared(lab.spec())

    with prepared.fork() as one, prepared.fork() as other, prepared.resume() as resumed:
        for sandbox in (one, other, resumed):
            sandbox.write_text("made", sandbox.devbox_id)
        assert [sandbox.read_text("made") for sandbox in (one, other, resumed)] == [
            sandbox.devbox_id for sandbox in (one, other, resumed)
        ]

    with prepared.fork() as fresh:
        assert fresh.read_text("made") == "prepared\n"


def test_a_fork_has_the_environment_ports_and_metadata_of_its_own_test(lab: Lab) -> None:
    process = lab.process()
    spec = lab.spec(options={"env_vars": {"A": "from the mark"}})
    process.prepared(spec)

    own = replace(spec, options={**spec.options, "exposed_ports": [8000], "metadata": {"team": "a"}, "name": "mine"})
    with process.prepared(own).fork() as sandbox:
        sandbox.exec("python3 -m http.server 8000 >/dev/null 2>&1 &")
        view = lab.api.devboxes.retrieve(sandbox.devbox_id)
        assert sandbox.exec("echo $A").stdout == "from the mark\n"
        assert (view.name, view.metadata["team"]) == ("mine", "a")
        assert sandbox.url(8000).startswith("http")
    assert process.made == 1


SURVIVING = r"""
set -e
useradd --create-home --uid 1234 ann
install -d -o ann -g ann -m 2750 /srv/data
printf secret > /srv/data/file; chown ann:ann /srv/data/file; chmod 0640 /srv/data/file
touch -d '2001-02-03 04:05:06.123456789 UTC' /srv/data/file
ln -s ../data/file /srv/data/link
ln /srv/data/file /srv/data/hard
printf '0 3 * * * root /usr/local/bin/nightly\n' > /etc/cron.d/nightly
printf '#!/bin/sh\necho installed\n' > /usr/local/bin/nightly; chmod 0755 /usr/local/bin/nightly
echo /tmp-survives > /tmp/marker
rm -f /etc/issue
echo gone-with-the-machine > /dev/shm/marker
sleep 4321 & disown
"""
LOOK = r"""
stat -c '%n %U:%G %a %Y %h %F' /srv/data /srv/data/file /srv/data/link /srv/data/hard /usr/local/bin/nightly
stat -c %y /srv/data/file
readlink /srv/data/link; cat /srv/data/link; cat /etc/cron.d/nightly; nightly; id -u ann; cat /tmp/marker
test -e /etc/issue && echo issue is back
"""


@pytest.mark.skipif(
    "RUNLOOP_API_KEY" not in os.environ and os.geteuid() != 0,
    reason="only root's emulator has more than one account; run the tests as root",
)
def test_what_is_on_the_disk_survives_exactly(lab: Lab) -> None:
    spec = lab.spec(user="root", setup=(SURVIVING, f"({LOOK}) > /root/before 2>&1; true"))
    prepared = lab.process().prepared(spec)

    for lent in (prepared.fork(), prepared.resume(), prepared.resume()):
        with lent as sandbox:
            before = sandbox.read_text("/root/before")
            assert sandbox.exec(f"({LOOK}) 2>&1; true").stdout == before
            assert "ann:ann 640 981173106 2 regular file" in before
            assert "2001-02-03 04:05:06.123456789" in before
            assert "issue is back" not in before
            # And what is not on the disk does not.
            assert not sandbox.exists("/dev/shm/marker")
            assert not sandbox.exec("pgrep -f 'sleep 432[1]'").ok
            sandbox.exec("echo again > /dev/shm/marker; (sleep 4321 &) ; true")


def test_launch_commands_run_again_on_resume(lab: Lab) -> None:
    launch = {"launch_commands": ["echo started >> /tmp/starts"]}
    prepared = lab.process().prepared(lab.spec(options={"launch_parameters": launch}))

    counts = []
    for lent in (prepared.resume(), prepared.resume(), prepared.fork()):
        with lent as sandbox:
            counts.append(len(sandbox.read_text("/tmp/starts").splitlines()))

    assert counts == [2, 3, 2]


def test_a_failing_setup_keeps_nothing(lab: Lab) -> None:
    with pytest.raises(ProvisioningError) as caught:
        lab.process().prepared(lab.spec(setup=("echo so far so good", "echo no space >&2; exit 28")))

    assert all(part in str(caught.value) for part in ("exit 28", "no space", "exit code 28"))
    assert (lab.disks(), lab.devboxes()) == ([], {})


def test_an_unknown_blueprint_names_the_closest_ones(lab: Lab) -> None:
    spec = lab.spec(options={"blueprint_name": "runloop/universal-ubuntu-24.04-x86_64-dind"})

    with pytest.raises(ProvisioningError, match=r"closest first: runloop/universal-ubuntu-24\.04-x86_64-dnd, "):
        lab.process().prepared(spec)

    assert lab.devboxes() == {}


def delete_devbox(lab: Lab) -> None:
    (devbox_id,) = lab.devboxes()
    lab.delete_devbox(devbox_id)


def delete_disk(lab: Lab) -> None:
    lab.api.devboxes.disk_snapshots.delete(lab.disks()[0])


def delete_both(lab: Lab) -> None:
    delete_devbox(lab)
    delete_disk(lab)


def truncate_index(lab: Lab) -> None:
    file = lab.index()
    file.write_text(file.read_text()[:100])


def another_sdk(lab: Lab) -> None:
    file = lab.index()
    entry = from_text(file.read_text(), key=file.stem)
    state = json.loads(entry.state or "")
    state["timeouts"] = "of another version"
    file.write_text(to_text(replace(entry, state=json.dumps(state))))


def corrupt_state(lab: Lab) -> None:
    file = lab.index()
    entry = from_text(file.read_text(), key=file.stem)
    file.write_text(to_text(replace(entry, state=(entry.state or "")[:50])))


def resume_by_hand(lab: Lab) -> None:
    (devbox_id,) = lab.devboxes()
    lab.api.devboxes.resume(devbox_id)
    lab.api.devboxes.await_running(devbox_id)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (delete_devbox, ["was deleted: it is 'shutdown'"]),
        (delete_both, ["was deleted: it is 'shutdown'", "somebody deleted it; the sandbox was prepared again"]),
        (truncate_index, ["is not used: it is no JSON"]),
        (another_sdk, ["can't be used by this version of the Agents SDK"]),
        (corrupt_state, ["can't be used by this version of the Agents SDK"]),
        (resume_by_hand, ["is 'running', not 'suspended'"]),
    ],
)
def test_each_failure_to_resume_is_named_and_mended(lab: Lab, spoil: Callable[[Lab], None], words: list[str]) -> None:
    lab.process().prepared(lab.spec())
    spoil(lab)
    left = lab.devboxes()
    process = lab.process(run="run_2")

    with process.prepared(lab.spec()).resume() as sandbox:
        assert sandbox.read_text("made") == "prepared\n"

    assert len(process.problems) == len(words)
    assert all(word in problem for word, problem in zip(words, process.problems, strict=True))
    if "running" in left.values():
        lab.delete_devbox(*left)
    with process.prepared(lab.spec()).resume() as sandbox:
        assert sandbox.read_text("made") == "prepared\n"
    assert len(process.problems) == len(words)
    assert list(lab.devboxes().values()) == ["suspended"]


def test_a_deleted_disk_is_prepared_again_for_a_fork(lab: Lab) -> None:
    process = lab.process()
    prepared = process.prepared(lab.spec())
    delete_disk(lab)

    with prepared.fork() as sandbox:
        assert sandbox.read_text("made") == "prepared\n"

    assert process.made == 2
    assert "somebody deleted it" in process.problems[0]
    assert len(lab.disks()) == 1
    assert list(lab.devboxes().values()) == ["suspended"]


def test_what_a_failed_test_left_is_never_handed_on(lab: Lab) -> None:
    prepared = lab.process().prepared(lab.spec())
    with contextlib.suppress(ZeroDivisionError), prepared.resume() as sandbox:
        sandbox.write_text("made", "poisoned")
        raise ZeroDivisionError

    assert lab.devboxes() == {}
    with prepared.resume() as sandbox:
        assert sandbox.read_text("made") == "prepared\n"
    assert lab.another("resume", machine="there")["output"] == "prepared\n"


def test_what_a_killed_test_left_is_never_handed_on(lab: Lab) -> None:
    process = lab.process()
    prepared = process.prepared(lab.spec())
    with lab.start("die", command="echo poisoned > made") as other:
        assert other.stdout is not None
        poisoned = json.loads(other.stdout.readline())["devbox"]
        # Another machine leaves it alone; it can't know that its user is about to die.
        assert lab.another("resume", machine="there")["output"] == "prepared\n"
        other.kill()

    with prepared.resume() as sandbox:
        assert sandbox.read_text("made") == "prepared\n"

    assert poisoned not in lab.devboxes()
    assert [poisoned in problem for problem in process.problems] == [True]


def test_a_suspension_behind_our_back_does_not_make_a_disk_good(lab: Lab) -> None:
    lab.process().prepared(lab.spec())
    with lab.start("die", command="echo poisoned > made") as other:
        assert other.stdout is not None
        poisoned = json.loads(other.stdout.readline())["devbox"]
        other.kill()
    # As an idle time with on_idle: suspend does.
    lab.api.devboxes.suspend(poisoned)
    lab.api.devboxes.await_suspended(poisoned)

    assert lab.another("resume", machine="there")["output"] == "prepared\n"
    assert lab.another("resume")["output"] == "prepared\n"
    assert poisoned not in lab.devboxes()


def test_of_many_processes_never_two_have_it(lab: Lab) -> None:
    lab.process().prepared(lab.spec())
    # Each counts up; a lost count is two at once, or a state that was not handed on.
    command = "n=$(cat count 2>/dev/null || echo 0); sleep 0.2; echo $((n + 1)) > count; cat count"

    others = [lab.start("resume", command=command) for _ in range(4)]
    outputs = sorted(answer(other)["output"] for other in others)

    assert outputs == ["1\n", "2\n", "3\n", "4\n"]
    assert len(lab.devboxes()) == 1


def test_a_gate_caps_what_runs_at_once(lab: Lab) -> None:
    told: list[str] = []
    processes = [lab.process(gate=Gate(lab.directory / "gate", 1, told.append)) for _ in range(3)]
    prepared = [process.prepared(lab.spec()) for process in processes]
    most: list[int] = []

    def use(number: int) -> None:
        with prepared[number].fork() as sandbox:
            sandbox.exec("sleep 0.6")
            running = list(lab.api.devboxes.list(status="running", limit=1000))
            most.append(len([one for one in running if one.metadata.get(labels.RUN) == "gated"]))

    for process in lab.opened:
        process[1].run = "gated"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(use, range(3)))

    assert most == [1, 1, 1]
    assert told


def test_fresh_replaces_what_was_prepared(lab: Lab) -> None:
    when = stamp(lab.process(run="run_1").prepared(lab.spec()))
    workers = [lab.process(run="run_2", fresh=True) for _ in range(2)]

    stamps = {stamp(worker.prepared(lab.spec())) for worker in workers}

    assert len(stamps | {when}) == 2
    assert [worker.made for worker in workers] == [1, 0]
    assert (len(lab.disks()), list(lab.devboxes().values())) == (1, ["suspended"])


def test_ephemeral_entries_are_put_there_again(lab: Lab) -> None:
    from agents.sandbox import Manifest
    from agents.sandbox.entries import File

    manifest = Manifest(entries={"kept": File(content=b"kept"), "renewed": File(content=b"renewed", ephemeral=True)})
    prepared = lab.process().prepared(
        lab.spec(manifest=manifest, setup=("echo changed > kept; echo changed > renewed",))
    )

    for lent in (prepared.fork(), prepared.resume(), prepared.resume()):
        with lent as sandbox:
            assert (sandbox.read_text("kept"), sandbox.read_text("renewed")) == ("changed\n", "renewed")
            sandbox.write_text("renewed", "spoilt")


def test_a_run_that_finds_everything_sends_few_requests(lab: Lab, emulator: Service) -> None:
    lab.process().prepared(lab.spec())

    with counting(emulator.base_url) as counter:
        process = lab.process(run="run_2", base_url=counter.base_url)
        prepared = process.prepared(lab.spec())
        found = len(counter.lines)
        with prepared.fork():
            forking = len(counter.lines)
        forked = len(counter.lines)
        with prepared.resume():
            resuming = len(counter.lines)
        resumed = len(counter.lines)
        lab.opened.pop()[1].close()
        elsewhere = lab.process(machine="there", run="run_3", base_url=counter.base_url)
        elsewhere.prepared(lab.spec())
        looked_up = len(counter.lines) - resumed
        lab.opened.pop()[1].close()

    figures = {
        "found here": found,
        "fork": forking - found,
        "its end": forked - forking,
        "resume": resuming - forked,
        "suspend": resumed - resuming,
        "found elsewhere": looked_up,
    }
    assert figures == MOST_REQUESTS, "\n".join(counter.lines)


# Elsewhere, two to find it; the other three look for what has expired, once an hour on each machine.
MOST_REQUESTS = {"found here": 0, "fork": 1, "its end": 2, "resume": 4, "suspend": 3, "found elsewhere": 5}
