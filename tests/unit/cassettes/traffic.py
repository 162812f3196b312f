"""A stand-in for the studio: answers requests to one address from a table, or takes them down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.places import Places, Url
from pytest_runloop.cassettes.takes.notes import Note
from pytest_runloop.cassettes.traffic.transports import GaveUp, Late, Recording, Transports


class Traffic:
    """Answers what is in ``answers``, refuses what is in ``refused``, records everything else of its places.

    Attributes:
        asked: The requests that came, in order.
        ended: What was taken down, in the order of its end.
    """

    def __init__(self, base_url: str) -> None:
        self.places = Places(base_url)
        self.answers: dict[str, Response | Late | GaveUp] = {}
        self.refused: dict[str, BaseException] = {}
        self.asked: list[Request] = []
        self.ended: list[tuple[int, Response | None]] = []
        self.open: set[Note] = set()

    def place(self, url: Url) -> tuple[str, str] | None:
        return self.places.find(url)

    def meet(self, request: Request, headers: Mapping[str, str]) -> Response | Late | GaveUp | Recording | None:
        self.asked.append(request)
        if request.path in self.refused:
            raise self.refused[request.path]
        if request.path in self.answers:
            return self.answers[request.path]
        note = Note(self, len(self.asked), request.host, self.open.discard)
        self.open.add(note)
        return note

    def end(self, number: int, response: Response | None) -> None:
        self.ended.append((number, response))

    def lose(self, number: int) -> None:
        """Nothing is to be left of it."""


@contextmanager
def patched(traffic: Traffic) -> Iterator[Transports]:
    transports = Transports(traffic)
    transports.install()
    try:
        yield transports
    finally:
        transports.close()


Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(respond: Respond) -> Iterator[str]:
    """Run a server of HTTP/1.1 whose every request is answered by *respond*."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            respond(self)

        do_GET = do_POST = _answer  # noqa: N815 - the server's own names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def plain(body: bytes, *, status: int = 200, **headers: str) -> Respond:
    """Answer everything with the same body."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """Send one piece of a chunked body; an empty one ends it."""
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    handler.wfile.flush()


def begin_events(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
