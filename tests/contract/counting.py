"""A proxy that counts requests, in front of an emulator: standard library only."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Counter:
    """What went through.

    Attributes:
        base_url: Where clients go.
        lines: Method and path of each request, ids shortened to their kind.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.lines: list[str] = []


@contextmanager
def counting(target: str) -> Iterator[Counter]:
    """Run a proxy to *target*."""
    host, port = urlsplit(target).hostname or "", urlsplit(target).port or 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            counter.lines.append(f"{self.command} {_shortened(self.path)}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream = http.client.HTTPConnection(host, port, timeout=60)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        do_GET = do_POST = _pass_on  # noqa: N815 - the server's own names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    counter = Counter(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield counter
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _shortened(path: str) -> str:
    parts = urlsplit(path).path.split("/")
    return "/".join(
        part[:4] if part[:4] in {"dbx_", "snp_", "exec", "bpt_"} and len(part) > 12 else part for part in parts
    )
