from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_runloop.cache.gate import Gate, Place
from pytest_runloop.errors import ProvisioningError, SpecError, TeardownError
from pytest_runloop.provisioning import Provisioner
from pytest_runloop.sandbox import creation
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.handle import Sandbox
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target
from tests.fakes import FakeDevbox, FakeProvider

ENDPOINT = Endpoint(target=Target.EMULATOR, base_url="http://127.0.0.1:1", api_key="ak_hush")
REFUSED = ApiFailure("HTTP 403: not yours", status=403)


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def provisioner(provider: FakeProvider) -> Iterator[Provisioner]:
    provisioner = Provisioner(ENDPOINT, run="run_1", open_provider=lambda _: provider)
    yield provisioner
    provisioner.close()


def spec(**fields: Any) -> SandboxSpec:  # noqa: ANN401 - any field of a spec
    return SandboxSpec(**{"test": "t.py::x", **fields})


def refuse_shutdown(devbox: FakeDevbox) -> None:
    devbox.shutdown_refusal = REFUSED


def test_a_sandbox_is_there_and_then_gone(provisioner: Provisioner, provider: FakeProvider) -> None:
    with provisioner.provide(spec()) as sandbox:
        assert (sandbox.devbox_id, provider.devboxes[0].state) == ("dbx_1", "running")

    assert provider.devboxes[0].state == "shutdown"
    assert (provisioner.created, provisioner.deleted, provisioner.left_behind) == (1, 1, ())


def test_a_devbox_is_labelled(provisioner: Provisioner, provider: FakeProvider) -> None:
    with provisioner.provide(spec()), provisioner.provide(spec()):
        labels = [devbox.labels for devbox in provider.devboxes]

    assert [(one["pytest_runloop_test"], one["pytest_runloop_run"]) for one in labels] == [("t.py::x", "run_1")] * 2
    assert labels[0]["pytest_runloop_sandbox"] != labels[1]["pytest_runloop_sandbox"]


def test_an_impossible_spec_creates_nothing(provisioner: Provisioner, provider: FakeProvider) -> None:
    with pytest.raises(SpecError), provisioner.provide(spec(options={"exposed_ports": [0]})):
        pass

    assert provider.devboxes == []


def test_a_failing_test_changes_nothing_about_the_end(provisioner: Provisioner, provider: FakeProvider) -> None:
    with pytest.raises(ZeroDivisionError), provisioner.provide(spec()):
        raise ZeroDivisionError

    assert provider.devboxes[0].state == "shutdown"


def test_setup_commands_run_in_order(provisioner: Provisioner, provider: FakeProvider) -> None:
    with provisioner.provide(spec(setup=("one", "two"))):
        assert provider.devboxes[0].commands == [
            "cd /home/user && bash -c one",
            "cd /home/user && bash -c two",
        ]


def test_a_failing_setup_command_is_told_and_the_devbox_deleted(
    provisioner: Provisioner, provider: FakeProvider
) -> None:
    provider.script.exit_code, provider.script.stdout = 7, "no such package"

    with pytest.raises(ProvisioningError) as caught, provisioner.provide(spec(setup=("install it",))):
        pass

    assert all(part in str(caught.value) for part in ("t.py::x", "dbx_1", "$ install it", "exit code 7", "no such"))
    assert provider.devboxes[0].state == "shutdown"


def test_a_setup_callable_gets_the_sandbox_in_the_callers_thread(provisioner: Provisioner) -> None:
    seen: list[tuple[str, str]] = []

    def setup(sandbox: Sandbox) -> None:
        seen.append((sandbox.devbox_id, threading.current_thread().name))

    with provisioner.provide(spec(setup=setup)):
        pass

    assert seen == [("dbx_1", threading.current_thread().name)]


def test_an_asynchronous_setup_callable_is_awaited(provisioner: Provisioner, provider: FakeProvider) -> None:
    async def setup(sandbox: Sandbox) -> None:
        await sandbox.aio.exec("from setup")

    with provisioner.provide(spec(setup=setup)):
        assert provider.devboxes[0].commands == ["cd /home/user && bash -c 'from setup'"]


def test_the_error_of_a_setup_callable_is_its_own(provisioner: Provisioner, provider: FakeProvider) -> None:
    def setup(_: Sandbox) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), provisioner.provide(spec(setup=setup)):
        pass

    assert provider.devboxes[0].state == "shutdown"


