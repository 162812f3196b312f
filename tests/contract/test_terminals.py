"""Terminals: bootstrap, control, and the WebSocket by which they are used."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from runloop_api_client import BadRequestError, NotFoundError, Runloop, RunloopSDK
from runloop_api_client.sdk import Devbox
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from tests.contract.conftest import Service

Create = Callable[..., Devbox]
SLEEP = b"sh -c \"echo be''gun; exec sleep 100\"\n"
"""Something in the foreground, which says when it is there."""


@dataclass(frozen=True)
class Tty:
    """A devbox's terminals, as a client with their token sees them."""

    client: Runloop
    base: str
    token: str

    def attach(self, name: str, **options: object) -> ClientConnection:
        view = self.client.pty.connect(name)
        url = self.base.replace("http", "ws", 1) + (view.connect_url or "")
        if not options:
            options = {"additional_headers": {"Authorization": f"Bearer {self.token}"}}
        return connect(url, **options)  # type: ignore[arg-type] # the library's own to check


@pytest.fixture
def tty(emulator: Service, sdk: RunloopSDK, devbox: Devbox) -> Iterator[Tty]:
    """The session's devbox's terminals, reached by the path form of their tunnel."""
    with terminals(emulator, sdk, devbox) as tty:
        yield tty


class terminals:  # noqa: N801 - reads as a noun of the block
    """A client of a devbox's terminals."""

    def __init__(self, service: Service, sdk: RunloopSDK, devbox: Devbox) -> None:
        made = sdk.api.devboxes.create_pty_tunnel(devbox.id)
        base = f"{service.base_url}/_emulator/tunnels/13-{made.tunnel_key}"
        self.tty = Tty(Runloop(bearer_token=made.auth_token, base_url=base, max_retries=0), base, made.auth_token)

    def __enter__(self) -> Tty:
        return self.tty

    def __exit__(self, *_: object) -> None:
        self.tty.client.close()


def name() -> str:
    return f"s-{uuid.uuid4().hex}"


def until(websocket: Connection, text: str) -> str:
    """Read until a text has been shown."""
    seen = b""
    while text.encode() not in seen:
        data = websocket.recv(timeout=10)
        assert isinstance(data, bytes)
        seen += data
    return seen.decode()


def test_a_terminal_is_made_and_found_again(tty: Tty) -> None:
    """PTY API: created is false the second time; sizes are kept; the default is 80 by 24."""
    session = name()

    first = tty.client.pty.connect(session)
    second = tty.client.pty.connect(session, cols=100, rows=30)

    assert (first.created, first.attached, first.cols, first.rows) == (True, False, 80, 24)
    assert first.connect_url == f"/pty/{session}/attach"
    assert (first.idle_ttl_seconds or 0) > 0
    assert (second.created, second.cols, second.rows) == (False, 100, 30)


def test_one_side_alone_is_no_size(tty: Tty) -> None:
    """PTY API: cols and rows take effect together only."""
    view = tty.client.pty.connect(name(), cols=100)

    assert (view.cols, view.rows) == (80, 24)


@pytest.mark.parametrize("session", ["a.b", "x" * 257])
def test_a_name_that_is_none_is_refused(tty: Tty, session: str) -> None:
    """PTY API: 1 to 256 letters, digits, '-' and '_'."""
    with pytest.raises(BadRequestError, match="session_name"):
        tty.client.pty.connect(session)


def test_it_is_a_real_terminal(tty: Tty) -> None:
    """PTY API: an interactive bash; binary frames; resize reaches the programs in it."""
    session = name()
    with tty.attach(session) as websocket:
        websocket.send(b"tty; stty size; id -un; echo $TERM; echo a''b\n")
        shown = until(websocket, "\nab")
        tty.client.pty.control(session, action="resize", cols=132, rows=43)
        websocket.send(b"stty size\n")
        resized = until(websocket, "43 132")

    assert "/dev/pts/" in shown
    assert "24 80" in shown
    assert "\nuser\r" in shown
    assert "xterm" in shown
    assert resized


