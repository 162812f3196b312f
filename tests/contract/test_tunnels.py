"""Tunnels: what comes through them, and how their URLs are reached on the emulator."""

from __future__ import annotations

import socket
import ssl
import textwrap
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from runloop_api_client import RunloopSDK
from runloop_api_client.sdk import Devbox
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.contract.conftest import Service

Create = Callable[..., Devbox]
Way = Callable[[Devbox, int], httpx.Client]

SERVER = textwrap.dedent(
    """
    import base64, hashlib, http.server, time

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if "upgrade" in self.headers.get("Connection", "").lower():
                return self.websocket()
            if self.path == "/events":
                return self.events()
            body = repr((self.command, self.path, sorted(name.lower() for name in self.headers))).encode()
            self.answer(200, body)

        def do_POST(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(201, hashlib.sha256(body).hexdigest().encode() + b" %d" % len(body))

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Answer", "yes")
            self.end_headers()
            self.wfile.write(body)

        def events(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for number in range(3):
                self.wfile.write(b"data: %d\\n\\n" % number)
                self.wfile.flush()
                time.sleep(0.5)
            self.close_connection = True

        def websocket(self):
            key = self.headers["Sec-WebSocket-Key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key).digest()).decode())
            self.end_headers()
            while True:
                head = self.rfile.read(2)
                if len(head) < 2 or head[0] & 15 == 8:
                    break
                mask = self.rfile.read(4)
                data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(head[1] & 127)))
                self.wfile.write(bytes([head[0], len(data)]) + data)
            self.close_connection = True

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
    """
)


@pytest.fixture(scope="module")
def served(sdk: RunloopSDK) -> Iterator[Devbox]:
    """A devbox with an open tunnel, and a server on port 8000."""
    devbox = sdk.devbox.create(tunnel={"auth_mode": "open"})
    start(devbox)
    yield devbox
    devbox.shutdown()


def start(devbox: Devbox) -> None:
    devbox.file.write(file_path="server.py", contents=SERVER)
    devbox.cmd.exec("nohup python3 server.py > server.log 2>&1 &")
    waiting = "for i in $(seq 100); do (echo > /dev/tcp/127.0.0.1/8000) 2> /dev/null && exit; sleep 0.1; done; exit 1"
    assert devbox.cmd.exec(waiting).success


@pytest.fixture(params=["host", "path", "proxy"])
def way(emulator: Service, request: pytest.FixtureRequest) -> Iterator[Way]:
    """The ways to a tunnel's URL on the emulator: its name in the Host header, its path form, an HTTP proxy."""
    clients: list[httpx.Client] = []

    def open_(devbox: Devbox, port: int) -> httpx.Client:
        host = name(devbox, port)
        if request.param == "host":
            client = httpx.Client(base_url=emulator.base_url, headers={"Host": host})
        elif request.param == "path":
            client = httpx.Client(base_url=f"{emulator.base_url}/_emulator/tunnels/{host.partition('.')[0]}")
        else:
            client = httpx.Client(base_url=f"http://{host}", proxy=emulator.base_url)
        clients.append(client)
        return client

    yield open_
    for client in clients:
        client.close()


def name(devbox: Devbox, port: int) -> str:
    url = devbox.get_tunnel_url(port)
    assert url is not None
    return url.removeprefix("https://")


def reach(emulator: Service) -> socket.socket:
    parts = urlsplit(emulator.base_url)
    return socket.create_connection((parts.hostname or "", parts.port or 80))


def test_the_url_has_port_and_key(served: Devbox) -> None:
    """The vendor's client: https://{port}-{key}.tunnel.{host}."""
    key = served.get_info().tunnel.tunnel_key  # type: ignore[union-attr]

    assert name(served, 8000).startswith(f"8000-{key}.tunnel.")


def test_http_goes_through(served: Devbox, way: Way) -> None:
    """Tunnel documentation: HTTP to any port, with path and query as they are."""
    answer = way(served, 8000).get("/a%20b/c?d=e&f", headers={"X-Mine": "1"})

    assert (answer.status_code, answer.headers["x-answer"]) == (200, "yes")
    assert "'/a%20b/c?d=e&f'" in answer.text
    assert "'x-mine'" in answer.text


