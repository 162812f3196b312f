"""The one exception that becomes an HTTP answer. Pure; it knows status numbers but no web framework."""

from __future__ import annotations


class ApiProblem(Exception):
    """Carry a refusal from where it is noticed to where it is answered.

    Attributes:
        status: HTTP status.
        message: What happened, which object, what to do now.
        code: The body's ``code``; the status as text unless something finer is known.
        should_retry: False makes the client give up at once instead of retrying for half a minute.
    """

    def __init__(self, status: int, message: str, *, code: str = "", should_retry: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or str(status)
        self.should_retry = should_retry

    @property
    def body(self) -> dict[str, object]:
        """The JSON the client gets."""
        return {"code": self.code, "message": self.message}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {} if self.should_retry else {"x-should-retry": "false"}


def bad_request(message: str) -> ApiProblem:
    """Make the 400 for a request that can't be meant."""
    return ApiProblem(400, message)


def not_found(kind: str, name: str) -> ApiProblem:
    """Make the 404 for an object that isn't there."""
    return ApiProblem(404, f"{kind} {name!r} was not found.")


def timed_out(message: str) -> ApiProblem:
    """Make the 408 that ends a long poll. Clients are meant to ask again."""
    return ApiProblem(408, message)


def conflict(message: str) -> ApiProblem:
    """Make the 409 of an object that is busy."""
    return ApiProblem(409, message, should_retry=False)


def unsupported(message: str) -> ApiProblem:
    """Make the 501 for a part of Runloop that isn't emulated."""
    return ApiProblem(501, message, should_retry=False)