@pytest.mark.parametrize("files", [{}, {"a": "b"}])
def test_a_workspace_that_can_not_be_filled_is_told(
    provisioner: Provisioner, provider: FakeProvider, files: dict[str, str]
) -> None:
    if files:
        provider.prepare = lambda devbox: setattr(devbox, "upload_failure", ApiFailure("HTTP 507: full", status=507))
    else:
        provider.materialise_failure = ApiFailure("HTTP 507: full", status=507)

    with (
        pytest.raises(ProvisioningError, match=r"t\.py::x: .*dbx_1.*HTTP 507: full"),
        provisioner.provide(spec(files=files)),
    ):
        pass

    assert provider.devboxes[0].state == "shutdown"


def test_files_take_one_upload_however_many_they_are(provisioner: Provisioner, provider: FakeProvider) -> None:
    with provisioner.provide(spec(files={f"f{number}": "x" for number in range(9)})):
        assert len(provider.devboxes[0].files) == 1
        assert len(provider.devboxes[0].commands) == 1


def test_a_failed_creation_that_left_a_devbox_is_cleaned_up(provisioner: Provisioner, provider: FakeProvider) -> None:
    provider.create_failure = ApiFailure("Exceeded timeout of 120 seconds", status=None)

    with (
        pytest.raises(ProvisioningError, match=r"t\.py::x: no sandbox could be created: Exceeded"),
        provisioner.provide(spec()),
    ):
        pass

    assert [devbox.state for devbox in provider.devboxes] == ["shutdown"]


def test_a_failed_creation_never_touches_other_devboxes(provisioner: Provisioner, provider: FakeProvider) -> None:
    with provisioner.provide(spec()):
        provider.create_failure = REFUSED
        with pytest.raises(ProvisioningError), provisioner.provide(spec()):
            pass

        assert [devbox.state for devbox in provider.devboxes] == ["running", "shutdown"]


def test_a_failed_creation_that_can_not_be_looked_into_names_the_label(
    provisioner: Provisioner, provider: FakeProvider
) -> None:
    provider.create_failure = provider.find_failure = ApiFailure("no answer", status=None)

    with pytest.raises(TeardownError, match=r"pytest_runloop_sandbox=\w+"), provisioner.provide(spec()):
        pass


def interrupt_once_creating(provider: FakeProvider, ctrl_c: Callable[[threading.Event], None]) -> None:
    def act() -> None:
        provider.creating.wait()
        ctrl_c(provider.slept)

    threading.Thread(target=act).start()


def test_an_interrupted_creation_leaves_nothing(
    provisioner: Provisioner, provider: FakeProvider, ctrl_c: Callable[[threading.Event], None]
) -> None:
    provider.create_seconds = 0.1
    interrupt_once_creating(provider, ctrl_c)

    with pytest.raises(KeyboardInterrupt), provisioner.provide(spec()):
        pass

    assert [devbox.state for devbox in provider.devboxes] == ["shutdown"]


def test_an_interrupted_creation_is_not_waited_for_without_end(
    provisioner: Provisioner,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    ctrl_c: Callable[[threading.Event], None],
) -> None:
    monkeypatch.setattr(creation, "INTERRUPTED_CREATE_S", 0.01)
    provider.create_seconds = 60
    interrupt_once_creating(provider, ctrl_c)

    with pytest.raises(KeyboardInterrupt), provisioner.provide(spec()):
        pass


def test_a_devbox_that_can_not_be_deleted_is_reported_and_remembered(
    provisioner: Provisioner, provider: FakeProvider
) -> None:
    provider.prepare = refuse_shutdown

    with pytest.raises(TeardownError, match=r"dbx_1 could not be deleted \(HTTP 403"), provisioner.provide(spec()):
        pass

    assert (provisioner.deleted, provisioner.left_behind) == (0, ("dbx_1",))


def test_a_sandbox_to_be_kept_is_suspended(provisioner: Provisioner, provider: FakeProvider) -> None:
    with provisioner.provide(spec(options={"pause_on_exit": True})):
        # What the SDK would have done by the time it is asked.
        provider.devboxes[0].state = "suspended"
        refuse_shutdown(provider.devboxes[0])

    assert (provisioner.suspended, provisioner.deleted, provisioner.left_behind) == (1, 0, ())