def test_one_key_is_for_all_ports(served: Devbox, way: Way) -> None:
    """Tunnel documentation: one tunnel covers all ports."""
    served.cmd.exec("nohup python3 -m http.server 8001 > /dev/null 2>&1 & sleep 1")

    assert "server.py" in way(served, 8001).get("/").text


def test_a_port_where_nothing_listens_is_a_bad_gateway(served: Devbox, way: Way) -> None:
    """The emulator's choice of what isn't documented: 502, which names port and devbox."""
    answer = way(served, 8002).get("/")

    assert answer.status_code == 502
    assert "8002" in answer.json()["message"]


def test_bodies_of_both_kinds_go_through(served: Devbox, way: Way) -> None:
    """HTTP: with a length, or in chunks."""
    client = way(served, 8000)

    whole = client.post("/", content=b"x" * 3_000_000)
    chunked = client.post("/", content=iter([b"x" * 1_000_000] * 3))

    assert whole.status_code == chunked.status_code == 201
    assert whole.text == chunked.text
    assert whole.text.endswith(" 3000000")


def test_head_has_no_body(served: Devbox, way: Way) -> None:
    """HTTP: an answer whose length is not that of what follows."""
    assert way(served, 8000).head("/").status_code == 501


def test_events_come_as_they_happen(served: Devbox, way: Way) -> None:
    """Tunnel documentation: server-sent events are forwarded."""
    with way(served, 8000).stream("GET", "/events") as answer:
        times = [time.monotonic() for line in answer.iter_lines() if line]

    assert len(times) == 3
    assert times[2] - times[0] > 0.7


@pytest.mark.parametrize("form", ["host", "path"])
def test_a_websocket_goes_through(served: Devbox, emulator: Service, form: str) -> None:
    """Tunnel documentation: WebSockets are forwarded."""
    host = name(served, 8000)
    url = f"ws://{host}/chat?x=1"
    if form == "path":
        url = f"{emulator.base_url.replace('http', 'ws')}/_emulator/tunnels/{host.partition('.')[0]}/chat?x=1"

    with connect(url, sock=reach(emulator), compression=None) as websocket:
        websocket.send("hello")
        assert websocket.recv(timeout=10) == "hello"
        websocket.send(b"\x00\x01")
        assert websocket.recv(timeout=10) == b"\x00\x01"


@pytest.fixture
def certificate(emulator: Service, http: httpx.Client) -> dict[str, str]:
    """Where the emulator keeps its certificate."""
    files: dict[str, str] = http.get("/_emulator/certificate").raise_for_status().json()
    return files


def test_the_clients_own_url_answers_behind_a_proxy(
    served: Devbox, emulator: Service, certificate: dict[str, str]
) -> None:
    """The vendor's client: its URL is https and has no port; HTTPS_PROXY and SSL_CERT_FILE make it answer as it is."""
    url = served.get_tunnel_url(8000)
    assert url is not None
    trusting = ssl.create_default_context(cafile=certificate["bundle"])

    with httpx.Client(proxy=emulator.base_url, verify=trusting) as client:
        assert client.get(f"{url}/over-tls").text.startswith("('GET', '/over-tls'")
        assert client.post(url, content=b"x" * 1_000_000).text.endswith(" 1000000")


def test_tls_is_spoken_on_the_emulators_own_port(
    served: Devbox, emulator: Service, certificate: dict[str, str]
) -> None:
    """For clients that can be told where a name is, as curl --connect-to and browsers can."""
    trusting = ssl.create_default_context(cafile=certificate["certificate"])
    host = name(served, 8000)

    with trusting.wrap_socket(reach(emulator), server_hostname=host) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    with connect(f"wss://{host}/", sock=reach(emulator), ssl=trusting, compression=None) as websocket:
        websocket.send("hello")
        assert websocket.recv(timeout=10) == "hello"


