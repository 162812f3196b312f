"""One TLS context for all transports that ask for an equal one, instead of one each.

A context takes 21 ms, and a client of the Runloop API makes 26 of them per event loop. Nothing that is verified
changes: a context is shared only between calls whose every input is equal, and a call with an input that can't be
compared gets its own.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

Make = Callable[..., Any]
Key = tuple[object, ...]

_ENVIRONMENT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


class SharedContexts:
    """Remember what a library's ``create_ssl_context`` has made."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[Key, Any] = {}

    def __call__(self, verify: Any = True, cert: Any = None, trust_env: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 - the signature of what it stands for
        key = _key(verify, cert, trust_env=trust_env)
        if key is None:
            return self._make(verify=verify, cert=cert, trust_env=trust_env)
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(verify=verify, cert=cert, trust_env=trust_env)
            return self._made[key]


@functools.lru_cache(maxsize=8)
def shared(make: Make) -> SharedContexts:
    """Return what shares the contexts that a library makes, always the same: they outlast the patches."""
    return SharedContexts(make)


def _key(verify: object, cert: object, *, trust_env: bool) -> Key | None:
    # A context of the caller's own is the caller's. A directory of certificates is looked into at each connection.
    if not isinstance(verify, bool) or cert:
        return None
    named = tuple(os.environ.get(name, "") for name in _ENVIRONMENT)
    # One context is told the protocols of a connection just before that connection; threads must not interleave there.
    return (verify, trust_env, threading.get_ident(), *named, _stamp(named[0]))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - on the way of every transport
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
