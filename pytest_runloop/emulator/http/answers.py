"""Requests in, answers out: what all resources have in common, error mapping included."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request, unsupported
from pytest_runloop.emulator.http.unsupported import why_not
from pytest_runloop.emulator.service.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, Page

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.emulator import Emulator

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a JSON body; files go by upload, which has no limit."""

Answer: TypeAlias = "Response | Mapping[str, object]"
Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]
Record: TypeAlias = dict[str, Any]
"""A checked JSON object."""


def route(method: str, path: str, handler: Handler) -> Route:
    """Make a route; what the handler gives back as a mapping is sent as JSON."""

    async def endpoint(request: Request) -> Response:
        answer = await handler(request)
        return answer if isinstance(answer, Response) else json_answer(answer)

    return Route(path, endpoint, methods=[method])


def json_answer(body: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Send JSON. Only ASCII goes over the wire, so any text a client sent can be sent back."""
    return Response(json.dumps(body).encode(), status, headers, "application/json")


def emulator(request: Request) -> Emulator:
    """Give the emulator that answers."""
    return cast("Emulator", request.app.state.emulator)


def devbox_id(request: Request) -> str:
    """Give the path's devbox."""
    return cast("str", request.path_params["id"])


def request_id(request: Request) -> str:
    """Give the client's idempotency key, the same on every retry of one call; empty if it sent none."""
    return request.headers.get("x-request-id", "")


async def json_body(request: Request) -> Record:
    """Read a JSON object; an empty body is an empty object.

    Raises:
        ApiProblem: 400 for anything else, 413 for too much.
    """
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise ApiProblem(413, f"The body is larger than {MAX_BODY} bytes; send files by upload_file.")
    raw = b"".join(parts)
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"The body is not JSON: {error}.") from None
    return dict(checks.mapping("the body", {} if value is None else value))


async def checked_body(request: Request, check: checks.Check) -> Record:
    """Read and check a JSON object."""
    return cast("Record", check("", await json_body(request)))


def flag(request: Request, name: str, *, default: bool) -> bool:
    """Read a true/false query parameter."""
    word = request.query_params.get(name)
    if word in {None, ""}:
        return default
    return checks.choice(("true", "false"))(name, word) == "true"


def number(request: Request, name: str, *, default: int, minimum: int, maximum: int | None = None) -> int:
    """Read a query parameter of digits; above the maximum it becomes the maximum."""
    word = request.query_params.get(name)
    if word in {None, ""}:
        return default
    if not word.isascii() or not word.isdigit() or int(word) < minimum:
        raise bad_request(f"{name}: {word!r} is not a whole number from {minimum} on.")
    return int(word) if maximum is None else min(int(word), maximum)


def cursor(request: Request) -> Cursor:
    """Read which page of a list is wanted."""
    limit = number(request, "limit", default=DEFAULT_LIMIT, minimum=1, maximum=MAX_LIMIT)
    return Cursor(limit=limit, starting_after=request.query_params.get("starting_after") or None)


def page_view(request: Request, page: Page[Any], *, key: str, view: Callable[[Any], object]) -> Record:
    """Print a page of a list under its key."""
    counted = flag(request, "include_total_count", default=True)
    return {
        key: [view(item) for item in page.items],
        "has_more": page.has_more,
        "total_count": page.total_count if counted else None,
    }


async def answer_problem(_: Request, problem: Exception) -> Response:
    """Answer with a problem's own status, body and headers."""
    assert isinstance(problem, ApiProblem)  # noqa: S101 - Starlette calls this for nothing else
    return json_answer(problem.body, status=problem.status, headers=problem.headers)


async def answer_unrouted(request: Request, error: Exception) -> Response:
    """Answer a path or a method nobody handles."""
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls this for nothing else
    asked = f"{request.method} {request.url.path}"
    reason = why_not(request.method, request.url.path)
    if reason is not None:
        return await answer_problem(request, unsupported(f"{asked}: not emulated: {reason}."))
    problem = ApiProblem(error.status_code, f"{asked}: {error.detail}; Runloop has no such route.")
    return json_answer(problem.body, status=problem.status)


async def answer_nobody(request: Request, _: Exception) -> Response:
    """Answer a client that went away in the middle of its request; nobody reads it."""
    problem = bad_request(f"{request.method} {request.url.path}: the request ended before its body did.")
    return await answer_problem(request, problem)


async def answer_bug(request: Request, _: Exception) -> Response:
    """Answer for a mistake in the emulator itself, which the server logs; asking again would not help."""
    message = f"{request.method} {request.url.path}: the emulator failed; its log file has the details."
    problem = ApiProblem(500, message, should_retry=False)
    return json_answer(problem.body, status=500, headers=problem.headers)