def test_keys_signal_and_end(tty: Tty) -> None:
    """A terminal: ^C interrupts what is in the foreground, ^D ends the shell, and the WebSocket closes with it."""
    session = name()
    with tty.attach(session) as websocket:
        # Only at its prompt has bash taken the terminal back, and only then is ^D a key like others.
        websocket.send(b"PS1='<$?>'\n" + SLEEP)
        until(websocket, "begun")
        websocket.send(b"\x03")
        until(websocket, "<130>")
        websocket.send(b"\x04")
        with pytest.raises(ConnectionClosed):
            until(websocket, "never shown")

    assert tty.client.pty.connect(session).created


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 138)])
def test_control_signals_the_foreground(tty: Tty, signal: str, code: int) -> None:
    """PTY API, control: signal by its POSIX name."""
    session = name()
    with tty.attach(session) as websocket:
        websocket.send(SLEEP)
        until(websocket, "begun")
        tty.client.pty.control(session, action="signal", signal=signal)
        websocket.send(b"echo code $?\n")
        until(websocket, f"code {code}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "resize", "cols": 0, "rows": 10},
        {"action": "resize", "cols": 1001, "rows": 10},
        {"action": "resize", "cols": 10},
        {"action": "signal", "signal": "SIGNONE"},
        {"action": "dance"},
    ],
)
def test_a_wrong_control_is_refused(tty: Tty, wrong: dict[str, object]) -> None:
    """PTY API, control: 400."""
    session = name()
    tty.client.pty.connect(session)

    with pytest.raises(BadRequestError):
        tty.client.pty.control(session, **wrong)  # type: ignore[arg-type] # the client's own to check


def test_close_ends_it_and_frees_the_name(tty: Tty) -> None:
    """PTY API, control: close; then 404, and a new session by the same name."""
    session = name()
    with tty.attach(session) as websocket:
        assert tty.client.pty.control(session, action="close").session_name == session
        with pytest.raises(ConnectionClosed):
            until(websocket, "never shown")

    with pytest.raises(NotFoundError):
        tty.client.pty.control(session, action="close")
    assert tty.client.pty.connect(session).created


def test_one_client_at_a_time_and_another_later(tty: Tty) -> None:
    """PTY API: a second attach is refused at the upgrade, not at the bootstrap; the shell outlives its client."""
    session = name()
    with tty.attach(session) as websocket:
        websocket.send(b"kept=yes; echo do''ne\n")
        until(websocket, "done")
        assert tty.client.pty.connect(session).attached
        with pytest.raises(InvalidStatus, match="409"):
            tty.attach(session)
    with tty.attach(session) as websocket:
        websocket.send(b"echo $kept''!\n")
        until(websocket, "yes!")


def test_the_token_may_come_as_a_sub_protocol(tty: Tty) -> None:
    """PTY API: browsers can't send headers, so the token is accepted among the sub-protocols."""
    with tty.attach(name(), subprotocols=[tty.token]) as websocket:
        websocket.send(b"echo a''b\n")
        until(websocket, "ab")


def test_nobody_comes_in_without_the_token(tty: Tty, emulator: Service) -> None:
    """create_pty_tunnel: always authenticated, and only for terminals."""
    assert httpx.get(f"{tty.base}/pty/x").status_code == 401
    with pytest.raises(InvalidStatus, match="401"):
        tty.attach(name(), additional_headers={"Authorization": "Bearer no"})
    assert httpx.get(f"{emulator.base_url}/_emulator/pty/x").status_code == 401
    other = {"Authorization": f"Bearer {tty.token}"}
    assert httpx.get(tty.base.replace("/13-", "/8000-") + "/pty/x", headers=other).status_code == 404
    assert httpx.get(f"{emulator.base_url}/v1/devboxes", headers=other).status_code == 401


def test_the_tokens_bearer_may_ask_at_the_apis_own_address(tty: Tty, emulator: Service) -> None:
    """The vendor's client: pty.connect asks at whatever base_url it was given."""
    with Runloop(bearer_token=tty.token, base_url=emulator.base_url) as client:
        assert client.pty.connect(name()).created


def test_much_output_comes_whole(tty: Tty) -> None:
    """A terminal: nothing is lost while the client reads."""
    with tty.attach(name()) as websocket:
        websocket.send(b"stty -echo; PS1=; seq 200000; echo th''e end\n")
        shown = until(websocket, "the end")

    assert "\r\n".join(str(n) for n in range(1, 200001)) in shown


def test_a_suspended_devboxs_terminals_are_gone(emulator: Service, create: Create, sdk: RunloopSDK) -> None:
    """PTY API: suspend and resume replace the process; the name then makes a new session."""
    devbox = create()
    with terminals(emulator, sdk, devbox) as tty:
        tty.client.pty.connect("main")
        devbox.suspend()
        devbox.await_suspended()
        with pytest.raises(BadRequestError, match="suspended"):
            tty.client.pty.connect("main")
        devbox.resume()
        assert tty.client.pty.connect("main").created


def test_a_devbox_that_does_not_run_has_no_way_to_terminals(create: Create, sdk: RunloopSDK) -> None:
    """create_pty_tunnel: 400 when not running, 404 for none."""
    devbox = create()
    devbox.shutdown()

    with pytest.raises(BadRequestError):
        sdk.api.devboxes.create_pty_tunnel(devbox.id)
    with pytest.raises(NotFoundError):
        sdk.api.devboxes.create_pty_tunnel("dbx_nosuch")
