"""One request and what came back: the records that everything here passes on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

RUNLOOP, OPENAI = "runloop", "openai"
"""What stands for the two services, wherever they were when a recording was made."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request.

    Attributes:
        method: Upper case.
        host: ``RUNLOOP``, ``OPENAI``, a port of a sandbox (``8000.dbx_….sandbox``), or another host's own name.
        path: Path and query, as sent.
        content_type: The header's value; empty without one.
        body: Decoded; empty without one.
    """

    method: str
    host: str
    path: str
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer.

    Attributes:
        headers: Lower-case names; only those that are kept. None about encoding or length: what is here is decoded.
        chunks: The content in the pieces in which it came; a single one unless it is a stream of events.
        complete: Whether it was read to its end; the client may have closed it before.
    """

    status: int
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    chunks: Sequence[bytes] = field(default=(), repr=False)
    complete: bool = True

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self.chunks)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its fate.

    Attributes:
        response: None: the client gave up waiting for one.
        retry_of: What ties attempts of one call together, as the client's ``x-request-id`` does; empty if nothing.
    """

    request: Request
    response: Response | None
    retry_of: str = ""