def test_a_sandbox_that_was_never_ready_is_not_kept(provisioner: Provisioner, provider: FakeProvider) -> None:
    provider.script.exit_code = 1

    with pytest.raises(ProvisioningError), provisioner.provide(spec(options={"pause_on_exit": True}, setup=("x",))):
        pass

    assert (provider.devboxes[0].state, provisioner.deleted) == ("shutdown", 1)


def test_closing_ends_what_nobody_ended(provisioner: Provisioner, provider: FakeProvider) -> None:
    provided = provisioner.provide(spec())
    provided.__enter__()

    provisioner.close()

    assert (provider.devboxes[0].state, provider.closed) == ("shutdown", True)


def test_several_threads_share_one_provider() -> None:
    opened: list[FakeProvider] = []

    def open_provider(_: Endpoint) -> FakeProvider:
        opened.append(FakeProvider())
        return opened[0]

    provisioner = Provisioner(ENDPOINT, open_provider=open_provider)

    def use() -> None:
        with provisioner.provide(spec()):
            pass

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provisioner.close()

    assert (len(opened), provisioner.created, provisioner.deleted) == (1, 4, 4)


def test_a_provisioner_that_was_never_used_costs_nothing() -> None:
    before = threading.active_count()
    provisioner = Provisioner(ENDPOINT)

    assert threading.active_count() == before
    provisioner.close()


def test_an_asynchronous_test_uses_the_same_sandbox(provisioner: Provisioner, provider: FakeProvider) -> None:
    with provisioner.provide(spec()) as sandbox:
        result = asyncio.run(sandbox.aio.exec(["ls", "a b"], cwd="sub", env={"A": "1"}, user="bob"))

    assert result.command == "ls 'a b'"
    assert provider.devboxes[0].commands == ["cd /home/user/sub && sudo -u bob -- env -- A=1 ls 'a b'"]


def test_a_port_that_is_not_exposed_is_refused_before_any_request(
    provisioner: Provisioner, provider: FakeProvider
) -> None:
    with provisioner.provide(spec(options={"exposed_ports": [8000]})) as sandbox:
        with pytest.raises(SpecError, match=r"port 80 is not exposed \(exposed_ports: 8000\).*exposed_ports=\[80\]"):
            sandbox.url(80)

        assert sandbox.url(8000, wait_s=0) == "http://127.0.0.1:1/8000"
        assert provider.devboxes[0].commands == []


class CountingGate(Gate):
    """A gate that knows how many are inside; the operating system forgets a lock that nobody refers to."""

    inside = 0

    def enter(self, *, stop: threading.Event | None = None) -> Place:
        place = super().enter(stop=stop)
        self.inside += 1
        return CountedPlace(place, self)


class CountedPlace(Place):
    def __init__(self, place: Place, gate: CountingGate) -> None:
        self._place = place
        self._gate: CountingGate | None = gate

    def leave(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.inside -= 1
            self._place.leave()


def test_a_place_is_taken_while_the_devbox_exists(provider: FakeProvider, tmp_path: Path) -> None:
    gate = CountingGate(tmp_path, 2)
    provisioner = Provisioner(ENDPOINT, open_provider=lambda _: provider, gate=gate)

    with provisioner.provide(spec()), provisioner.provide(spec()):
        assert gate.inside == 2
    assert gate.inside == 0

    provider.create_failure = REFUSED
    with pytest.raises(ProvisioningError), provisioner.provide(spec()):
        pass
    provider.create_failure, provider.materialise_failure = None, REFUSED
    with pytest.raises(ProvisioningError), provisioner.provide(spec()):
        pass

    assert gate.inside == 0
    provisioner.close()


def test_a_place_is_given_up_even_if_the_devbox_could_not_be_deleted(provider: FakeProvider, tmp_path: Path) -> None:
    gate = CountingGate(tmp_path, 1)
    provisioner = Provisioner(ENDPOINT, open_provider=lambda _: provider, gate=gate)
    provider.prepare = refuse_shutdown

    with pytest.raises(TeardownError), provisioner.provide(spec()):
        pass

    assert gate.inside == 0
    provisioner.close()