def test_the_proxy_is_nobodys_way_to_other_hosts(emulator: Service) -> None:
    """It leads to tunnels; to other hosts only for who has the API key."""
    with pytest.raises(httpx.ProxyError, match="407"):
        httpx.get("https://127.0.0.1:1", proxy=emulator.base_url)
    trusted = emulator.base_url.replace("//", f"//x:{emulator.api_key}@")
    with pytest.raises(httpx.ProxyError, match="502"):
        httpx.get("https://127.0.0.1:1", proxy=trusted)


def test_an_authenticated_tunnel_wants_its_token(create: Create, emulator: Service, way: Way) -> None:
    """Tunnel documentation: X-Runloop-Tunnel-Authorization, which the program behind it doesn't see."""
    devbox = create(tunnel={"auth_mode": "authenticated"})
    start(devbox)
    token = devbox.get_info().tunnel.auth_token  # type: ignore[union-attr]
    client = way(devbox, 8000)

    assert client.get("/").status_code == 401
    assert client.get("/", headers={"X-Runloop-Tunnel-Authorization": "Bearer no"}).status_code == 401
    answer = client.get("/", headers={"X-Runloop-Tunnel-Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert "authorization" not in answer.text
    assert client.get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    with pytest.raises(InvalidStatus, match="401"):
        connect(f"ws://{name(devbox, 8000)}/", sock=reach(emulator))


def test_a_removed_tunnel_leads_nowhere(create: Create, way: Way) -> None:
    """Devbox API, remove_tunnel."""
    devbox = create(tunnel={})
    client = way(devbox, 8000)

    assert client.get("/").status_code == 502
    devbox.net.remove_tunnel()
    assert client.get("/").status_code == 404


def test_an_unknown_key_leads_nowhere(emulator: Service) -> None:
    """A name that looks like a tunnel's is never the API's."""
    host = {"Host": "8000-nosuchkey.tunnel.127.0.0.1", "Authorization": f"Bearer {emulator.api_key}"}

    assert httpx.get(f"{emulator.base_url}/v1/devboxes", headers=host).status_code == 404


@pytest.mark.parametrize("by", ["tunnel", "lifecycle"])
def test_http_wakes_a_suspended_devbox(create: Create, way: Way, by: str) -> None:
    """Tunnel documentation: 503 with Retry-After first; the key works again after the resume."""
    wanted: dict[str, object] = {"tunnel": {"wake_on_http": True}}
    if by == "lifecycle":
        triggers = {"lifecycle": {"resume_triggers": {"http": True}}}
        wanted = {"tunnel": {"wake_on_http": False}, "launch_parameters": triggers}
    devbox = create(**wanted)
    suspend(devbox)
    client = way(devbox, 8000)

    first = client.get("/")

    assert (first.status_code, first.headers["retry-after"]) == (503, "5")
    devbox.await_running()
    start(devbox)
    assert client.get("/").status_code == 200


def test_http_does_not_wake_where_it_is_not_told_to(create: Create, way: Way) -> None:
    """Launch parameters: lifecycle.resume_triggers.http goes before the tunnel's wake_on_http."""
    lifecycle = {"lifecycle": {"resume_triggers": {"http": False}}}
    devbox = create(tunnel={"wake_on_http": True}, launch_parameters=lifecycle)
    suspend(devbox)

    assert "retry-after" not in way(devbox, 8000).get("/").headers
    assert devbox.get_info().status == "suspended"


@pytest.mark.parametrize(("counts", "status"), [(True, "running"), (False, "suspended")])
def test_traffic_keeps_a_devbox_awake_if_it_counts(
    create: Create, emulator: Service, counts: object, status: str
) -> None:
    """Tunnel documentation: http_keep_alive."""
    idle = {"after_idle": {"idle_time_seconds": 3, "on_idle": "suspend"}}
    devbox = create(tunnel={"http_keep_alive": counts}, launch_parameters=idle)
    host = {"Host": name(devbox, 8000)}
    end = time.monotonic() + 5

    while time.monotonic() < end:
        httpx.get(emulator.base_url, headers=host)
        time.sleep(0.3)

    assert devbox.get_info().status == status


def suspend(devbox: Devbox) -> None:
    devbox.suspend()
    devbox.await_suspended()
